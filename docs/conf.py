"""Settings of the documentation: MyST pages, the API from docstrings, the furo theme."""

from __future__ import annotations

import re
from enum import Enum
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING

import attrs
from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "taskcore"
author = "taskcore contributors"
copyright = "2026, taskcore contributors"  # noqa: A001 - the name that Sphinx reads
release = installed_version("taskcore")
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "undoc-members": True}
autodoc_member_order = "bysource"
autodoc_type_aliases = {"JSONValue": "JSONValue"}
autodoc_typehints = "signature"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"taskcore {release}"

_LONGEST_DEFAULT = 40
"""Characters of a default that a signature shows; a longer one, or one that is made anew, is shown as an ellipsis."""

_GOT_FROM_OTHERS = {"AsyncGroupHandle", "AsyncHandle", "Context", "GroupHandle", "Handle"}
"""Classes that nobody makes by hand."""

_FORWARD = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")


def read_sections(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Read the "Args:" of functions and classes; a field's first words before a colon are no type, but words."""
    if what in {"class", "exception", "function", "method"}:
        lines[:] = GoogleDocstring(lines, Config(), app, what, name, obj, options).lines()


def _shown_default(field: attrs.Attribute[object]) -> str:
    if field.default is attrs.NOTHING:
        return ""
    is_new = isinstance(field.default, attrs.Factory)
    text = str(field.default) if isinstance(field.default, Enum) else repr(field.default).removeprefix("datetime.")
    return f"={'…' if is_new or len(text) > _LONGEST_DEFAULT else text}"


def tell_fields(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """Give data classes a signature of names and defaults (their fields stand below), enums and protocols none."""
    if what != "class" or not isinstance(obj, type):
        return None if signature is None else (_FORWARD.sub(r"\1", signature), returns)
    if attrs.has(obj):
        fields = [field for field in attrs.fields(obj) if field.init and not field.name.startswith("_")]
        star = "*, " if fields and all(field.kw_only for field in fields) else ""
        return f"({star}{', '.join(field.name + _shown_default(field) for field in fields)})", None
    has_none = getattr(obj, "_is_protocol", False) or issubclass(obj, Enum) or obj.__name__ in _GOT_FROM_OTHERS
    return ("", None) if has_none else None


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", read_sections)
    app.connect("autodoc-process-signature", tell_fields)
