"""Checks of waiting: hints come at once, none is lost, and nothing waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial

from taskcore.errors import BackendClosed
from taskcore.protocol import Capability, Event, Group, State
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._trial import PATIENCE, Trial, expect, in_threads

LAST_MOMENT = datetime.max.replace(tzinfo=timezone.utc)
SOON = timedelta(milliseconds=50)
PROMPT = timedelta(seconds=2)
"""Real time within which a hint has to come; a machine under load needs some."""


def _timed(call: Callable[[], bool]) -> tuple[bool, bool]:
    """Return what ``call`` answers, and whether it was prompt."""
    start = time.monotonic()
    answer = call()
    return answer, timedelta(seconds=time.monotonic() - start) < PROMPT


def _ended_at(wait: Callable[[], bool]) -> float:
    wait()
    return time.monotonic()


def _wake_after(trial: Trial, pause: timedelta) -> float:
    time.sleep(pause.total_seconds())
    woken_at = time.monotonic()
    trial.store.wake()
    return woken_at


def _while_waiting(wait: Callable[[], bool], act: Callable[[], object]) -> tuple[bool, bool]:
    """Let one thread wait while another acts; return what the wait answers, and whether it was prompt."""

    def later() -> tuple[bool, bool]:
        time.sleep(SOON.total_seconds())
        act()
        return True, True

    return in_threads([lambda: _timed(wait), later])[0]


@check()
def wait_is_bounded(trial: Trial) -> None:
    """With nothing to do a wait returns after about its timeout."""
    start = time.monotonic()
    trial.store.wait(["default"], SOON)
    expect(True, time.monotonic() - start < PROMPT.total_seconds(), "whether the wait ended soon")


@check()
def wait_finished_is_bounded(trial: Trial) -> None:
    """With no finish a wait returns after about its timeout."""
    task_id = trial.add()
    start = time.monotonic()
    trial.store.wait_finished([task_id], SOON)
    expect(True, time.monotonic() - start < PROMPT.total_seconds(), "whether the wait ended soon")


@check()
def wait_for_what_has_finished_is_none(trial: Trial) -> None:
    """A wait for a task that has finished, is gone or was never there, or for a finished group, ends at once."""
    done, open_ = trial.finish(trial.add()).id, trial.add()
    trial.store.add([], group=Group(id="f" * 32, name="g", created_at=trial.clock.now(), total=0))
    for ids in ([done], ["0" * 32], ["f" * 32], [open_, done]):
        answer = _timed(partial(trial.store.wait_finished, ids, PATIENCE))
        expect((True, True), answer, f"the answer to wait_finished({ids}), and whether it came at once")


@check(Capability.WAIT)
def wait_for_work_that_is_there(trial: Trial) -> None:
    """A wait for a queue that has a task to claim ends at once."""
    trial.add()
    answer = _timed(lambda: trial.store.wait(["default"], PATIENCE))
    expect((True, True), answer, "the answer, and whether it came at once")


@check(Capability.WAIT)
def paused_queue_gives_no_hints_for_ever(trial: Trial) -> None:
    """Who claims nothing from a paused queue and waits, again and again, soon waits without an answer."""
    trial.add(queue_name="paused")
    trial.store.pause("paused")
    for _ in range(5):
        expect([], trial.claim("paused"), "what is claimed while it is paused")
        if not trial.store.wait(["paused"], SOON):
            return
    expect(False, trial.store.wait(["paused"], SOON), "the answer of the sixth wait")


@check(Capability.WAIT)
def wait_without_a_hint_says_so(trial: Trial) -> None:
    """A wait that nothing ended answers False."""
    expect(False, trial.store.wait(["default"], SOON), "the answer of wait()")
    expect(False, trial.store.wait_finished([trial.add()], SOON), "the answer of wait_finished()")


@check(Capability.WAIT)
def what_has_not_finished_ends_no_wait(trial: Trial) -> None:
    """A wait for a task that is blocked, runs or waits for its next try, or for a group with a member left, goes on."""
    trial.store.add([], group=Group(id="f" * 32, name="g", created_at=trial.clock.now(), total=2))
    running, again = trial.add(max_attempts=2), trial.add(max_attempts=2)
    trial.finish(trial.add(group_id="f" * 32, group_index=0, priority=1))
    trial.take(running)
    trial.finish(again, Event.RETRY, delay=timedelta(days=1))
    blocked = trial.add(parents=(running,))
    for waited_for in (running, again, blocked, "f" * 32):
        expect(False, trial.store.wait_finished([waited_for], SOON), f"the answer of wait_finished([{waited_for!r}])")


@check(Capability.WAIT)
def new_task_ends_a_wait(trial: Trial) -> None:
    """A task that is added wakes one who waits for its queue."""
    answer = _while_waiting(lambda: trial.store.wait(["other", "default"], PATIENCE), trial.add)
    expect((True, True), answer, "the answer, and whether it came at once")


@check(Capability.WAIT)
def released_task_ends_a_wait(trial: Trial) -> None:
    """A task that is given back, a child that is let go, a requeue, a resume: each wakes who waits for the queue."""
    running = trial.take(trial.add())
    answer = _while_waiting(lambda: trial.store.wait(["default"], PATIENCE), lambda: trial.must(Event.RELEASE, running))
    expect((True, True), answer, "after RELEASE")
    parent = trial.take(running.id)
    trial.add(parents=(parent.id,), queue_name="child")
    answer = _while_waiting(lambda: trial.store.wait(["child"], PATIENCE), lambda: trial.must(Event.SUCCEED, parent))
    expect((True, True), answer, "after the parent has finished")
    failed = trial.finish(trial.add(queue_name="failed"), Event.FAIL).id
    answer = _while_waiting(lambda: trial.store.wait(["failed"], PATIENCE), lambda: trial.must(Event.REQUEUE, failed))
    expect((True, True), answer, "after REQUEUE")
    trial.add(queue_name="paused")
    trial.store.pause("paused")
    answer = _while_waiting(lambda: trial.store.wait(["paused"], PATIENCE), lambda: trial.store.resume("paused"))
    expect((True, True), answer, "after resume")


@check(Capability.WAIT)
def finish_ends_a_wait(trial: Trial) -> None:
    """One who waits for tasks is woken when the first of them has finished, however it ends."""
    for event in (Event.SUCCEED, Event.FAIL, Event.ABORT):
        task, other = trial.take(trial.add(queue_name="q")), trial.add()
        answer = _while_waiting(
            lambda: trial.store.wait_finished([other, task.id], PATIENCE),  # noqa: B023 - called in this round
            lambda: trial.must(event, task),  # noqa: B023
        )
        expect((True, True), answer, f"the answer after {event.value}, and whether it came at once")


@check(Capability.WAIT)
def end_without_a_run_ends_a_wait(trial: Trial) -> None:
    """A cancel, and the cancel of a child by its parent's failure, wake those who wait for the task."""
    waiting = trial.add()
    answer = _while_waiting(
        lambda: trial.store.wait_finished([waiting], PATIENCE), lambda: trial.must(Event.CANCEL, waiting)
    )
    expect((True, True), answer, "after CANCEL")
    parent = trial.take(trial.add())
    child = trial.add(parents=(parent.id,))
    answer = _while_waiting(
        lambda: trial.store.wait_finished([child], PATIENCE), lambda: trial.must(Event.FAIL, parent)
    )
    expect((True, True), answer, "after the parent's failure")


