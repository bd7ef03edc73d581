"""What tests need: a clock that stands still, words for what was enqueued, and a kit that proves a backend right.

``conformance`` holds the checks that every backend must pass, ``stateful`` a Hypothesis state machine that compares
two backends, ``faults`` wrappers that lose replies and repeat calls, ``pytest_plugin`` fixtures. Each is imported by
its own name: nothing here needs pytest, and only ``stateful`` needs Hypothesis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskcore.testing._clock import FakeClock

if TYPE_CHECKING:
    from taskcore.testing._assertions import assert_enqueued, assert_not_enqueued

__all__ = ["FakeClock", "assert_enqueued", "assert_not_enqueued"]

if not TYPE_CHECKING:  # a type checker would believe that any name is there

    def __getattr__(name: str) -> object:
        """Import what needs a client when it is asked for: whoever wants a clock pays for a clock."""
        if name in {"assert_enqueued", "assert_not_enqueued"}:
            from taskcore.testing import _assertions  # noqa: PLC0415

            return getattr(_assertions, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
