"""Says what became of each run: one log line with structured ``extra``, and the hooks of the user.

Written after the store has answered, so that a late result that was refused shows as refused.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import timedelta

from taskcore._policy import SNOOZE
from taskcore._transitions import Verdict
from taskcore._vocabulary import Event
from taskcore._worker._entry import Entry
from taskcore._worker._settings import OutcomeHook, TaskOutcome
from taskcore.protocol import Applied, State

__all__ = ["Reporter"]

_logger = logging.getLogger("taskcore.worker")

_WORDS = {
    Event.SUCCEED: (logging.INFO, "succeeded"),
    Event.FAIL: (logging.ERROR, "failed"),
    Event.RETRY: (logging.WARNING, "raised, and is tried again"),
    Event.RELEASE: (logging.INFO, "went back"),
    Event.ABORT: (logging.INFO, "was cancelled"),
    Event.RECLAIM: (logging.WARNING, "lost its process, and is tried again"),
    Event.ABANDON: (logging.ERROR, "lost its process too often, and failed"),
}


_SHOWN = 500
"""Characters of an exception's message that a log line shows; all that is kept of it stands in the task."""


def _one_line(text: str) -> str:
    """Return a message for a log: one line, whatever characters a task has put into it."""
    if text.isprintable() and len(text) <= _SHOWN:
        return text
    shown = " ".join(text[: 2 * _SHOWN].split())
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in shown)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


class Reporter:
    """Logs to ``taskcore.worker`` and calls the hooks; an exception in a hook is logged and goes no further."""

    def __init__(self, worker_id: str, hooks: Sequence[OutcomeHook]) -> None:
        self._worker_id = worker_id
        self._hooks = tuple(hooks)
        self._quiet = threading.Condition()
        self._reporting = 0
        self.completed = 0
        """Outcomes that the store has answered to."""

    def begin(self, count: int) -> None:
        """Count outcomes that ``report`` will be given; to be called before anybody can see that they are settled."""
        with self._quiet:
            self._reporting += count
            self.completed += count

    def report(self, settled: Sequence[tuple[Entry, Applied]]) -> None:
        """Tell of outcomes, in order."""
        try:
            self._report(settled)
        finally:
            with self._quiet:
                self._reporting -= len(settled)
                self._quiet.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until all is told that was begun, ``seconds`` at most; return whether it is."""
        with self._quiet:
            return self._quiet.wait_for(lambda: not self._reporting, seconds)

    def _report(self, settled: Sequence[tuple[Entry, Applied]]) -> None:
        is_info = _logger.isEnabledFor(logging.INFO)
        for entry, answer in settled:
            if answer.verdict is not Verdict.APPLIED and answer.verdict is not Verdict.ALREADY:
                self._log(entry, logging.WARNING, f"was refused by the store ({answer.verdict.value})", answer)
            elif is_info or entry.decision.change.event is not Event.SUCCEED:
                level, words = self._words(entry, answer)
                self._log(entry, level, words, answer)
            if self._hooks:
                self._call_hooks(entry, answer)

    def _words(self, entry: Entry, answer: Applied) -> tuple[int, str]:
        change = entry.decision.change
        level, words = _WORDS[change.event]
        if answer.state is State.CANCELLED and change.event is not Event.ABORT:
            return logging.INFO, "was cancelled"
        if change.event is Event.RELEASE and change.failure is not None and change.failure.exception_type == SNOOZE:
            return logging.INFO, "snoozes"
        if change.event is Event.RELEASE and entry.duration is None and change.delay:
            return logging.WARNING, words
        return level, words

    def _log(self, entry: Entry, level: int, words: str, answer: Applied) -> None:
        if not _logger.isEnabledFor(level):
            return
        task, change = entry.held.task, entry.decision.change
        failure = change.failure
        note = entry.decision.note
        if failure is not None and change.event in (Event.FAIL, Event.RETRY):
            note = f"{failure.exception_type}: {_one_line(failure.message)}" + (f" ({note})" if note else "")
        extra = {
            "task_id": task.id,
            "task_name": task.name,
            "queue_name": task.queue_name,
            "attempt": task.attempt,
            "epoch": task.epoch,
            "outcome": change.event.value,
            "verdict": answer.verdict.value,
            "duration": entry.duration,
            "failure_type": None if failure is None else failure.exception_type,
            "worker_id": self._worker_id,
        }
        took = "" if entry.duration is None else f" after {entry.duration:.3f} s"
        arguments = (task.id, task.name, words, took, f": {note}" if note else "")
        # What ``_logger.log`` does, without looking for the caller: one line a task has to be cheap.
        record = _logger.makeRecord(
            _logger.name, level, __file__, 0, "Task %s (%s) %s%s%s", arguments, None, "report", extra
        )
        _logger.handle(record)

    def _call_hooks(self, entry: Entry, answer: Applied) -> None:
        change = entry.decision.change
        outcome = TaskOutcome(
            task=entry.held.task,
            event=change.event,
            verdict=answer.verdict,
            duration=None if entry.duration is None else timedelta(seconds=entry.duration),
            failure=change.failure,
            state=answer.state,
            value_json=change.value_json,
            note=entry.decision.note,
        )
        for hook in self._hooks:
            try:
                hook(outcome)
            except KeyboardInterrupt:  # the user's own, in ``drain``
                raise
            except BaseException:
                _logger.exception(
                    "A hook raised for task %s (%s); its outcome stands.", change.task_id, outcome.task.name
                )
