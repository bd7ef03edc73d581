"""Settings of the documentation: MyST pages, the API from docstrings, the furo theme."""

from importlib.metadata import version as installed_version

project = "taskcore"
author = "taskcore contributors"
copyright = "2026, taskcore contributors"  # noqa: A001 - the name that Sphinx reads
release = installed_version("taskcore")
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
python_use_unqualified_type_names = True
napoleon_google_docstring = True

html_theme = "furo"
html_title = f"taskcore {release}"
