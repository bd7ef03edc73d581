"""What a check is: a fact about backends, as a function that raises when the fact does not hold.

No test framework is needed: ``check(make_backend)`` returns, raises ``CheckFailed`` (an ``AssertionError``), or raises
``unittest.SkipTest`` when the backend lacks a capability that the check is about, which pytest and unittest understand.
"""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Protocol, TypeVar

import attrs

from taskcore.protocol import Backend, Capability, Clock, Event
from taskcore.testing._clock import FakeClock
from taskcore.testing.conformance._trial import CheckFailed, Trial

__all__ = ["Check", "MakeBackend", "check", "checks_of", "family"]

_BackendT_co = TypeVar("_BackendT_co", bound=Backend, covariant=True)


class MakeBackend(Protocol[_BackendT_co]):
    """Makes the backend to be checked: fresh and empty, with the clock that it is given.

    A store that other processes can open, or that outlives a process, is opened a second time by some checks, while
    the first opening is in use or after it was closed. They call the same function again, or its attribute ``reopen``
    if it has one (for a factory that makes up a new place each time).
    """

    def __call__(self, clock: Clock, /) -> _BackendT_co:
        """Return a backend whose ``now()`` is that of ``clock``."""
        ...


@attrs.frozen(kw_only=True)
class Check:
    """One fact that must hold of every backend that has the capabilities it requires."""

    name: str
    """Subject and fact: ``claims.highest_priority_comes_first``."""
    fact: str
    """The fact as a sentence."""
    requires: frozenset[Capability]
    function: Callable[[Trial], None]

    def __call__(self, make_backend: MakeBackend[Backend]) -> None:
        """Raise ``CheckFailed`` if the fact does not hold, ``unittest.SkipTest`` if it is not about this backend."""
        clock = FakeClock()
        trial = Trial(store=make_backend(clock), clock=clock, reopen=getattr(make_backend, "reopen", make_backend))
        try:
            missing = self.requires - trial.store.capabilities
            if missing:
                names = ", ".join(sorted(capability.value for capability in missing))
                raise unittest.SkipTest(f"{self.name} is about backends that can: {names}")
            self.function(trial)
        except CheckFailed as failed:
            raise CheckFailed(f"{self.name}: {self.fact}\n{failed}") from failed
        finally:
            trial.close()


def check(*requires: Capability) -> Callable[[Callable[[Trial], None]], Check]:
    """Make a check of a function; its docstring is the fact, its module the subject."""

    def decorate(function: Callable[[Trial], None]) -> Check:
        return Check(
            name=f"{_subject(function)}.{function.__name__}",
            fact=inspect.getdoc(function) or "",
            requires=frozenset(requires),
            function=function,
        )

    return decorate


def _subject(function: Callable[..., None]) -> str:
    return function.__module__.rpartition(".")[2]


def family(
    function: Callable[[Trial, Event], None], events: Iterable[Event], name: str, fact: str
) -> tuple[Check, ...]:
    """Make one check for each event; ``{}`` in name and fact stands for it."""

    def bind(event: Event) -> Callable[[Trial], None]:
        return lambda trial: function(trial, event)

    subject = _subject(function)
    return tuple(
        Check(
            name=f"{subject}.{name.format(event.value.lower())}",
            fact=fact.format(event.value),
            requires=frozenset(),
            function=bind(event),
        )
        for event in events
    )


def checks_of(modules: Sequence[ModuleType]) -> tuple[Check, ...]:
    """Return the checks that stand in these modules, alone or in tuples, in the order they are written."""
    found: list[Check] = []
    for module in modules:
        names: Mapping[str, object] = vars(module)
        for value in names.values():
            several = value if isinstance(value, tuple) else (value,)
            found += [one for one in several if isinstance(one, Check)]
    return tuple(found)
