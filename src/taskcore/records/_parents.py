"""How a parent stands, as seen by a task that depends on it, and what is said of one that is not there."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from taskcore.errors import MissingParent
from taskcore.protocol import TaskSpec

__all__ = ["Outcome", "refuse_missing"]


class Outcome(Enum):
    """How a parent stands, as seen by a child; a group that has finished with a member that failed has failed."""

    MISSING = "missing"
    UNFINISHED = "unfinished"
    SUCCESSFUL = "successful"
    FAILED = "failed"


def refuse_missing(spec: TaskSpec, outcomes: Iterable[tuple[str, Outcome]]) -> None:
    """Raise ``MissingParent`` when one of the parents of a spec is not there."""
    missing = [parent_id for parent_id, outcome in outcomes if outcome is Outcome.MISSING]
    if missing:
        raise MissingParent(
            f"Task {spec.id} ({spec.name}) depends on {', '.join(missing)}: not in this store. Enqueue parents first.",
            parent_ids=missing,
        )
