"""The command line. ``_main`` is the way in, ``_parser`` knows the commands, each other module does some of them."""

from __future__ import annotations

from taskcore._cli._main import main

__all__ = ["main"]
