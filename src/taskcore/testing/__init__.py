"""What tests need: a clock that stands still, and a kit that proves a backend right.

``conformance`` holds the checks that every backend must pass, ``stateful`` a Hypothesis state machine that compares
two backends, ``faults`` wrappers that lose replies and repeat calls. Nothing here needs pytest; only ``stateful`` needs
Hypothesis, so each of the three is imported by its own name.
"""

from taskcore.testing._clock import FakeClock

__all__ = ["FakeClock"]
