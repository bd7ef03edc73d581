"""Checks of ``claim``: who gets what, in which order, and what a repeated request is answered."""

from __future__ import annotations

from datetime import timedelta

from taskcore.protocol import (
    NONCES_KNOWN,
    CancelReason,
    Event,
    Group,
    Lease,
    State,
    Task,
    UniqueKey,
    UniqueUntil,
)
from taskcore.testing.conformance._check import check
from taskcore.testing.conformance._trial import LEASE, Trial, expect

SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)


def _ids(tasks: list[Task]) -> list[str]:
    return [task.id for task in tasks]


@check()
def claim_grants_a_lease(trial: Trial) -> None:
    """A claimed task is RUNNING with epoch 1, the request's nonce and worker, and a lease from the store's now."""
    now = trial.clock.now()
    task = trial.take(trial.add(), nonce="n", worker_id="w")
    lease = Lease(nonce="n", worker_id="w", claimed_at=now, expires_at=now + LEASE)
    expect((State.RUNNING, 1, 2, lease), (task.state, task.epoch, task.version, task.lease), "the claimed task")


@check()
def claimed_task_is_the_stored_one(trial: Trial) -> None:
    """What a claim returns is what ``get`` returns, spec and all."""
    task = trial.take(trial.add(arguments_json='{"a":[1]}', label="l"))
    expect(task, trial.get(task.id), "the stored task")


@check()
def every_field_comes_with_the_claim(trial: Trial) -> None:
    """A claim returns texts to the character and moments to the microsecond, in the second run as in the first."""
    text = "".join(map(chr, range(1, 128))) + "é\u2028\ufeff😀 null"
    now = trial.clock.now()
    trial.store.add([], group=Group(id="f" * 32, name="g", created_at=now))
    options: list[dict[str, object]] = [
        {"unique": UniqueKey(key=text)},
        {"unique": UniqueKey(key="null", until=UniqueUntil.STARTED)},
        {"group_id": "f" * 32, "group_index": 2**31 - 1},
        {"schedule_id": "'\"\\"},
        {"timeout": timedelta(days=36_525) - MICROSECOND},
        {"expires_at": now.replace(year=9999, microsecond=999_999)},
        {"run_after": now.replace(year=1900, microsecond=1)},
        {"label": text},
        {"arguments_json": f"[{2**63 + 1}, {2**53 + 1}]"},
    ]
    for fields in options:
        spec = trial.spec(**fields, max_attempts=2)
        trial.store.add([spec])
        for event in (Event.RELEASE, Event.RETRY, Event.SUCCEED):
            task = trial.take(spec.id)
            expect((spec, trial.get(spec.id)), (task.spec, task), f"the task claimed before {event.value}")
            trial.must(event, task)


@check()
def nothing_to_claim(trial: Trial) -> None:
    """An empty store gives nothing."""
    expect([], trial.claim(), "what is claimed")


@check()
def a_task_is_claimed_once(trial: Trial) -> None:
    """A claimed task is not given to the next one who asks."""
    trial.take(trial.add())
    expect([], trial.claim(limit=10), "what the second claim returns")


@check()
def limit_is_kept(trial: Trial) -> None:
    """A claim returns as many tasks as it asks for when there are more, and all when there are fewer."""
    ids = [trial.add() for _ in range(5)]
    expect([ids[:2], ids[2:]], [_ids(trial.claim(limit=2)), _ids(trial.claim(limit=10))], "the two claims")


@check()
def higher_priority_comes_first(trial: Trial) -> None:
    """Priorities go from 100 down to -100, whatever the order of adding."""
    ids = {priority: trial.add(priority=priority) for priority in (0, -100, 1, 100, -1)}
    wanted = [ids[priority] for priority in (100, 1, 0, -1, -100)]
    expect(wanted, _ids(trial.claim(limit=5)), "the order of the claim")


@check()
def higher_priority_comes_first_one_by_one(trial: Trial) -> None:
    """The same order holds from claim to claim."""
    ids = {priority: trial.add(priority=priority) for priority in (0, -5, 7)}
    claimed = [_ids(trial.claim()) for _ in range(3)]
    expect([[ids[priority]] for priority in (7, 0, -5)], claimed, "three claims of one")


