"""The Lua of the scripts agrees with the transition table: the server makes of a task what ``step`` makes of it."""

from __future__ import annotations

from datetime import datetime
from functools import cache

import attrs
import pytest
import redis

from taskcore.protocol import Change, ClaimRequest, Event, Lease, Refused, State, Task, Verdict, step
from taskcore.records import dump_data
from taskcore.testing import FakeClock
from taskcore_backends.redis._changes import pack_change
from taskcore_backends.redis._layout import EVENTS, REASONS, STATES, VERDICTS
from taskcore_backends.redis._packing import micros, optional_micros, pack, pack_parts
from taskcore_backends.redis._records import load_task, spec_values
from taskcore_backends.redis._scripts import complete
from tests.integration.redis_calls import LEASE
from tests.servers.redis_server import Stores, shared_url
from tests.unit.machine_explorer import changes, reachable

pytestmark = pytest.mark.integration

STEP = complete(
    "step",
    """-- uses: base ids store step
-- ARGV: 2 a record, 3… a change and how many parents are unfinished. Reply: the new record, or the verdict.
local t, answers = cmsgpack.unpack(ARGV[2]), {}
for i = 3, #ARGV, 2 do
  local c = cmsgpack.unpack(ARGV[i])
  c[C.WAITS] = tonumber(ARGV[i + 1])
  local new, verdict = step(t, c)
  if new then
    local attempt = new.attempt or false
    new.attempt = nil
    new[F.ARGS] = new[F.ARGS] or ''
    answers[#answers + 1] = {c[C.ID], unpack(new, 1, F.LAST)}
    answers[#answers][F.LAST + 2] = attempt
  else
    answers[#answers + 1] = verdict
  end
end
return answers
""",
)

WRITE = complete(
    "write",
    """-- uses: base
-- Put a record in the place of another, with its attempts and where it stands. For tests only.
call('HSET', P .. 'tasks', ARGV[2], ARGV[3])
if ARGV[4] ~= '' then
  call('HSET', P .. 'attempts', ARGV[2], ARGV[4])
end
call('ZADD', P .. ARGV[5], ARGV[6], ARGV[2])
return 1
""",
)


@cache
def all_states() -> list[tuple[Task, datetime]]:
    return list(reachable())


def states(every: int) -> list[tuple[Task, datetime]]:
    return all_states()[::every]


def record(task: Task) -> list[object]:
    """Return the fields of a task's record, as the scripts write them."""
    lease, settle, result = task.lease, task.last_settle, task.result
    code = 1 if task.state is State.READY and task.run_after > task.changed_at else STATES.index(task.state)
    spec = spec_values(task.spec)
    nonce = lease.nonce if lease else settle.nonce if settle else None
    worker = lease.worker_id if lease else result.worker_id if result else None
    return [
        *(code, task.version, task.epoch, micros(task.run_after), micros(task.changed_at)),
        *(task.failures, task.crashes, task.releases, 0, 1 if task.attempts else 0),
        *spec[1:],
        *(nonce, worker, lease and micros(lease.claimed_at), lease and micros(lease.expires_at)),
        bool(lease and lease.is_started),
        settle and EVENTS[settle.event],
        task.cancel_level and task.cancel_level.value,
        task.reason and REASONS[task.reason],
        task.progress and dump_data(task.progress),
        optional_micros(result.started_at) if result else None,
        dump_data(result.failure) if result and result.failure else None,
        result and result.value_json,
    ]


def packed_attempts(task: Task) -> bytes:
    if not task.attempts:
        return b""
    return pack(
        [
            [
                *(one.epoch, EVENTS[one.event], one.worker_id, micros(one.claimed_at)),
                *(
                    optional_micros(one.started_at),
                    micros(one.ended_at),
                    None if one.failure is None else dump_data(one.failure),
                ),
            ]
            for one in task.attempts
        ]
    )


