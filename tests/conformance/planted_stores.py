"""Planted bugs in what is kept beside tasks, and between them: claims, keys, edges, groups, schedules, waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from heapq import merge

import attrs
import pytest

from taskcore.errors import BackendClosed, MissingParent
from taskcore.protocol import (
    AddVerdict,
    Change,
    ClaimRequest,
    Event,
    Lease,
    OnParentFailure,
    Order,
    Page,
    Query,
    State,
    Task,
    UniqueUntil,
    step,
)
from taskcore.records import (
    _adding,
    _applying,
    _backend,
    _circles,
    _claiming,
    _entries,
    _finding,
    _moving,
    _purging,
    _schedules,
    _transaction,
    _waiting,
)
from taskcore_backends.memory import MemoryBackend
from tests.conformance.planted import bug


@bug("threads.each_task_is_claimed_by_one_thread")
def two_step_claim(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """A claim looks first and writes later, without comparing."""

    class Broken(MemoryBackend):
        def claim(self, request):
            ready = [task for name in request.queue_names for task in self._ready(name)][: request.limit]
            time.sleep(0.0005)
            grant = Lease(
                nonce=request.nonce,
                worker_id=request.worker_id,
                claimed_at=self.now(),
                expires_at=self.now() + request.lease,
            )
            claimed = [
                step(task, Change(task_id=task.id, event=Event.CLAIM, grant=grant), self.now()) for task in ready
            ]
            taken = [task for task in claimed if isinstance(task, Task)]
            self._write(lambda tx: [tx.put("tasks", task.id, task) for task in taken])
            return taken

        def _ready(self, name):
            return self.find(Query(queue_name=name, states=frozenset({State.READY}), is_oldest_first=True)).items

    return Broken


@bug("claims.limit_is_kept", "claims.long_queue_is_claimed_to_the_end", "threads.each_task_is_run_to_its_end_once")
def claim_loses_a_task(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """A claim takes one task more than it hands out (saq#277)."""

    class Broken(MemoryBackend):
        def claim(self, request):
            return super().claim(attrs.evolve(request, limit=request.limit + 1))[: request.limit]

    return Broken


@bug("claims.repeated_request_gets_the_same_tasks")
def nonce_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A request that is repeated after a lost reply takes other tasks; the first ones wait for their lease to end."""
    patch.setattr(_claiming, "_still_held", lambda _tx, _request: [])


@bug("claims.repeated_request_leaves_out_what_was_settled", "claims.repeated_request_does_not_take_back_a_lost_task")
def nonce_remembered_too_long(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """The answer to a nonce is kept, and given again whatever has happened since."""

    class Broken(MemoryBackend):
        def claim(self, request):
            answers = self.__dict__.setdefault("answers", {})
            return answers.setdefault(request.nonce, super().claim(request)[:])

    return Broken


def _reordered(patch: pytest.MonkeyPatch, order) -> None:
    real = _entries.task_entries

    def entries(task, now):
        found = real(task, now)
        return tuple((name, order(parts) if name == "claims" else parts) for name, parts in found)

    patch.setitem(_entries.ENTRIES, "tasks", entries)


@bug("claims.higher_priority_comes_first", "operators.new_priority_counts")
def priority_inverted(patch: pytest.MonkeyPatch) -> None:
    """Lower numbers come first."""
    _reordered(patch, lambda parts: (parts[0], -parts[1], *parts[2:]))


@bug("claims.run_after_counts_in_milliseconds")
def order_by_seconds(patch: pytest.MonkeyPatch) -> None:
    """Moments are cut to the second."""
    _reordered(patch, lambda parts: (*parts[:2], parts[2] // 1000, parts[3]))


@bug("claims.earlier_run_after_comes_first")
def order_by_id(patch: pytest.MonkeyPatch) -> None:
    """Among equal priorities the order of enqueueing counts, and not the moment."""
    _reordered(patch, lambda parts: (*parts[:2], 0, parts[3]))


@bug("claims.order_holds_across_queues", "claims.long_queue_is_claimed_to_the_end")
def queue_after_queue(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """The queues are served one after the other, in the order of the request."""

    class Broken(MemoryBackend):
        def claim(self, request):
            claimed: dict[str, Task] = {}
            for name in request.queue_names:
                if len(claimed) < request.limit:
                    found = super().claim(attrs.evolve(request, queue_names=(name,)))
                    claimed.update((task.id, task) for task in found)
            return list(claimed.values())

    return Broken


@bug("suspects.at_most_once_tasks_are_suspects", "suspects.crashed_tasks_are_suspects")
def suspects_for_everybody(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """Poison is handed to workers that have other tasks buffered."""

    class Broken(MemoryBackend):
        def claim(self, request):
            return super().claim(attrs.evolve(request, allow_suspects=True))

    return Broken


@bug("suspects.suspects_hide_no_innocents")
def suspects_in_the_way(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """A claim without suspects looks at the first 100 tasks only."""

    class Broken(MemoryBackend):
        def claim(self, request):
            if not request.allow_suspects:
                ready = self.find(Query(states=frozenset({State.READY}), is_oldest_first=True)).items
                first = sorted(ready, key=lambda task: -task.priority)[:100]
                if all(task.is_suspect for task in first):
                    return []
            return super().claim(request)

    return Broken


@bug("claims.not_before_its_moment", "claims.tasks_that_become_due_take_their_place")
def promoted_too_late(patch: pytest.MonkeyPatch) -> None:
    """Tasks that have become due are seen a second later."""
    real = _claiming._keep_task

    def keep(tx, task, kind):
        if kind != "due" or task.run_after <= tx.now - timedelta(seconds=1):
            real(tx, task, kind)

    patch.setattr(_claiming, "_keep_task", keep)


@bug("workers.paused_queue_gives_nothing", "workers.tasks_added_to_a_paused_queue_wait")
def pause_ignored(patch: pytest.MonkeyPatch) -> None:
    """A paused queue is shown as paused, and claimed from."""
    patch.setattr(_claiming, "_in_order", _in_order_of_paused_too)


def _in_order_of_paused_too(tx, request, wanted):
    names = dict.fromkeys(request.queue_names)
    return merge(*[_claiming._places(tx, index, name, wanted) for name in names for index in ("claims", "suspects")])


@bug("crashes.leases_of_paused_queues_end", "expiry.waiting_tasks_expire_wherever_they_wait")
def no_housekeeping_for_paused_queues(patch: pytest.MonkeyPatch) -> None:
    """What happens by itself stops in a paused queue."""
    real = _claiming._keep_task

    def keep(tx, task, kind):
        if not tx.queue(task.queue_name).is_paused:
            real(tx, task, kind)

    patch.setattr(_claiming, "_keep_task", keep)


@bug("crashes.leases_of_queues_that_nobody_serves_end", "crashes.claim_that_comes_with_changes_does_housekeeping")
def housekeeping_for_served_queues(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """A claim sees to its own queues; what nobody serves is lost for ever."""

    class Broken(MemoryBackend):
        def claim(self, request):
            return _claim_own(self, request, super().claim)

        def apply(self, changes, claim=None):
            reply = super().apply(changes)
            return reply if claim is None else attrs.evolve(reply, claimed=tuple(self.claim(claim)))

    return Broken


def _claim_own(
    backend: MemoryBackend, request: ClaimRequest, claim: Callable[[ClaimRequest], list[Task]]
) -> list[Task]:
    has_work = any(
        backend.find(Query(queue_name=name, states=frozenset({State.READY, State.RUNNING}), limit=1)).items
        for name in request.queue_names
    )
    return claim(request) if has_work else []


# Unique keys


@bug("unique.second_task_is_answered_with_the_first", "unique.one_of_many_threads_gets_the_key")
def key_never_held(patch: pytest.MonkeyPatch) -> None:
    """A key is stored, and nobody looks at it."""
    patch.setattr(_adding, "key_holder", lambda _tx, _key: None)


@bug("unique.key_is_given_back_after_succeed", "unique.key_is_given_back_by_housekeeping")
def key_held_for_ever(patch: pytest.MonkeyPatch) -> None:
    """A key is never given back."""
    for module in (_moving, _claiming):
        patch.setattr(module, "drop_key", lambda *_arguments: None)


@bug("unique.key_is_held_in_every_unfinished_state")
def key_lost_at_the_start(patch: pytest.MonkeyPatch) -> None:
    """Any key ends when its task is claimed."""
    patch.setattr(_claiming, "drop_key", lambda tx, task, _scopes: _moving.drop_key(tx, task, tuple(UniqueUntil)))


@bug("unique.moment_key_is_held_after_the_finish")
def key_of_a_moment_ends_with_its_task(patch: pytest.MonkeyPatch) -> None:
    """A key held until a moment is given back at the finish."""
    real = _moving.drop_key
    patch.setattr(_moving, "drop_key", lambda tx, task, _scopes: real(tx, task, tuple(UniqueUntil)))


@bug("unique.started_key_of_a_later_task_stays", "unique.end_of_a_task_does_not_free_the_key_of_its_successor")
def key_of_another_given_back(patch: pytest.MonkeyPatch) -> None:
    """A task that ends frees the key, whoever holds it by now."""

    def drop(tx, task, _scopes):
        if task.spec.unique is not None:
            tx.put("keys", task.spec.unique.key, None)

    for module in (_moving, _claiming):
        patch.setattr(module, "drop_key", drop)


@bug("unique.requeue_is_refused_while_another_holds_the_key")
def requeue_steals_the_key(patch: pytest.MonkeyPatch) -> None:
    """A requeued task takes its key from the one that holds it."""
    patch.setattr(_applying, "key_holder", lambda _tx, _key: None)


@bug("unique.keys_are_compared_to_the_character")
def keys_without_case(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """Keys are compared as a database with a friendly collation does."""

    class Broken(MemoryBackend):
        def add(self, specs, *, group=None):
            fresh = [
                attrs.evolve(
                    spec, unique=spec.unique and attrs.evolve(spec.unique, key=spec.unique.key.strip().lower())
                )
                for spec in specs
            ]
            return super().add(fresh, group=group)

    return Broken


# Dependencies and groups


@bug("dependencies.child_waits_for_all_its_parents", "dependencies.diamond")
def first_parent_lets_go(patch: pytest.MonkeyPatch) -> None:
    """The first parent that finishes lets the child go."""

    def let_go(tx, parent_id, child_id, _outcome):
        _moving._put_edge(tx, parent_id, child_id, _moving.HELD_BACK)
        _moving.transit(tx, tx.task(child_id), Change(task_id=child_id, event=Event.UNBLOCK, waits=0))

    patch.setattr(_moving, "_let_go_child", let_go)


@bug("dependencies.parent_ends_by_fail", "dependencies.one_failed_parent_is_enough")
def failure_lets_children_run(patch: pytest.MonkeyPatch) -> None:
    """A failed parent counts as a finished one."""
    real = _moving._let_go_child
    done = _moving.Outcome.SUCCESSFUL
    patch.setattr(_moving, "_let_go_child", lambda tx, parent, child, _outcome: real(tx, parent, child, done))


@bug("dependencies.parent_ends_by_fail", "groups.failed_member_fails_the_group")
def every_child_minds(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """That a child wants to run anyway is not heard."""

    class Broken(MemoryBackend):
        def add(self, specs, *, group=None):
            fresh = [attrs.evolve(spec, on_parent_failure=OnParentFailure.CANCEL) for spec in specs]
            return super().add(fresh, group=group)

    return Broken


@bug("propagation.success_lets_many_go_in_portions", "propagation.owed_children_are_claimed_in_the_end")
def owed_children_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Dependents that the finish itself did not reach wait for ever."""
    patch.setitem(_entries.ENTRIES, "parents", lambda _row, _now: ())


@bug("propagation.success_lets_many_go_in_portions", "propagation.failure_cancels_many_in_portions")
def one_finish_moves_everything(patch: pytest.MonkeyPatch) -> None:
    """A finish with 100,000 dependents moves them all while everybody waits."""
    for module in (_transaction, _claiming):
        patch.setattr(module, "PROPAGATION_LIMIT", 1_000_000)


@bug("propagation.finishes_of_one_call_share_what_they_move")
def each_finish_moves_a_hundred(patch: pytest.MonkeyPatch) -> None:
    """A hundred finishes in one call move a hundred dependents each, while everybody waits."""
    real = _applying._apply_one

    def apply_one(tx, change):
        tx.budget = 100
        return real(tx, change)

    patch.setattr(_applying, "_apply_one", apply_one)


@bug("moments.early_moments_are_claimed_in_order")
def nothing_is_before_1970(patch: pytest.MonkeyPatch) -> None:
    """All that is due since before 1970 is due since 1970, so that its order is lost."""
    real = _entries.micros
    patch.setattr(_entries, "micros", lambda moment: max(0, real(moment)))


@bug("dependencies.child_of_a_finished_parent_is_ready")
def finished_parents_are_waited_for(patch: pytest.MonkeyPatch) -> None:
    """A child waits for parents that have finished already: nobody will ever let it go."""
    patch.setattr(_adding, "look_at_parents", lambda _tx, spec: (list(spec.parents), False))


@bug("propagation.child_of_a_failed_parent_is_not_requeued")
def orphans_requeued(patch: pytest.MonkeyPatch) -> None:
    """A task is requeued though what it needs has failed."""
    patch.setattr(_applying, "outcome_of", lambda _tx, _parent_id: _moving.Outcome.SUCCESSFUL)


@bug("dependencies.unblock_from_outside_is_refused")
def unblocked_from_outside(patch: pytest.MonkeyPatch) -> None:
    """The number of parents that a change brings is believed."""
    patch.delitem(_applying._SPECIAL, Event.UNBLOCK)


@bug("adding.missing_parent_stores_nothing", "adding.missing_group_stores_nothing")
def missing_parents_accepted(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """A parent that is not there is taken for finished."""

    class Broken(MemoryBackend):
        def add(self, specs, *, group=None):
            try:
                return super().add(specs, group=group)
            except MissingParent:
                return super().add(
                    [attrs.evolve(spec, parents=(), group_id=None, group_index=None) for spec in specs], group=group
                )

    return Broken


@bug("groups.group_lets_go_once", "groups.callback_is_let_go_once")
def group_fires_twice(patch: pytest.MonkeyPatch) -> None:
    """Each member that finishes in a finished group sets the callback going again."""
    real = _moving.check_sealed

    def check(tx, group):
        real(tx, group)
        if group.is_finished:
            for _group, _mark, child_id, _key in tx.range("children", (group.group.id,), (group.group.id, 9), 100):
                child = tx.task(str(child_id))
                if child is not None and child.spec.on_parent_failure is OnParentFailure.RUN:
                    _moving.move(tx, child, attrs.evolve(child, state=State.READY, version=child.version + 1))
                elif child is not None and child.state is State.BLOCKED:
                    tx.put("tasks", child.id, attrs.evolve(child, version=child.version + 1))

    patch.setattr(_moving, "check_sealed", check)


@bug("sealing.unsealed_group_is_unfinished", "sealing.group_is_stored_in_portions")
def group_finished_before_it_is_sealed(patch: pytest.MonkeyPatch) -> None:
    """A group finishes when all members stored so far have."""

    def is_finished(tally):
        return all(state.is_finished for state in tally.counts)

    patch.setattr(_transaction.GroupTally, "is_finished", property(is_finished))


@bug("sealing.sealing_a_group_of_finished_members_finishes_it", "sealing.empty_group_is_finished_at_once")
def sealing_finishes_nothing(patch: pytest.MonkeyPatch) -> None:
    """Only a member that finishes looks whether the group has."""
    patch.setattr(_adding, "check_sealed", lambda _tx, _group: None)


@bug("groups.every_transition_is_counted", "threads.group_counts_survive_many_threads")
def claims_not_counted_for_groups(patch: pytest.MonkeyPatch) -> None:
    """A claim leaves the counts of the group as they are."""

    def note(tx, task):
        if task.spec.unique is not None:
            _moving.drop_key(tx, task, (UniqueUntil.STARTED,))

    patch.setattr(_claiming, "_note_bonds", note)


@bug("groups.failed_member_fails_the_group", "groups.callback_added_to_a_failed_group")
def group_of_failures_is_successful(patch: pytest.MonkeyPatch) -> None:
    """A group that has finished has succeeded."""
    patch.setattr(_transaction.GroupTally, "is_successful", property(lambda tally: tally.is_finished))


@bug("groups.repeated_add_counts_once", "groups.counts_of_the_caller_are_not_believed")
def group_counts_from_the_caller(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """Counts are raised by what is sent, not by what is stored."""

    class Broken(MemoryBackend):
        def add(self, specs, *, group=None):
            added = super().add(specs, group=group)
            already = sum(answer.verdict is AddVerdict.ALREADY for answer in added)
            extra = dict(group.counts) if group is not None else {}
            if group is not None and (already or extra):
                extra[State.READY] = extra.get(State.READY, 0) + already
                self._write(lambda tx: [tx.group(group.id).count(state, count) for state, count in extra.items()])
            return added

    return Broken


# Schedules and workers


@bug("schedules.fire_is_compared", "schedules.repeated_fire_adds_nothing", "schedules.one_of_many_schedulers_fires")
def fire_without_compare(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """Two schedulers enqueue two tasks for one slot (celery#2856, oban-py#32)."""

    class Broken(MemoryBackend):
        def fire(self, before, after, specs):
            self._write(lambda tx: (tx.put("schedules", before.id, after), _adding.add(tx, specs, is_raising=False)))
            return True

    return Broken


@bug("schedules.fire_is_compared", "schedules.fire_of_a_deleted_schedule")
def fire_in_two_steps(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """The tasks are added before the schedule is compared."""

    class Broken(MemoryBackend):
        def fire(self, before, after, specs):
            self._write(lambda tx: _adding.add(tx, specs, is_raising=False))
            return super().fire(before, after, [])

    return Broken


@bug("schedules.revision_is_compared", "schedules.one_of_many_edits_is_stored")
def edit_without_compare(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """An edit overwrites what was written meanwhile."""

    class Broken(MemoryBackend):
        def put_schedule(self, schedule, *, expected_revision):
            if expected_revision is None:
                return super().put_schedule(schedule, expected_revision=None)
            self._write(lambda tx: tx.put("schedules", schedule.id, schedule))
            return True

    return Broken


@bug("schedules.name_is_taken_once", "schedules.schedule_is_renamed")
def names_taken_twice(patch: pytest.MonkeyPatch) -> None:
    """Two schedules may have one name."""
    patch.setattr(_schedules, "_id_of_name", lambda _tx, _name: None)


@bug("workers.order_is_answered_until_it_changes")
def order_answered_once(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """An order is forgotten once it was heard; a lost reply loses it."""

    class Broken(MemoryBackend):
        def beat(self, worker):
            order = super().beat(worker)
            self.order(worker.id, Order.RUN)
            return order

    return Broken


# Reading


@bug("finding.pages_go_on_while_tasks_are_added", "finding.pages_go_on_when_tasks_change_or_go")
def pages_by_offset(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """A page begins where the last one ended, by count."""

    class Broken(MemoryBackend):
        def find(self, query):
            start = int(query.cursor or 0)
            everything = super().find(attrs.evolve(query, cursor=None, limit=10_000)).items
            end = start + query.limit
            return Page(everything[start:end], str(end) if end < len(everything) else None)

    return Broken


@bug("finding.stats_follow_every_change", "finding.stats_count_by_queue_and_state")
def stats_drift(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """Claims are not counted in the statistics."""

    class Broken(MemoryBackend):
        def stats(self):
            stats = super().stats()
            return attrs.evolve(stats, queues=tuple(map(_without_claims, stats.queues)))

    return Broken


def _without_claims(queue):
    counts = dict(queue.counts)
    running = counts.pop(State.RUNNING, 0)
    return attrs.evolve(queue, counts={**counts, State.READY: counts.get(State.READY, 0) + running})


@bug("finding.filter_by_time")
def until_is_inclusive(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """A range of time includes its end."""

    class Broken(MemoryBackend):
        def find(self, query):
            until = query.enqueued_until and query.enqueued_until + timedelta(milliseconds=1)
            return super().find(attrs.evolve(query, enqueued_until=until))

    return Broken


@bug("finding.filter_by_worker")
def worker_not_asked(patch: pytest.MonkeyPatch) -> None:
    """Tasks of all workers are shown for each."""
    real = _finding._matches
    patch.setattr(_finding, "_matches", lambda task, query: real(task, attrs.evolve(query, worker_id=None)))
    patch.setattr(_finding, "_held_by", _everything)


def _everything(tx, _worker_id, low, high, *, is_descending):
    return _finding.keys_in(tx, "states", ("RUNNING",), low=low, high=high, is_descending=is_descending)


@bug("items.items_are_in_order_of_their_numbers")
def items_in_order_of_text(patch: pytest.MonkeyPatch) -> None:
    """Item 10 comes before item 9."""
    real = _finding.items

    def items(tx, task_id, cursor, limit):
        page = real(tx, task_id, cursor, limit)
        return attrs.evolve(page, items=tuple(sorted(page.items, key=lambda item: str(item.sequence))))

    patch.setattr(_finding, "items", items)


# Purging and waiting


@bug("purging.parent_of_an_unfinished_task_stays", "purging.members_stay_while_the_callback_is_unfinished")
def needed_results_purged(patch: pytest.MonkeyPatch) -> None:
    """A result is deleted that a waiting task still needs."""
    patch.setattr(_purging, "_is_needed", lambda _tx, _task, _groups: False)


@bug("empty_groups.groups_that_had_no_member_go_after_a_day", "empty_groups.empty_groups_go_in_portions")
def empty_groups_stay(patch: pytest.MonkeyPatch) -> None:
    """Only a last member takes its group along."""
    patch.setattr(_purging, "_empty_groups", lambda _tx: iter(()))


@bug(
    "empty_groups.groups_that_had_no_member_go_after_a_day",
    "empty_groups.group_sealed_after_its_members_were_purged_goes",
)
def empty_groups_go_at_once(patch: pytest.MonkeyPatch) -> None:
    """A group without members goes with the first purge: whoever made it finds it no more."""
    patch.setattr(_purging, "EMPTY_GROUPS_KEPT", timedelta(0))


@bug("purging.latest_of_each_name_stay", "purging.latest_of_each_group_stay")
def nothing_is_kept(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """``keep_latest`` is not looked at."""

    class Broken(MemoryBackend):
        def purge(self, request):
            return super().purge(attrs.evolve(request, keep_latest=None))

    return Broken


@bug("purging.by_age")
def age_since_enqueueing(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """A task is old when it was enqueued long ago, though it has just finished."""

    class Broken(MemoryBackend):
        def purge(self, request):
            if request.finished_before is None:
                return super().purge(request)
            old = self.find(Query(enqueued_until=request.finished_before)).items
            ids = tuple(task.id for task in old)
            return super().purge(attrs.evolve(request, finished_before=None, ids=ids)) if ids else 0

    return Broken


@bug("waiting.new_task_ends_a_wait")
def deaf(patch: pytest.MonkeyPatch) -> None:
    """Nobody tells those who wait (bullmq#4378, celery#8091)."""
    patch.setattr(_waiting.Waiters, "tell", lambda *_arguments: None)


@bug("waiting.wake_ends_all_waits")
def wake_wakes_one(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """``wake`` does nothing."""

    class Broken(MemoryBackend):
        def wake(self):
            self._check_open()

    return Broken


@bug("openings.closed_backend_says_so")
def closed_backend_goes_on(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """A closed backend answers as if it were open."""

    class Broken(MemoryBackend):
        def _check_open(self):
            pass

        def now(self):
            try:
                return super().now()
            except BackendClosed:
                return self._engine.now()

    return Broken


@bug("openings.clock_is_the_one_given", "crashes.lease_holds_up_to_its_end")
def clock_of_its_own(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """The store reads the time of its machine, whatever clock it is given."""

    class Broken(MemoryBackend):
        def __init__(self, *, clock=None):
            super().__init__()

    return Broken


@bug("suspects.suspect_is_claimed_alone")
def suspects_in_company(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """A batch goes on behind a suspect: whoever runs beside it is lost with it."""

    class Broken(MemoryBackend):
        def claim(self, request):
            claimed = super().claim(request)
            while claimed and len(claimed) < request.limit:
                more = super().claim(attrs.evolve(request, nonce=f"{request.nonce} {len(claimed)}"))
                if not more:
                    break
                claimed += more
            return claimed[: request.limit]

    return Broken


@bug("sealing.group_does_not_wait_for_what_is_no_member")
def group_waits_for_ever(_patch: pytest.MonkeyPatch) -> type[MemoryBackend]:
    """A group waits for a member that was never stored, as another task stands for it."""

    class Broken(MemoryBackend):
        def add(self, specs, *, group=None):
            if group is None or group.total is None:
                return super().add(specs, group=group)
            added = super().add(specs, group=attrs.evolve(group, total=None))
            super().add([], group=group)
            return added

    return Broken


@bug("circles.replace_does_not_make_a_circle", "circles.replace_does_not_make_a_circle_through_a_group")
def replaced_by_its_child(patch: pytest.MonkeyPatch) -> None:
    """A task may be replaced by one that waits for it."""
    patch.setattr(_adding, "waits_for_itself", lambda *_arguments: False)


@bug("circles.requeue_does_not_make_a_circle_over_a_callback", "circles.requeue_before_all_children_were_let_go")
def requeued_after_its_child(patch: pytest.MonkeyPatch) -> None:
    """A task may be requeued to wait for one that waits for it."""
    patch.setattr(_applying, "waits_for_itself", lambda *_arguments: False)


@bug("circles.member_does_not_wait_for_the_callback_of_its_group", "circles.settle_does_not_bring_a_circle")
def circles_of_tasks_only(patch: pytest.MonkeyPatch) -> None:
    """Circles are looked for among tasks, groups are forgotten."""
    real = _moving.closes_circle

    def look(spec, *others):
        return real(attrs.evolve(spec, group_id=None, group_index=None), *others)

    patch.setattr(_moving, "closes_circle", look)
    patch.setattr(_circles.Joining, "closes_circle", lambda *_arguments: False)


@bug("circles.callback_that_comes_between_members_of_one_call")
def waiters_looked_up_once(patch: pytest.MonkeyPatch) -> None:
    """Who waits for a group is what waited for it when the first of its members came."""
    patch.setattr(_circles.Joining, "note", lambda *_arguments: None)


@bug("items.tasks_that_cannot_follow_refuse_the_settle")
def followers_left_out(patch: pytest.MonkeyPatch) -> None:
    """What cannot follow is left out without a word."""
    real = _applying._store_extras
    patch.setattr(_applying, "find_problem", lambda _specs, _leaving, _look: None)

    def store(tx, change):
        known = tuple(spec for spec in change.tasks if all(tx.task(parent) for parent in spec.parents))
        real(tx, attrs.evolve(change, tasks=known))

    patch.setattr(_applying, "_store_extras", store)


@bug("doors.moments_without_a_zone", "doors.priorities_out_of_range")
def open_door(patch: pytest.MonkeyPatch) -> None:
    """Nothing is looked at before it is stored."""
    patch.setattr(_backend, "check_spec", lambda _spec: None)
