"""What a planted bug is: one thing broken in the memory backend, and the checks of the kit that must notice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType

import attrs
import pytest

from taskcore import protocol
from taskcore.protocol import Backend, Change, Clock, Refused, Task
from taskcore.records import _applying, _claiming, _moving
from taskcore_backends.memory import MemoryBackend

MakeBackend = Callable[[Clock], Backend]
Plant = Callable[[pytest.MonkeyPatch], "type[MemoryBackend] | None"]


@attrs.frozen
class Bug:
    """A bug, by name; ``caught_by`` are the checks that must fail with it."""

    name: str
    story: str
    caught_by: tuple[str, ...]
    plant: Plant

    def make_backend(self, patch: pytest.MonkeyPatch) -> MakeBackend:
        """Break what it breaks until ``patch`` is undone; return what makes a backend with the bug."""
        broken = self.plant(patch) or MemoryBackend
        return lambda clock: broken(clock=clock)


def bug(*caught_by: str) -> Callable[[Plant], Bug]:
    """Make a bug of a function that plants it: it patches something, or returns a class of backends, or both."""

    def decorate(plant: Plant) -> Bug:
        return Bug(plant.__name__, plant.__doc__ or "", caught_by, plant)

    return decorate


def bugs_of(modules: Iterable[ModuleType]) -> list[Bug]:
    return [value for module in modules for value in vars(module).values() if isinstance(value, Bug)]


Twist = Callable[[Task, Change, Task | Refused], Task | Refused]


def twist_steps(patch: pytest.MonkeyPatch, twist: Twist) -> None:
    """Have the store write what ``twist`` makes of each outcome of the machine."""

    def twisted(task: Task, change: Change, now: object) -> Task | Refused:
        return twist(task, change, protocol.step(task, change, now))  # type: ignore[arg-type]

    for module in (_moving, _claiming, _applying):
        patch.setattr(module, "step", twisted)


def twist_changes(patch: pytest.MonkeyPatch, twist: Callable[[Task, Change], Change]) -> None:
    """Have the machine see what ``twist`` makes of each change."""

    def twisted(task: Task, change: Change, now: object) -> Task | Refused:
        return protocol.step(task, twist(task, change), now)  # type: ignore[arg-type]

    for module in (_moving, _claiming, _applying):
        patch.setattr(module, "step", twisted)