def expected(task: Task, change: Change, now: datetime) -> object:
    after = step(task, change, now)
    return VERDICTS[after.verdict] if isinstance(after, Refused) else after


def actual(task: Task, answer: list[object] | int) -> object:
    if isinstance(answer, int):
        return answer
    attempt = answer[-1]
    answer[-1] = None if attempt is None else [attempt]
    after = load_task(answer, {})
    return attrs.evolve(after, attempts=(*task.attempts, *after.attempts))


def compare(found: list[tuple[Task, datetime]]) -> int:
    compared = 0
    with redis.Redis.from_url(shared_url()) as client:
        run = client.register_script(STEP.text)
        for task, now in found:
            asked = [one for one in changes(task, now) if one.event is not Event.CLAIM]
            arguments = [part for one in asked for part in (pack_change(one), one.waits)]
            answers = run(keys=["{test}:layout"], args=[micros(now), pack(record(task)), *arguments])
            for change, answer in zip(asked, answers, strict=True):
                assert expected(task, change, now) == actual(task, answer), (task, change)
                compared += 1
    return compared


def test_lua_steps_as_the_machine_does():
    """A part of all states that can be reached, and everything that can be asked of each: verdict and task agree."""
    assert compare(states(97)) > 8_000


@pytest.mark.nightly
@pytest.mark.timeout(1200)
def test_lua_steps_as_the_machine_does_everywhere():
    """All states that can be reached, and everything that can be asked of each."""
    assert compare(states(1)) > 800_000


def plant(client: redis.Redis, stores: Stores, task: Task) -> None:
    """Write a task as it is."""
    key = f"{{{stores.namespace}}}:layout"
    place, score = ("leases", micros(task.lease.expires_at)) if task.lease else ("r:default", 0)
    if task.is_suspect and not task.lease:
        place = "u:default"
    run = client.register_script(WRITE.text)
    run(keys=[key], args=["0", task.id, pack(record(task)), packed_attempts(task), place, score])


def test_short_ways_are_the_same_way(stores):
    """SUCCEED and HEARTBEAT of holders, which go past the interpreter, leave what ``step`` says."""
    clock = FakeClock()
    backend = stores.open(clock)
    with redis.Redis.from_url(stores.url) as client:
        running = [(task, now) for task, now in states(41) if task.lease is not None]
        assert len(running) > 30
        for task, now in running:
            clock.set(now)
            for change in changes(task, now):
                if change.event in (Event.SUCCEED, Event.HEARTBEAT) and change.fence == task.fence:
                    plant(client, stores, task)
                    assert Verdict.APPLIED == backend.apply([change]).applied[0].verdict
                    assert step(task, change, now) == backend.get([task.id])[0]
            stores.empty()
    backend.close()


def test_claim_is_the_row_of_the_table(stores):
    """What a claim makes of a task is what ``step`` makes of it by CLAIM."""
    clock = FakeClock()
    backend = stores.open(clock)
    claimed = 0
    with redis.Redis.from_url(stores.url) as client:
        for task, now in states(13):
            if task.state is not State.READY:
                continue
            clock.set(now)
            lease = Lease(nonce="n", worker_id="w", claimed_at=now, expires_at=now + LEASE)
            after = step(task, Change(task_id=task.id, event=Event.CLAIM, grant=lease), now)
            plant(client, stores, task)
            request = ClaimRequest(worker_id="w", nonce="n", queue_names=("default",), limit=1, lease=LEASE)
            assert ([] if isinstance(after, Refused) else [after]) == backend.claim(request)
            claimed += isinstance(after, Task)
            stores.empty()
    assert claimed > 10
    backend.close()


def test_numbers_beyond_those_of_lua_are_kept():
    """Whole numbers that a Lua number does not hold travel as text, smaller ones as numbers."""
    assert b"\xcb" not in pack_parts([2**53 - 1, -(2**53) + 1])
    assert pack_parts([str(2**53)]) == pack_parts([2**53])
