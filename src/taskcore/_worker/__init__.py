"""The worker: claims tasks, runs them in threads, processes or an event loop, and settles what came of them.

``_facade`` is what users see; ``_engine`` one run of it; ``_core`` the rules that all parts share; ``_exchange`` the
one place that settles and claims. The rest is named for what it does.
"""

from __future__ import annotations

from taskcore._worker._facade import Worker
from taskcore._worker._settings import ExecutorKind, TaskOutcome
from taskcore._worker._stopping import WorkerExit

__all__ = ["ExecutorKind", "TaskOutcome", "Worker", "WorkerExit"]
