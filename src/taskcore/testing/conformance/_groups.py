"""What the checks of groups say all the time: a group with members, its counts, whether and when it finished."""

from __future__ import annotations

import attrs

from taskcore.protocol import Group, State
from taskcore.testing.conformance._trial import Trial

__all__ = ["add_group", "counts_of", "finish_of", "new_id"]


def add_group(trial: Trial, members: int, *, total: int | None = -1, **options: object) -> tuple[str, list[str]]:
    """Store a group of so many members, sealed unless ``total`` says otherwise; return its id and theirs."""
    specs = [
        trial.spec(**{"queue_name": f"member {index}", "max_attempts": 3, "group_index": index, **options})
        for index in range(members)
    ]
    group = Group(
        id=new_id(trial),
        name="a group",
        created_at=trial.clock.now(),
        total=members if total == -1 else total,
    )
    trial.store.add([attrs.evolve(spec, group_id=group.id) for spec in specs], group=group)
    return group.id, [spec.id for spec in specs]


def new_id(trial: Trial) -> str:
    return trial.spec().id


def counts_of(trial: Trial, group_id: str) -> dict[State, int]:
    return dict(trial.group(group_id).counts)


def finish_of(trial: Trial, group_id: str) -> tuple[bool, object]:
    group = trial.group(group_id)
    return group.is_finished, group.finished_at
