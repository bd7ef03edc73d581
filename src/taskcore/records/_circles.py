"""Whether a new dependency closes a circle: whoever is part of one would wait for itself for ever.

A task waits for its unfinished parents, a group for its unfinished members. What is new in the graph goes out from one
task: it waits for parents, and its group for it. So it is looked at who waits for these two, from there on down: mostly
nobody does for a task that is new or has finished, however much its parents wait for themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from taskcore.protocol import SCAN_LIMIT, TaskSpec

__all__ = ["CIRCLE", "closes_circle"]

CIRCLE = "It would wait for a task that waits for it, or for its group: neither would ever run."
"""Why a dependency is refused, in words."""


def closes_circle(
    spec: TaskSpec,
    unfinished: Iterable[str],
    waiting: Callable[[str], Iterable[tuple[str, str | None]]],
    fresh: Mapping[str, Sequence[TaskSpec]] | None = None,
) -> bool:
    """Return whether one of these parents waits for a task, or for its group, however indirectly.

    ``waiting`` returns the id and group of each task that waits for a task or group; at most ``SCAN_LIMIT`` matter.
    ``fresh`` has, by parent, what is about to be added with it. As good as yes when more than ``SCAN_LIMIT`` wait.
    """
    wanted = set(unfinished)
    below = [spec.id] if spec.group_id is None else [spec.id, spec.group_id]
    seen = set(below)
    while below and len(seen) <= SCAN_LIMIT:
        node = below.pop()
        if node in wanted:
            return True
        children = list(waiting(node))
        if fresh is not None:
            children += [(child.id, child.group_id) for child in fresh.get(node, ())]
        for child in children:
            found = [other for other in child if other is not None and other not in seen]
            below += found
            seen.update(found)
    return bool(below)
