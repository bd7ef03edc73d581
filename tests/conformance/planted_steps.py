"""Planted bugs in what happens to one task: fences, repeats, counters, cancels."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

import attrs
import pytest

from taskcore.errors import UniqueConflict
from taskcore.protocol import Applied, Change, Event, Fence, Guard, OnConflict, Refused, State, Task, Verdict, step
from taskcore.records import _applying, _claiming
from taskcore_backends.memory import MemoryBackend
from tests.conformance.planted import bug, twist_changes, twist_steps

ENDS = {Event.SUCCEED, Event.FAIL, Event.RETRY, Event.RELEASE, Event.ABORT}


@bug(
    "settling.succeed_by_a_lost_worker",
    "threads.stale_threads_change_nothing",
)
def unfenced_settle(patch: pytest.MonkeyPatch) -> None:
    """A settle is made whoever sends it (oban#1496, river#1302)."""

    def with_the_fence_of_the_holder(task: Task, change: Change) -> Change:
        if change.event in ENDS and task.lease is not None and change.fence is not None:
            return attrs.evolve(change, fence=task.fence)
        return change

    twist_changes(patch, with_the_fence_of_the_holder)


@bug("settling.succeed_with_another_nonce", "settling.store_restored_to_an_older_copy_has_one_holder")
def fence_without_nonce(patch: pytest.MonkeyPatch) -> None:
    """Only the epoch is compared: a store restored to an older copy lets two holders in."""

    def with_the_nonce_of_the_holder(task: Task, change: Change) -> Change:
        if task.lease is not None and change.fence is not None:
            return attrs.evolve(change, fence=Fence(change.fence.epoch, task.lease.nonce))
        return change

    twist_changes(patch, with_the_nonce_of_the_holder)


@bug("runs.heartbeat_of_a_lost_task_is_stale", "threads.stale_threads_change_nothing")
def unfenced_heartbeat(patch: pytest.MonkeyPatch) -> None:
    """A heartbeat is taken from anybody: the lost worker goes on, and the task runs twice (pgqueuer#430)."""

    def with_the_fence_of_the_holder(task: Task, change: Change) -> Change:
        is_beat = change.event is Event.HEARTBEAT and task.lease is not None
        return attrs.evolve(change, fence=task.fence) if is_beat else change

    twist_changes(patch, with_the_fence_of_the_holder)


@bug("settling.succeed_repeated", "table.succeed", "threads.one_of_many_repeats_is_applied")
def already_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A repeat after a lost reply is told that it is stale."""

    def stale(_task: Task, _change: Change, outcome: Task | Refused) -> Task | Refused:
        if isinstance(outcome, Refused) and outcome.verdict is Verdict.ALREADY:
            return Refused(Verdict.STALE, outcome.why)
        return outcome

    twist_steps(patch, stale)


@bug("claims.claim_forgets_the_last_settle", "settling.settle_is_forgotten_at_the_next_claim")
def settle_remembered_too_long(patch: pytest.MonkeyPatch) -> None:
    """A claim keeps the last settle: an older holder is told that its work was taken."""

    def keep(task: Task, change: Change, outcome: Task | Refused) -> Task | Refused:
        if isinstance(outcome, Task) and change.event is Event.CLAIM:
            return attrs.evolve(outcome, last_settle=task.last_settle)
        return outcome

    twist_steps(patch, keep)


@bug("crashes.lost_task_is_ready_again", "crashes.crash_spends_no_retry")
def crashes_counted_as_retries(patch: pytest.MonkeyPatch) -> None:
    """A lost worker spends a try of the task (asynq#1015)."""

    def count(_task: Task, change: Change, outcome: Task | Refused) -> Task | Refused:
        if isinstance(outcome, Task) and change.event is Event.RECLAIM:
            return attrs.evolve(outcome, failures=outcome.failures + 1, crashes=0)
        return outcome

    twist_steps(patch, count)


@bug("runs.releases_cost_no_try", "crashes.deploys_spend_no_crash")
def releases_counted_as_failures(patch: pytest.MonkeyPatch) -> None:
    """A deploy spends a try of each task that it gives back."""

    def count(_task: Task, change: Change, outcome: Task | Refused) -> Task | Refused:
        if isinstance(outcome, Task) and change.event is Event.RELEASE:
            return attrs.evolve(outcome, failures=outcome.failures + 1)
        return outcome

    twist_steps(patch, count)


@bug("crashes.crash_loop_ends", "crashes.one_crash_too_many_is_quarantined")
def crash_loop(patch: pytest.MonkeyPatch) -> None:
    """A task that kills its workers is given to the next one for ever (oban#137)."""

    def forgive(task: Task, change: Change) -> Change:
        return attrs.evolve(change, event=Event.RELEASE, fence=task.fence) if change.event is Event.ABANDON else change

    twist_changes(patch, forgive)


@bug(
    "crashes.crashed_task_that_had_not_started_is_not_blamed",
    "crashes.at_most_once_task_that_had_not_started_runs_later",
)
def innocents_blamed(patch: pytest.MonkeyPatch) -> None:
    """Every task that a dying worker held is blamed, started or not."""

    def blame(task: Task, change: Change, outcome: Task | Refused) -> Task | Refused:
        if isinstance(outcome, Task) and change.event is Event.RECLAIM:
            return attrs.evolve(outcome, crashes=task.crashes + 1)
        return outcome

    twist_steps(patch, blame)


@bug("crashes.leases_of_queues_that_nobody_serves_end", "crashes.lost_task_is_ready_again")
def lost_for_ever(patch: pytest.MonkeyPatch) -> None:
    """A task whose worker is gone stays with it, as the worker's machine is alive (solid_queue#748)."""
    real = _claiming._keep_task

    def keep(tx: object, task: Task, kind: str) -> None:
        if kind != "lease":
            real(tx, task, kind)  # type: ignore[arg-type]

    patch.setattr(_claiming, "_keep_task", keep)


@bug("runs.healthy_long_run_is_never_taken_away", "runs.heartbeat_extends_the_lease")
def rescued_by_age(patch: pytest.MonkeyPatch) -> None:
    """A run that takes long is taken away from its worker, heartbeats or not (hexpm#1825)."""
    twist_changes(patch, lambda _task, change: attrs.evolve(change, extend=None))


@bug("runs.heartbeat_never_shortens_the_lease")
def heartbeat_shortens_the_lease(patch: pytest.MonkeyPatch) -> None:
    """A heartbeat sets the end of the lease, earlier or later."""

    def shorten(task: Task, change: Change, outcome: Task | Refused) -> Task | Refused:
        if isinstance(outcome, Task) and change.extend is not None and outcome.lease is not None:
            wanted = min(outcome.lease.expires_at, outcome.lease.claimed_at + change.extend)
            return attrs.evolve(outcome, lease=attrs.evolve(outcome.lease, expires_at=wanted))
        return outcome

    twist_steps(patch, shorten)


@bug("operators.wanted_cancel_outlives_heartbeats", "table.heartbeat")
def cancel_lost(patch: pytest.MonkeyPatch) -> None:
    """A heartbeat overwrites the cancel that was wanted meanwhile."""

    def lose(_task: Task, change: Change, outcome: Task | Refused) -> Task | Refused:
        if isinstance(outcome, Task) and change.event is Event.HEARTBEAT:
            return attrs.evolve(outcome, cancel_level=None, reason=None)
        return outcome

    twist_steps(patch, lose)


@bug("operators.running_task_is_only_told", "operators.success_wins_over_a_wanted_cancel")
def running_task_cancelled_at_once(patch: pytest.MonkeyPatch) -> None:
    """A cancel takes a running task away from its holder."""

    def end(_task: Task, change: Change, outcome: Task | Refused) -> Task | Refused:
        if isinstance(outcome, Task) and change.event is Event.CANCEL and outcome.state is State.RUNNING:
            return attrs.evolve(outcome, state=State.CANCELLED, lease=None)
        return outcome

    twist_steps(patch, end)


@bug("operators.success_wins_over_a_wanted_cancel", "table.succeed")
def success_turned_into_cancel(patch: pytest.MonkeyPatch) -> None:
    """A task that has succeeded while its cancel was wanted is called CANCELLED."""

    def spoil(task: Task, change: Change) -> Change:
        is_spoilt = change.event is Event.SUCCEED and task.cancel_level is not None
        return attrs.evolve(change, event=Event.ABORT) if is_spoilt else change

    twist_changes(patch, spoil)


@bug("operators.cancel_level_only_rises")
def cancel_level_falls(patch: pytest.MonkeyPatch) -> None:
    """The last cancel counts, though an earlier one was harder."""

    def fall(_task: Task, change: Change, outcome: Task | Refused) -> Task | Refused:
        is_fallen = isinstance(outcome, Task) and change.event is Event.CANCEL and outcome.state is State.RUNNING
        return attrs.evolve(outcome, cancel_level=change.level) if is_fallen and change.level else outcome  # type: ignore[misc]

    twist_steps(patch, fall)


@bug("claims.each_claim_raises_the_epoch")
def epoch_stands_still(patch: pytest.MonkeyPatch) -> None:
    """A claim does not raise the epoch, and keeps the nonce of the request."""

    def keep(task: Task, change: Change, outcome: Task | Refused) -> Task | Refused:
        if isinstance(outcome, Task) and change.event is Event.CLAIM and task.epoch:
            return attrs.evolve(outcome, epoch=task.epoch)
        return outcome

    twist_steps(patch, keep)


@bug("operators.version_is_compared", "threads.one_of_many_operators_is_applied")
def version_ignored(patch: pytest.MonkeyPatch) -> None:
    """An operator overwrites what another one has changed meanwhile."""
    twist_changes(patch, lambda _task, change: attrs.evolve(change, version=None))


@bug("operators.every_write_raises_the_version", "table.heartbeat")
def version_stands_still(patch: pytest.MonkeyPatch) -> None:
    """A heartbeat writes without a new version."""

    def keep(task: Task, change: Change, outcome: Task | Refused) -> Task | Refused:
        is_beat = isinstance(outcome, Task) and change.event is Event.HEARTBEAT
        return attrs.evolve(outcome, version=task.version) if is_beat else outcome  # type: ignore[misc]

    twist_steps(patch, keep)


@bug("runs.tries_are_counted", "runs.retry_without_tries_left_is_refused")
def retries_without_end(patch: pytest.MonkeyPatch) -> None:
    """A retry is taken though no try is left."""

    def more(task: Task, change: Change, outcome: Task | Refused) -> Task | Refused:
        if isinstance(outcome, Refused) and Guard.TRIES_LEFT.value in outcome.why:
            released = attrs.evolve(change, event=Event.RELEASE)
            return step(task, released, task.changed_at)
        return outcome

    twist_steps(patch, more)


@bug("runs.retry_waits_for_its_delay", "crashes.first_crash_waits_for_nothing_the_next_ones_do")
def delays_ignored(patch: pytest.MonkeyPatch) -> None:
    """What goes back to wait is due at once."""

    def hurry(_task: Task, _change: Change, outcome: Task | Refused) -> Task | Refused:
        if isinstance(outcome, Task) and outcome.state is State.READY:
            return attrs.evolve(outcome, run_after=outcome.changed_at)
        return outcome

    twist_steps(patch, hurry)


@bug("runs.success_stores_the_value", "settling.succeed_is_applied")
def value_lost(patch: pytest.MonkeyPatch) -> None:
    """The task is SUCCESSFUL, and its value is nowhere."""
    twist_changes(patch, lambda _task, change: attrs.evolve(change, value_json=None))


@bug("operators.requeue_begins_again", "table.requeue")
def requeue_keeps_the_past(patch: pytest.MonkeyPatch) -> None:
    """A requeued task has its failures still, and no try left."""

    def keep(task: Task, change: Change, outcome: Task | Refused) -> Task | Refused:
        if isinstance(outcome, Task) and change.event is Event.REQUEUE:
            return attrs.evolve(outcome, failures=task.failures, result=task.result)
        return outcome

    twist_steps(patch, keep)


@bug("operators.requeue_of_what_has_not_failed_is_refused", "table.requeue")
def success_requeued(patch: pytest.MonkeyPatch) -> None:
    """An operator may run a SUCCESSFUL task again."""

    def allow(task: Task, change: Change, outcome: Task | Refused) -> Task | Refused:
        if change.event is Event.REQUEUE and task.state is State.SUCCESSFUL:
            return attrs.evolve(task, state=State.READY, version=task.version + 1)
        return outcome

    twist_steps(patch, allow)


@bug("claims.overdue_tasks_are_not_claimed", "expiry.waiting_tasks_expire_wherever_they_wait")
def expiry_ignored(patch: pytest.MonkeyPatch) -> None:
    """Tasks are started however late it is."""

    def forget(task: Task, change: Change, outcome: Task | Refused) -> Task | Refused:
        if change.event is Event.EXPIRE:
            return Refused(Verdict.REFUSED, "")
        if change.event is Event.CLAIM and isinstance(outcome, Refused):
            assert change.grant is not None
            return step(
                attrs.evolve(task, spec=attrs.evolve(task.spec, expires_at=None)), change, change.grant.claimed_at
            )
        return outcome

    twist_steps(patch, forget)


@bug("settling.answers_are_in_order_and_one_for_each")
def one_refusal_stops_all(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """The changes behind a refused one are not made."""

    class Broken(MemoryBackend):
        def apply(self, changes, claim=None):
            applied: list[Applied] = []
            for change in changes:
                applied += super().apply([change]).applied
                if applied[-1].verdict is not Verdict.APPLIED:
                    break
            return attrs.evolve(super().apply([], claim), applied=tuple(applied))

    return Broken


@bug("settling.stale_change_brings_no_items")
def items_of_stale_changes(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """Items are stored before anybody looks at the fence."""

    class Broken(MemoryBackend):
        def apply(self, changes, claim=None):
            for change in changes:
                if change.items:
                    self._write(partial(_applying._store_extras, change=attrs.evolve(change, tasks=())))
            return super().apply(changes, claim)

    return Broken


@bug("items.repeated_items_are_stored_once")
def items_duplicated(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """A repeated heartbeat stores its items again, under new numbers."""

    class Broken(MemoryBackend):
        count = 1000

        def apply(self, changes, claim=None):
            fresh = []
            for change in changes:
                items = []
                for item in change.items:
                    stored = [one.sequence for one in self.items(change.task_id).items]
                    self.count += 1
                    items.append(attrs.evolve(item, sequence=self.count) if item.sequence in stored else item)
                fresh.append(attrs.evolve(change, items=tuple(items)))
            return super().apply(fresh, claim)

    return Broken


@bug("items.repeated_settle_adds_its_tasks_once", "items.stale_settle_adds_no_tasks")
def followers_without_a_settle(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """What should follow a success is enqueued apart from it, whatever its verdict."""

    class Broken(MemoryBackend):
        def apply(self, changes, claim=None):
            for change in changes:
                self.add(change.tasks)
            return super().apply([attrs.evolve(change, tasks=()) for change in changes], claim)

    return Broken


@bug("adding.same_id_is_already_whatever_became_of_it", "adding.same_id_is_already")
def repeated_add_resets(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """A task that is added again begins again."""

    class Broken(MemoryBackend):
        def add(self, specs, *, group=None):
            for task in self.get([spec.id for spec in specs]):
                if task is not None and task.state is not State.READY:
                    self._write(partial(_put, task=attrs.evolve(task, state=State.READY)))
                elif task is not None:
                    spec = attrs.evolve(task.spec)
                    self.apply([Change(task_id=task.id, event=Event.RESCHEDULE, spec=spec, delay=timedelta(0))])
            return super().add(specs, group=group)

    return Broken


def _put(tx, task):
    tx.put("tasks", task.id, task)


@bug("adding.missing_parent_stores_nothing", "adding.unique_conflict_stores_nothing")
def add_one_by_one(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """A call that raises leaves the tasks before the bad one behind."""

    class Broken(MemoryBackend):
        def add(self, specs, *, group=None):
            if group is not None:
                return super().add(specs, group=group)
            return [answer for spec in specs for answer in super(Broken, self).add([spec])]

    return Broken


@bug("adding.repeat_of_a_unique_task_is_already")
def repeat_meets_its_own_key(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """The key is looked at before the id: a repeat after a lost reply conflicts with itself."""

    class Broken(MemoryBackend):
        def add(self, specs, *, group=None):
            for spec in specs:
                held = spec.unique and self.unique_holder(spec.unique.key)
                if held and spec.unique.on_conflict is OnConflict.RAISE:
                    raise UniqueConflict("held", unique_key=spec.unique.key, task_id=held)
            return super().add(specs, group=group)

    return Broken


@bug("adding.every_field_of_a_spec_comes_back", "adding.long_texts_come_back")
def texts_written_again(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """The store decodes and encodes what users send."""

    class Broken(MemoryBackend):
        def add(self, specs, *, group=None):
            fresh = [attrs.evolve(spec, arguments_json=json.dumps(json.loads(spec.arguments_json))) for spec in specs]
            return super().add(fresh, group=group)

    return Broken
