"""``Owing``: whether a store that has just handed out nothing would hand out something after another claim.

A finish lets a hundred dependents go, and claims see to the rest, as many each; so what a failure cancels may be far
from done, and tasks that are to run after it still BLOCKED, when a claim comes back empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from taskcore.protocol import Backend, Capability, QueueStats

__all__ = ["Owing"]

_NOW = timedelta(0)
_VAIN = 1000
"""Empty claims after which the store has to show that they still change something: a hint may be wrong for ever."""


class Owing:
    """For one worker that is about to end because nothing is left."""

    def __init__(self, backend: Backend, queue_names: Sequence[str]) -> None:
        self._backend = backend
        self._queue_names = queue_names
        self._can_tell = Capability.WAIT in backend.capabilities
        self._vain = 0
        self._stats: tuple[QueueStats, ...] | None = None

    def expects_more(self) -> bool:
        """Return whether to claim once more after an empty claim. Raises what the store raises."""
        if not self._can_tell or not self._is_hinted():
            return False
        self._vain += 1
        if self._vain % _VAIN:
            return True
        before, self._stats = self._stats, self._backend.stats().queues
        return before != self._stats

    def _is_hinted(self) -> bool:
        """Return whether the store has a hint now; a ``wake`` meant for others can keep the first one back."""
        return self._backend.wait(self._queue_names, _NOW) or self._backend.wait(self._queue_names, _NOW)
