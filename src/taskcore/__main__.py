"""``python -m taskcore``."""

from __future__ import annotations

import sys

from taskcore._cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
