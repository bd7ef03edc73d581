"""Checks of suspects, tasks that must not be blamed or run twice for a lost worker: they are claimed alone."""

from __future__ import annotations

from datetime import timedelta

from taskcore.protocol import Event, Task
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._trial import LEASE, Trial, expect

SECOND = timedelta(seconds=1)


def _ids(tasks: list[Task]) -> list[str]:
    return [task.id for task in tasks]


@check()
def at_most_once_tasks_are_suspects(trial: Trial) -> None:
    """A claim that does not allow suspects leaves tasks with ``max_crashes=0`` alone."""
    suspect, innocent = trial.add(max_crashes=0, priority=1), trial.add()
    expect([innocent], _ids(trial.claim(limit=10, allow_suspects=False)), "the claim without suspects")
    expect([suspect], _ids(trial.claim(limit=10)), "the claim with suspects")


@check()
def crashed_tasks_are_suspects(trial: Trial) -> None:
    """A claim that does not allow suspects leaves tasks alone that have lost a worker."""
    crashed = trial.add()
    trial.take(crashed)
    trial.clock.advance(LEASE)
    trial.housekeep()
    innocent = trial.add()
    expect([innocent], _ids(trial.claim(limit=10, allow_suspects=False)), "the claim without suspects")
    expect([crashed], _ids(trial.claim(limit=10)), "the claim with suspects")


@check()
def failed_and_released_tasks_are_no_suspects(trial: Trial) -> None:
    """An exception or a release does not make a task a suspect."""
    failed = trial.add(max_attempts=2)
    trial.finish(failed, Event.RETRY)
    released = trial.add(priority=1)
    trial.finish(released, Event.RELEASE)
    claimed = _ids(trial.claim(limit=10, allow_suspects=False))
    expect([released, failed], claimed, "the claim without suspects")


@check()
def suspects_hide_no_innocents(trial: Trial) -> None:
    """However many suspects of higher priority there are, a claim without suspects finds the innocent one."""
    trial.store.add([trial.spec(max_crashes=0, priority=100) for _ in range(300)])
    innocent = trial.add(priority=-100)
    expect([innocent], _ids(trial.claim(limit=10, allow_suspects=False)), "the claim without suspects")


@check()
def suspect_is_claimed_alone(trial: Trial) -> None:
    """A task that needs START never shares a claim: what runs beside it would be blamed, or lost, with it."""
    suspects = [trial.add(max_crashes=0, priority=priority) for priority in (9, 1)]
    innocents = [trial.add(priority=priority) for priority in (5, 4, 0)]
    claimed = [_ids(trial.claim(limit=10)) for _ in range(4)]
    wanted = [[suspects[0]], innocents[:2], [suspects[1]], innocents[2:]]
    expect(wanted, claimed, "four claims of ten")


@check()
def suspect_that_cannot_be_claimed_ends_no_batch(trial: Trial) -> None:
    """Suspects that are not due any more, as the clock was set back, do not keep innocents apart."""
    first, suspect, second = (
        trial.add(priority=priority, max_crashes=max_crashes, run_after=run_after)
        for priority, max_crashes, run_after in (
            (9, 3, trial.clock.now() - 2 * SECOND),
            (5, 0, trial.clock.now()),
            (1, 3, trial.clock.now() - 2 * SECOND),
        )
    )
    trial.clock.step(-SECOND)
    expect([first, second], _ids(trial.claim(limit=10)), "a claim of ten after the step back")
    trial.clock.step(SECOND)
    expect([suspect], _ids(trial.claim(limit=10)), "a claim at the suspect's moment")


@check()
def overdue_suspects_end_no_batch(trial: Trial) -> None:
    """Overdue suspects, more than one claim sees to, do not keep the innocents before and behind them apart."""
    soon = trial.clock.now() + SECOND
    first = trial.add(priority=9)
    trial.store.add([trial.spec(max_crashes=0, priority=5, expires_at=soon) for _ in range(600)])
    second = trial.add(priority=1)
    trial.clock.advance(SECOND)
    expect([first, second], _ids(trial.claim(limit=10)), "a claim of ten")


@check()
def repeated_request_that_holds_a_suspect_gets_it_alone(trial: Trial) -> None:
    """A repeat does not fill up with others what holds a suspect already."""
    suspect = trial.add(max_crashes=0, priority=1)
    trial.add()
    claimed = [_ids(trial.claim(limit=5, nonce="n")) for _ in range(2)]
    expect([[suspect]] * 2, claimed, "the claim and its repeat")
