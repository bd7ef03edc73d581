"""Whether a new dependency closes a circle: whoever is part of one would wait for itself for ever.

A task waits for its unfinished parents, a group for its unfinished members. What is new in the graph goes out from one
task: it waits for parents, and its group for it. So it is looked at who waits for these two, from there on down: mostly
nobody does for a task that is new or has finished, however much its parents wait for themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from taskcore.protocol import SCAN_LIMIT, TaskSpec

__all__ = ["CIRCLE", "Joining", "Waiting", "closes_circle"]

CIRCLE = "It would wait for a task that waits for it, or for its group: neither would ever run."
"""Why a dependency is refused, in words."""

Waiting = Callable[[str], Iterable[tuple[str, str | None]]]
"""Returns the id and group of each task that waits for a task or group; at most ``SCAN_LIMIT`` matter."""


def closes_circle(spec: TaskSpec, unfinished: Iterable[str], waiting: Waiting) -> bool:
    """Return whether one of these parents waits for a task, or for its group, however indirectly.

    As good as yes when more than ``SCAN_LIMIT`` wait.
    """
    found = _all_waiting([spec.id] if spec.group_id is None else [spec.id, spec.group_id], waiting)
    return found is None or not found.isdisjoint(unfinished)


def _all_waiting(roots: list[str], waiting: Waiting) -> set[str] | None:
    """Return who waits for these, however indirectly, and these; ``None`` when too many do."""
    below, seen = list(roots), set(roots)
    while below and len(seen) <= SCAN_LIMIT:
        for child in waiting(below.pop()):
            found = [other for other in child if other is not None and other not in seen]
            below += found
            seen.update(found)
    return None if below else seen


class Joining:
    """New members of groups, one after the other: who waits for a group is found once, and noted from then on."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._known: dict[str, set[str] | None] = {}
        self._noted: list[tuple[TaskSpec, tuple[str, ...]]] = []

    def closes_circle(self, spec: TaskSpec, unfinished: Iterable[str]) -> bool:
        """Return whether one of these parents waits for the group of a new task."""
        if spec.group_id is None:
            return False
        found = self._all_waiting(spec.group_id)
        return found is None or not found.isdisjoint(unfinished)

    def note(self, spec: TaskSpec, unfinished: Iterable[str]) -> None:
        """Note that a new task waits for these parents, whether it is stored already or not."""
        parents = tuple(unfinished)
        self._noted.append((spec, parents))
        for found in list(self._known.values()):
            if found is not None:
                self._extend(found, spec, parents)

    def forget(self) -> None:
        """Forget who waits for what: it has changed otherwise."""
        self._known.clear()

    def _all_waiting(self, group_id: str) -> set[str] | None:
        if group_id not in self._known:
            found = self._known[group_id] = _all_waiting([group_id], self._waiting)
            size = -1
            while found is not None and len(found) != size:  # what waits for one noted before it comes with it
                size = len(found)
                for spec, parents in self._noted:
                    self._extend(found, spec, parents)
        return self._known[group_id]

    def _extend(self, found: set[str], spec: TaskSpec, parents: tuple[str, ...]) -> None:
        if spec.id in found or found.isdisjoint(parents):
            return
        found.add(spec.id)
        if spec.group_id is not None and spec.group_id not in found:
            below = self._all_waiting(spec.group_id)
            if below is not None:
                found |= below
