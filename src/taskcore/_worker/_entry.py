"""``Entry``: the outcome of one task on its way to the store."""

from __future__ import annotations

import attrs

from taskcore._data import Failure
from taskcore._policy import Decision
from taskcore._transitions import Change
from taskcore._vocabulary import Event
from taskcore._worker._hold import Held

__all__ = ["Entry"]


@attrs.define(eq=False)
class Entry:
    """What the store is to be told of one task. Not frozen, for one is made a task; never changed all the same."""

    held: Held
    decision: Decision
    posted: float
    duration: float | None
    """Seconds that it ran; ``None``: it did not."""

    def failed(self, failure: Failure) -> Entry:
        """Return the same outcome as a failure, because the store will not have it as it is."""
        task = self.held.task
        change = Change(task_id=task.id, event=Event.FAIL, fence=task.fence, failure=failure)
        return attrs.evolve(self, decision=Decision(change, "the store cannot take its outcome"))
