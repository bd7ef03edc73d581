"""What things are called: classes and modules in what travels, and any object in a message."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import PurePath
from reprlib import Repr

__all__ = ["MAIN_MODULES", "module_name", "shown", "type_name"]

MAIN_MODULES = ("__main__", "__mp_main__")
"""What Python calls the module of a script, in its own process and in those that it spawns."""

_MODULE, _QUALNAME = type.__dict__["__module__"], type.__dict__["__qualname__"]


class _Short(Repr):
    """Room for a moment with its zone, or for the arguments of a small call."""

    def __init__(self) -> None:
        super().__init__()
        self.maxother = self.maxstring = 100


_SHORT = _Short()


def shown(value: object) -> str:
    """Return the ``repr`` of anything for a message: cut in its middle when it is long, and whatever it raises."""
    return _SHORT.repr(value)


def module_name(name: str, names: Mapping[str, object]) -> str:
    """Return the name of a module; for ``__main__``, the name that its file has when it is imported.

    ``names`` are the globals of the module.
    """
    if name not in MAIN_MODULES:
        return name
    spec = names.get("__spec__")
    if spec is not None:  # python -m
        return str(getattr(spec, "name", name))
    file = names.get("__file__")
    stem = PurePath(file).stem if isinstance(file, str) else ""
    return stem if stem.isidentifier() else "__main__"


def type_name(kind: type) -> str:
    """Return the dotted name of a class, alike in a script and in its child processes.

    Whatever its metaclass answers when asked for it.
    """
    module = str(_MODULE.__get__(kind))
    if module in MAIN_MODULES:
        module = module_name(module, getattr(sys.modules.get(module), "__dict__", {}))
    return f"{module}.{_QUALNAME.__get__(kind)}"