@check()
def earlier_run_after_comes_first(trial: Trial) -> None:
    """Among equal priorities the task that was due earlier comes first."""
    now = trial.clock.now()
    late, early = trial.add(run_after=now - SECOND), trial.add(run_after=now - 2 * SECOND)
    expect([early, late], _ids(trial.claim(limit=2)), "the order of the claim")


@check()
def priority_outweighs_run_after(trial: Trial) -> None:
    """A higher priority comes first also when it has been due for a shorter time."""
    now = trial.clock.now()
    old, high = trial.add(run_after=now - timedelta(days=1)), trial.add(priority=1)
    expect([high, old], _ids(trial.claim(limit=2)), "the order of the claim")


@check()
def run_after_counts_in_milliseconds(trial: Trial) -> None:
    """Within one millisecond the id decides, across its end the moment does."""
    start = trial.clock.now() - SECOND
    moments = (start + 999 * MICROSECOND, start, start + 1000 * MICROSECOND, start + 500 * MICROSECOND)
    ids = [trial.add(run_after=moment) for moment in moments]
    expect([ids[0], ids[1], ids[3], ids[2]], _ids(trial.claim(limit=4)), "the order of the claim")


@check()
def id_decides_between_equals(trial: Trial) -> None:
    """Among tasks of the same priority and moment the lower id comes first, whatever the order of adding."""
    specs = [trial.spec() for _ in range(4)]
    trial.store.add([specs[2], specs[0], specs[3], specs[1]])
    expect([spec.id for spec in specs], _ids(trial.claim(limit=4)), "the order of the claim")


@check()
def order_holds_across_queues(trial: Trial) -> None:
    """A claim from several queues is in one order over all of them, whatever the order of the queues."""
    ids = {
        (queue, priority): trial.add(queue_name=queue, priority=priority)
        for queue, priority in (("a", 0), ("b", 5), ("c", 9), ("a", 7), ("c", -1))
    }
    wanted = [ids[key] for key in (("c", 9), ("a", 7), ("b", 5), ("a", 0))]
    expect(wanted[:2], _ids(trial.claim("b", "a", "c", limit=2)), "the first claim")
    expect(wanted[2:], _ids(trial.claim("a", "b", "c", limit=2)), "the second claim")


@check()
def equals_of_several_queues_go_by_run_after_and_id(trial: Trial) -> None:
    """Between queues, too, the moment and then the id decide."""
    now = trial.clock.now()
    first, second = trial.add(queue_name="b", run_after=now), trial.add(queue_name="a", run_after=now)
    oldest = trial.add(queue_name="c", run_after=now - SECOND)
    expect([oldest, first, second], _ids(trial.claim("a", "b", "c", limit=3)), "the order of the claim")


@check()
def only_queues_asked_for(trial: Trial) -> None:
    """Tasks of other queues stay, with names that differ by case, a space or an accent too."""
    for name in ("Mail", "mail ", " mail", "máil", "mail2", "mai"):
        trial.add(queue_name=name, priority=100)
    mine = trial.add(queue_name="mail")
    expect([mine], _ids(trial.claim("mail", limit=10)), "what is claimed from mail")


@check()
def queue_named_twice_gives_a_task_once(trial: Trial) -> None:
    """A queue that is asked for twice is one queue."""
    task_id = trial.add()
    expect([task_id], _ids(trial.claim("default", "default", limit=10)), "what is claimed")


@check()
def not_before_its_moment(trial: Trial) -> None:
    """A task is not claimed a microsecond before ``run_after``, and is at that moment."""
    moment = trial.clock.now() + timedelta(hours=1)
    task_id = trial.add(run_after=moment)
    trial.clock.set(moment - timedelta(milliseconds=1))
    expect([], trial.claim(), "what is claimed a millisecond before")
    trial.clock.set(moment)
    expect([task_id], _ids(trial.claim()), "what is claimed at the moment")


@check()
def tasks_for_later_hide_none_that_are_due(trial: Trial) -> None:
    """However many tasks of higher priority wait for their moment, those that are due are claimed."""
    later = trial.clock.now() + timedelta(days=1)
    trial.store.add([trial.spec(run_after=later, priority=100) for _ in range(300)])
    due = trial.add(priority=-100)
    expect([due], _ids(trial.claim(limit=10)), "what is claimed")


