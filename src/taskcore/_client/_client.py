"""``Client``: what a program enqueues with, and what operators look at and change tasks with.

A facade: each method says what callers need to know, and leaves the doing to the module that is about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar, overload