@check(Capability.WAIT)
def finished_group_ends_a_wait(trial: Trial) -> None:
    """One who waits for a group is woken when its last member has finished."""
    trial.store.add([], group=Group(id="f" * 32, name="g", created_at=trial.clock.now(), total=1))
    member = trial.take(trial.add(group_id="f" * 32, group_index=0))
    answer = _while_waiting(
        lambda: trial.store.wait_finished(["f" * 32], PATIENCE), lambda: trial.must(Event.SUCCEED, member)
    )
    expect((True, True), answer, "the answer, and whether it came at once")


@check(Capability.WAIT)
def wake_ends_all_waits(trial: Trial) -> None:
    """``wake`` ends every wait of this object at once, whatever it is for."""
    task_id = trial.add(queue_name="q")
    waits: list[Callable[[], bool]] = [
        lambda: trial.store.wait(["a"], PATIENCE),
        lambda: trial.store.wait(["b"], PATIENCE),
        lambda: trial.store.wait_finished([task_id], PATIENCE),
    ]
    # It is for waits that have begun, and how long a thread takes for that depends on the machine.
    were_prompt: list[bool] = []
    for pause in (SOON, 8 * SOON, 30 * SOON):
        calls = [*(partial(_ended_at, wait) for wait in waits), partial(_wake_after, trial, pause)]
        *ends, woken_at = in_threads(calls)
        were_prompt = [end - woken_at < PROMPT.total_seconds() for end in ends]
        if all(were_prompt):
            return
    expect([True] * 3, were_prompt, "whether the three waits ended at once")