@check()
def tasks_that_become_due_take_their_place(trial: Trial) -> None:
    """A task that has become due is claimed before one of lower priority that was due all the time."""
    low = trial.add(priority=0)
    high = trial.add(priority=1, run_after=trial.clock.now() + SECOND)
    trial.clock.advance(SECOND)
    expect([high, low], _ids(trial.claim(limit=2)), "the order of the claim")


@check()
def many_become_due_at_once(trial: Trial) -> None:
    """Of 500 tasks that become due in one moment each is claimed, once."""
    moment = trial.clock.now() + SECOND
    specs = [trial.spec(run_after=moment) for _ in range(500)]
    trial.store.add(specs)
    trial.clock.advance(SECOND)
    claimed: list[str] = []
    for _ in range(20):
        claimed += _ids(trial.claim(limit=100))
    expect(sorted(spec.id for spec in specs), sorted(claimed), "all that is claimed")


@check()
def blocked_tasks_are_not_claimed(trial: Trial) -> None:
    """A task whose parent is unfinished is not given to anybody."""
    parent = trial.add(queue_name="parents")
    trial.add(parents=(parent,), priority=100)
    expect([], trial.claim(limit=10), "what is claimed")


@check()
def finished_tasks_are_not_claimed(trial: Trial) -> None:
    """SUCCESSFUL, FAILED and CANCELLED tasks are not given to anybody."""
    for event in (Event.SUCCEED, Event.FAIL, Event.ABORT):
        trial.finish(trial.add(), event)
    trial.must(Event.CANCEL, trial.add())
    expect([], trial.claim(limit=10), "what is claimed")


@check()
def each_claim_raises_the_epoch(trial: Trial) -> None:
    """The second claim of a task has epoch 2 and the nonce of its own request."""
    task_id = trial.add()
    trial.finish(task_id, Event.RELEASE)
    task = trial.take(task_id, nonce="second")
    expect((2, "second"), (task.fence.epoch, task.fence.nonce), "the fence of the second claim")


@check()
def claim_forgets_the_last_settle(trial: Trial) -> None:
    """Once a task is claimed again it remembers nothing of how the holder before ended."""
    task_id = trial.add()
    trial.finish(task_id, Event.RELEASE)
    expect(None, trial.take(task_id).last_settle, "last_settle")


@check()
def repeated_request_gets_the_same_tasks(trial: Trial) -> None:
    """The same request after a lost reply is answered with the same tasks; they are claimed once."""
    ids = [trial.add() for _ in range(4)]
    first = trial.claim(limit=2, nonce="n")
    again = trial.claim(limit=2, nonce="n")
    expect(first, again, "the answer to the repeat")
    expect([State.RUNNING] * 2 + [State.READY] * 2, trial.states(*ids), "the states of the four tasks")


@check()
def repeated_request_gets_no_more_than_its_limit(trial: Trial) -> None:
    """A repeat does not add tasks to what the nonce holds already when that is all it asked for."""
    for _ in range(10):
        trial.add()
    trial.claim(limit=3, nonce="n")
    expect(3, len(trial.claim(limit=3, nonce="n")), "how many tasks the repeat returns")


@check()
def repeated_request_leaves_out_what_was_settled(trial: Trial) -> None:
    """A repeat does not return tasks of its nonce that have finished meanwhile."""
    first, second = trial.add(), trial.add()
    tasks = trial.claim(limit=2, nonce="n")
    trial.must(Event.SUCCEED, tasks[0])
    expect([second], _ids(trial.claim(limit=1, nonce="n")), "the answer to the repeat")
    expect([State.SUCCESSFUL, State.RUNNING], trial.states(first, second), "the states")


@check()
def repeated_request_does_not_take_back_a_lost_task(trial: Trial) -> None:
    """What another worker has claimed meanwhile is not returned to the older nonce."""
    task_id = trial.add()
    trial.take(task_id, nonce="old")
    trial.clock.advance(LEASE)
    trial.housekeep()
    trial.take(task_id, nonce="new")
    expect([], trial.claim(nonce="old"), "the answer to the repeat of the older request")


