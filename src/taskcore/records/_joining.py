"""What is said when not all new tasks of a call can join the groups that they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from taskcore.errors import InvalidInput, MissingParent
from taskcore.protocol import TaskSpec

__all__ = ["refuse_joining"]


def refuse_joining(specs: Sequence[TaskSpec], room: Mapping[str, int | None]) -> NoReturn:
    """Raise for the first of these new specs that cannot join its group.

    ``room``: for each group that cannot take all of them, how many it can; ``None``: it is not in the store.
    """
    joined = dict.fromkeys(room, 0)
    for spec in specs:
        group_id = spec.group_id
        if group_id is None or group_id not in room:
            continue
        left = room[group_id]
        if left is None:
            raise MissingParent(
                f"Task {spec.id} ({spec.name}) is to join the group {group_id}: not in this store. Add the group "
                "first.",
                parent_ids=[group_id],
            )
        if joined[group_id] >= left:
            raise InvalidInput(
                f"Task {spec.id} ({spec.name}) is to join the group {group_id}, which is sealed: it has all of its "
                "members."
            )
        joined[group_id] += 1
    raise AssertionError(f"Each of the groups {', '.join(room)} should have one spec too many.")