@check(Capability.WAIT)
def longest_timeout_can_be_waited_for(trial: Trial) -> None:
    """A wait of the longest timedelta there is goes on until somebody wakes it, whatever the system's timers hold."""
    task_id = trial.add(queue_name="other", run_after=LAST_MOMENT)
    for wait in (
        lambda: trial.store.wait(["default"], timedelta.max),
        lambda: trial.store.wait_finished([task_id], timedelta.max),
    ):
        answer = _until_woken(trial, wait)
        expect((False, True), answer, "the answer, and whether it came once it was woken")


def _until_woken(trial: Trial, wait: Callable[[], bool]) -> tuple[bool, bool]:
    """Wait in a thread until another one has woken it, which may have to try: a wake is for waits that have begun."""
    is_over = threading.Event()

    def wait_and_say() -> tuple[bool, bool]:
        try:
            return _timed(wait)
        finally:
            is_over.set()

    def wake() -> tuple[bool, bool]:
        deadline = time.monotonic() + PATIENCE.total_seconds()
        while not is_over.wait(SOON.total_seconds()) and time.monotonic() < deadline:
            trial.store.wake()
        return True, True

    return in_threads([wait_and_say, wake])[0]


@check(Capability.WAIT)
def close_ends_all_waits(trial: Trial) -> None:
    """``close`` ends every wait at once; that the wait raises BackendClosed or returns are both right."""

    def wait() -> bool:
        try:
            return trial.store.wait(["default"], PATIENCE)
        except BackendClosed:
            return False

    expect(True, _while_waiting(wait, trial.store.close)[1], "whether the wait ended at once")


@check(Capability.WAIT)
def no_wake_up_is_lost(trial: Trial) -> None:
    """100 tasks handed one by one from one thread to another: nobody ever waits for what is there."""
    rounds = 100

    def produce() -> int:
        for number in range(rounds):
            task_id = trial.store.add([specs[number]])[0].task_id
            slowest[0] = max(slowest[0], _seconds(lambda: trial.store.wait_finished([task_id], PATIENCE)))  # noqa: B023
        return rounds

    def consume() -> int:
        done = 0
        deadline = time.monotonic() + 2 * PATIENCE.total_seconds()
        while done < rounds and time.monotonic() < deadline:
            for task in trial.claim(nonce=f"round {done} {time.monotonic()}"):
                trial.must(Event.SUCCEED, task)
                done += 1
            slowest[1] = max(slowest[1], _seconds(lambda: trial.store.wait(["default"], SOON)))
        return done

    specs = [trial.spec() for _ in range(rounds)]
    slowest = [0.0, 0.0]
    expect([rounds, rounds], in_threads([produce, consume]), "how many were produced and consumed")
    expect({State.SUCCESSFUL}, set(trial.states(*[spec.id for spec in specs])), "the states")
    expect(True, slowest[0] < PROMPT.total_seconds(), f"whether no wait for a finish took long ({slowest[0]:.2f} s)")


def _seconds(call: Callable[[], object]) -> float:
    start = time.monotonic()
    call()
    return time.monotonic() - start