@check()
def several_requests_of_a_worker_can_be_repeated(trial: Trial) -> None:
    """Any of the latest ``NONCES_KNOWN`` requests that got tasks may be repeated; those that got none do not count."""
    trial.store.add([trial.spec() for _ in range(NONCES_KNOWN)])
    nonces = [f"n{number}" for number in range(NONCES_KNOWN)]
    first = [_ids(trial.claim(nonce=nonce)) for nonce in nonces]
    for number in range(NONCES_KNOWN):
        expect([], trial.claim(nonce=f"in vain {number}"), "what is claimed when all are taken")
    again = [_ids(trial.claim(nonce=nonce)) for nonce in reversed(nonces)]
    expect(first, again[::-1], "the answers to the repeats")


@check()
def other_nonce_gets_other_tasks(trial: Trial) -> None:
    """Two requests of one worker with nonces of their own get different tasks."""
    first, second = trial.add(), trial.add()
    claims = [_ids(trial.claim(nonce=nonce, worker_id="w")) for nonce in ("a", "b")]
    expect([[first], [second]], claims, "the two claims")


@check()
def overdue_tasks_are_not_claimed(trial: Trial) -> None:
    """At ``expires_at`` a task is not started any more; it is CANCELLED, reason expired."""
    task_id = trial.add(expires_at=trial.clock.now() + SECOND)
    trial.clock.advance(SECOND)
    expect([], trial.claim(), "what is claimed")
    task = trial.get(task_id)
    expect((State.CANCELLED, CancelReason.EXPIRED), (task.state, task.reason), "state and reason")


@check()
def overdue_tasks_hide_none_that_are_not(trial: Trial) -> None:
    """However many overdue tasks of higher priority there are, one that is not overdue is claimed soon."""
    soon = trial.clock.now() + SECOND
    trial.store.add([trial.spec(expires_at=soon, priority=100) for _ in range(300)])
    good = trial.add(priority=-100)
    trial.clock.advance(SECOND)
    claimed = [task_id for _ in range(20) for task_id in _ids(trial.claim(limit=10))]
    expect([good], claimed, "what twenty claims return")


@check()
def not_overdue_a_moment_before(trial: Trial) -> None:
    """Up to ``expires_at`` a task is claimed as any other."""
    task_id = trial.add(expires_at=trial.clock.now() + SECOND)
    trial.clock.advance(SECOND - timedelta(milliseconds=1))
    expect([task_id], _ids(trial.claim()), "what is claimed a millisecond before")


@check()
def long_queue_is_claimed_to_the_end(trial: Trial) -> None:
    """Of 1,000 tasks in three queues each is claimed once, in one order."""
    specs = [trial.spec(queue_name="abc"[n % 3], priority=n % 7) for n in range(1000)]
    trial.store.add(specs)
    claimed = [task for _ in range(11) for task in trial.claim("a", "b", "c", limit=97)]
    wanted = sorted(specs, key=lambda spec: (-spec.priority, spec.id))
    expect([spec.id for spec in wanted], _ids(claimed), "the order of all claims")


@check()
def many_that_become_due_at_once_are_all_claimed(trial: Trial) -> None:
    """Of 3,000 tasks that become due in one second each is claimed once, in the order of their moments."""
    soon = trial.clock.now() + SECOND
    specs = [trial.spec(run_after=soon + timedelta(milliseconds=n // 3)) for n in range(3000)]
    trial.store.add(specs)
    trial.clock.advance(2 * SECOND)
    claimed = [task_id for _ in range(31) for task_id in _ids(trial.claim(limit=100))]
    expect([spec.id for spec in specs], claimed, "the order of all claims")


@check()
def claim_of_no_tasks_keeps_house(trial: Trial) -> None:
    """A claim with a limit of 0 hands nothing out, and does the housekeeping of any other."""
    task = trial.take(trial.add())
    trial.clock.advance(LEASE)
    expect([], trial.claim(limit=0), "what is claimed")
    expect([State.READY], trial.states(task.id), "the state of the task whose lease was over")
