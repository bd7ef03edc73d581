"""Tasks in Redis 6.2 or later, or Valkey. ``RedisBackend`` is straight on the protocol; its semantics are Lua scripts.

| module | what lives there |
|---|---|
| ``_backend`` | the methods of the protocol, each one script or a few |
| ``_adding`` ``_changes`` ``_records`` ``_packing`` ``_words`` | calls to what scripts are given, answers to tasks |
| ``_finding`` ``_purging`` ``_schedules`` ``_statistics`` | the calls that take several scripts, each short |
| ``_waiting`` | hints: one connection of a process blocks for all of its threads |
| ``_link`` ``_connections`` ``_errors`` ``_urls`` | how a script gets to a server or a cluster, its errors, its name |
| ``_layout`` ``_scripts`` | the numbers that are stored, and how scripts are put together |
| ``lua/*.lua`` | the scripts; each says its keys, arguments, reply and complexity; parts are joined in front of them |

A call of the protocol that writes is one script, so it is atomic, and one round trip. A script reads what it needs,
decides, and writes at its end: one that finds a reason to refuse has written nothing. Decisions are the machine's:
the transition table is written out as Lua when the scripts are loaded (``step.lua`` interprets it, a test over all
states that can be reached holds it to ``step``); SUCCEED, HEARTBEAT and CLAIM have short ways of their own, held to
it by the same test.

Keys
----
All begin with the namespace in braces, ``{taskcore}:``, so they lie in one slot of a cluster: one namespace has the
speed of one node, several spread over them. Scripts make the names of keys from that of ``layout``. They are given
that of ``room`` too, which never exists: so a node that has only some of the keys, while their slot is being moved,
runs none.
Layout 1:

| key | kind | what it holds |
|---|---|---|
| ``layout`` | text | the version; every script refuses another one than its own |
| ``tasks`` | hash | by id: the record |
| ``args`` ``attempts`` | hash | by id: arguments too long to be written with every change; unsuccessful attempts |
| ``i:<id>`` ``ids`` | lists, zset | all ids in order, some hundred a list; the bounds of the lists |
| ``recent`` | list | the latest ids, in no list yet |
| ``counts`` | hash | by ``<code>:<queue>``: how many tasks |
| ``f:<name>`` ``names`` | zset | finished tasks of a name by when; the names |
| ``s:5`` ``s:6`` ``purge`` | zset | FAILED and CANCELLED tasks by id; finished ones by when they may be purged |
| ``expiry`` | zset | waiting tasks with an expiry |
| ``keys`` ``keytimers`` ``y:<key>`` | hash, zset | who holds a unique key; when it ends; tasks that asked for it |
| ``groups`` ``gids`` ``gn:<name>`` ``g:<group>`` | hash, zset | groups and their counts; by id; by name; members |
| ``empty`` | zset | groups without members, by when they finished, or were made if they never had any |
| ``d2:`` ``d1:`` ``d0:<parent>`` | zset | children that wait for it; unfinished ones that do no more; finished ones |
| ``owed`` | zset | parents whose finish has yet to reach some children |
| ``l:<schedule>`` | zset | tasks of a schedule |
| ``x:<id>`` | zset | items of a task: place, then document |
| ``schedules`` ``snames`` ``slots`` | hash, zset | schedules; by name; by next slot |
| ``workers`` ``beats`` | hash, zset | what workers said last; when |
| ``c:<worker>`` ``n:<worker>`` ``claimers`` | hash, list, zset | the latest 16 claims of a worker, for repeats |
| ``paused`` | set | queues |
| ``m:<queue>`` ``watched`` ``in:<address>`` | zset, hash | markers; who waits for which finish; inboxes |

What is empty does not exist, and with the last task, schedule, worker and pause a purge deletes the rest; workers are
forgotten after a day of silence.

By its state a task stands in one ZSET, and nowhere else:

| state | key | score |
|---|---|---|
| READY, due | ``r:<queue>``, a suspect ``u:<queue>`` | ms since the year 1, less priority * 2^46; equals go by id |
| READY, not due yet | ``later`` | run_after |
| BLOCKED | ``blocked`` | 0 |
| RUNNING | ``leases`` | when the lease ends |
| finished | ``f:<name>`` | when it finished |

A record is a MessagePack array, by position (``_layout.FIELDS``): what transitions change, what the scripts read of a
spec, and the rest of it as texts that they pass on. Absent is false. Moments are microseconds; what a Lua number
cannot hold exactly is decimal text. A waiting task with small arguments takes about 340 to 380 bytes in all.

Bounds
------
A claim sees to 200 lapsed leases, 200 overdue tasks, 200 keys, 500 tasks that have become due, and passes over at
most 1,000 that cannot be claimed. All finishes of one call together move 100 dependents, a claim 100 of those that are
owed. Questions and purges go in portions of some hundred tasks a script; counts tell 2,000 tasks that are due, and that
no claim has moved yet, from those for later. An ``add`` or ``apply`` is as long as its caller makes it: clients send
1,000 at a time, workers fewer.

Milliseconds of the server's processor, median and most, Redis 7.0 on a busy machine: 100 parents of 100 children each
finish in one call, which claims too, 5.2; a claim lets go 100 of 20,000 children 1.8, 3.1; 100 settled and 100 claimed
2.5, 4.3; 1,000 plain tasks stored 6, 8.5; 1,000 with unique keys 25; one with 5,000 parents 60; 200 purged 2.5, 5;
counts beside 10,000 tasks that have just become due 10; a claim that sees to 200 lapsed leases 6, 17; a task that 9,999
others wait for is given a parent 94 (it is looked for a circle among them).

A full server
-------------
At ``maxmemory`` with ``noeviction`` whatever adds tasks is refused before its first write (``BackendFull``), so is a
settle that brings some, with all that is in the same call: workers send the rest without it. Claims, settles, purges,
beats and waits go through, and may take a little more than the limit: a backlog is worked off, not stuck.

Async
-----
There is no backend on ``redis.asyncio``: ``AsyncClient`` over threads enqueues, one at a time, 0.61 of what
``redis.asyncio`` alone does with the same script and none of the work that makes a call a spec, and 0.86 with 16 at
once (1,017 to 1,674 and 2,200 to 2,590 calls a second, medians of five interleaved rounds on two busy cores, Redis
6.2, CPython 3.11). The server, not the thread, is what is waited for.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

from taskcore.errors import InvalidOption
from taskcore_backends.redis._backend import RedisBackend
from taskcore_backends.redis._urls import unsplit

__all__ = ["RedisBackend", "from_url"]


def from_url(url: str) -> RedisBackend:
    """Return the backend of ``redis://…``, ``rediss://…``, ``unix://…`` or ``valkey://…``, ``?namespace=`` if wanted.

    Other options of the query are redis-py's. Raises ``InvalidOption`` for any other URL, and what ``RedisBackend``
    raises.
    """
    parts = urlsplit(url)
    options = parse_qs(parts.query, keep_blank_values=True)
    namespaces = options.pop("namespace", ["taskcore"])
    if len(namespaces) != 1:
        raise InvalidOption(f"One namespace= is enough, not {len(namespaces)}.")
    query = urlencode([(name, value) for name, values in options.items() for value in values])
    return RedisBackend(unsplit(parts._replace(query=query)), namespace=namespaces[0])
