"""Run one claimed task: decode its arguments, call the function, and make an ``Outcome`` of what came of it.

Nothing here talks to a store. A ``Run`` is what the task's ``Context`` talks to; whoever executes it (a thread, the
event loop, a child process, ``drain``) reads from it what is to be sent, and tells it of cancels and lost leases.
"""

from taskcore._run._execute import current_run, execute, execute_async
from taskcore._run._items import Load
from taskcore._run._outcomes import outcome_of_exception
from taskcore._run._run import Job, Run, Surroundings, effective_retry

__all__ = [
    "Job",
    "Load",
    "Run",
    "Surroundings",
    "current_run",
    "effective_retry",
    "execute",
    "execute_async",
    "outcome_of_exception",
]
