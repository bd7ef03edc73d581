"""``drain``: run all that is due in the calling thread, one task at a time. For tests, and for small programs.

It claims one task, runs it, settles it and claims the next, so the order is the store's and each task sees what the
one before it did. Nothing sleeps and no thread is started, so a ``FakeClock`` decides what is due.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial

from taskcore._policy import GivenBack, Raised
from taskcore._run import Run, execute
from taskcore._scheduler import Scheduler
from taskcore._worker._capture import capturing
from taskcore._worker._core import Core
from taskcore._worker._hold import Held
from taskcore._worker._loop import PrivateLoop, supervise
from taskcore._worker._owing import Owing
from taskcore.protocol import Backend, CancelLevel

__all__ = ["drain"]


def drain(core: Core) -> int:
    """Run what is due, due schedules included, until nothing is; return how many tasks were run.

    Raises what the store raises. A ``KeyboardInterrupt`` in a task gives the task back and is passed on.
    """
    scheduler = Scheduler(core.backend)
    owing = Owing(core.backend, core.settings.queue_names)
    loop = PrivateLoop()
    count = 0
    with capturing(core.settings.capture_level), closing(loop):
        while True:
            scheduler.tick()
            ran = 0
            while _turn(core, loop):
                ran += 1
            if not ran and not owing.expects_more():
                return count
            count += ran


def _turn(core: Core, loop: PrivateLoop) -> bool:
    """Settle the last outcome, claim and run one task; return whether there was one."""
    while True:
        if not core.exchange.run():
            core.exchange.raise_failure()
        held = core.intake.take() or core.intake.take_coroutine()
        if held is not None:
            run = core.intake.begin(held)
            if run is not None:
                _run(core, loop, held, run)
                return True
        elif not core.exchange.outbox:
            return False


def _run(core: Core, loop: PrivateLoop, held: Held, run: Run) -> None:
    outputs = core.outputs(held)
    if outputs is None:
        return
    run.refresh = _Refresher(core.backend, held)
    outcome = (
        loop.run(supervise(run, outputs))
        if run.job.is_async
        else core.perform(held, run, partial(execute, run, outputs))
    )
    is_interrupted = isinstance(outcome, Raised) and outcome.failure.exception_type == "builtins.KeyboardInterrupt"
    core.settling.finish(held, GivenBack("it was interrupted", has_begun=True) if is_interrupted else outcome)
    if is_interrupted:
        core.intake.is_claiming = False
        core.exchange.run()
        raise KeyboardInterrupt


class _Refresher:
    """Looks in the store whether the task is still ours and wanted: there is no heartbeat to bring the news."""

    def __init__(self, backend: Backend, held: Held) -> None:
        self._backend = backend
        self._held = held

    def __call__(self) -> None:
        held = self._held
        (now,) = self._backend.get([held.task.id])
        if now is None or now.lease is None or now.fence != held.task.fence:
            held.lose()
        elif now.cancel_level is not None:
            held.want_cancel(CancelLevel(now.cancel_level))
