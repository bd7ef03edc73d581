"""What stands where in a namespace, compared with what the backend says of its tasks."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import attrs
import redis

from taskcore.protocol import Group, GroupQuery, Query, State, Task
from taskcore_backends.redis import RedisBackend

WAITING = (State.BLOCKED, State.READY)


@attrs.frozen
class Inspection:
    """A look at all keys of a namespace."""

    client: redis.Redis
    namespace: str
    backend: RedisBackend
    now: datetime

    def members(self, key: str) -> list[str]:
        return [member.decode() for member in self.client.zrange(self.key(key), 0, -1)]

    def listed(self, key: str) -> list[str]:
        return [member.decode() for member in self.client.lrange(self.key(key), 0, -1)]

    def key(self, name: str) -> str:
        return f"{{{self.namespace}}}:{name}"

    def keys(self, prefix: str) -> list[str]:
        start = self.key(prefix)
        return sorted(key.decode()[len(self.key("")) :] for key in self.client.scan_iter(f"{start}*", count=1000))

    def tasks(self) -> list[Task]:
        found, cursor = [], None
        while True:
            page = self.backend.find(Query(limit=500, cursor=cursor))
            found += page.items
            cursor = page.cursor
            if cursor is None:
                return found

    def groups(self) -> list[Group]:
        found, cursor = [], None
        while True:
            page = self.backend.groups(GroupQuery(limit=500, cursor=cursor))
            found += page.items
            cursor = page.cursor
            if cursor is None:
                return found

    def check(self) -> None:
        tasks = self.tasks()
        ids = sorted(task.id for task in tasks)
        assert ids == sorted(field.decode() for field in self.client.hkeys(self.key("tasks")))
        buckets = [self.listed(key) for key in self.keys("i:")]
        assert sorted(map(sorted, buckets)) == buckets
        assert ids == sorted([*self.listed("recent"), *(member for bucket in buckets for member in bucket)])
        self.check_places(tasks)
        self.check_counts(tasks)
        self.check_rest(tasks)

    def check_places(self, tasks: list[Task]) -> None:
        """Every task stands in exactly one ZSET by its state."""
        places = {task.id: self.place(task) for task in tasks}
        found: dict[str, str] = {}
        for key in ("later", "blocked", "leases", *self.keys("r:"), *self.keys("u:"), *self.keys("f:")):
            for member in self.members(key):
                assert member not in found, (member, key, found[member])
                found[member] = key
        late = {task.id for task in tasks if task.state is State.READY and task.run_after <= self.now}
        assert {task_id: key for task_id, key in places.items() if task_id not in late} == {
            task_id: key for task_id, key in found.items() if task_id not in late
        }
        for task_id in late:  # one that has just become due may not have been moved yet
            assert found[task_id] in (places[task_id], "later")
        expiring = {task.id for task in tasks if task.state in WAITING and task.spec.expires_at is not None}
        assert expiring == set(self.members("expiry"))
        assert {task.id for task in tasks if task.state is State.FAILED} == set(self.members("s:5"))
        assert {task.id for task in tasks if task.state is State.CANCELLED} == set(self.members("s:6"))
        assert {task.id for task in tasks if task.purge_at is not None} == set(self.members("purge"))
        assert {task.name for task in tasks if task.state.is_finished} <= set(self.members("names"))

    def place(self, task: Task) -> str:
        if task.state is State.READY:
            if task.run_after > self.now:
                return "later"
            return f"{'u' if task.is_suspect else 'r'}:{task.queue_name}"
        if task.state is State.BLOCKED:
            return "blocked"
        return "leases" if task.state is State.RUNNING else f"f:{task.name}"

    def check_counts(self, tasks: list[Task]) -> None:
        counts = {(queue.name, state): n for queue in self.backend.stats().queues for state, n in queue.counts.items()}
        assert Counter((task.queue_name, task.state) for task in tasks) == counts

    def check_rest(self, tasks: list[Task]) -> None:
        """What belongs to tasks belongs to tasks that are there."""
        ids = {task.id for task in tasks}
        assert {key.removeprefix("x:") for key in self.keys("x:")} <= ids
        bulky = {task.id for task in tasks if len(task.spec.arguments_json) > 2000}
        assert bulky == {field.decode() for field in self.client.hkeys(self.key("args"))}
        tried = {task.id for task in tasks if task.attempts}
        assert tried == {field.decode() for field in self.client.hkeys(self.key("attempts"))}
        empty = {
            group.id for group in self.groups() if not group.counts and (group.total is not None or not group.purged)
        }
        assert empty == set(self.members("empty"))
        for prefix in ("d0:", "d1:", "d2:", "g:", "l:", "y:"):
            for key in self.keys(prefix):
                assert set(self.members(key)) <= ids, key
        by_parent: dict[str, set[str]] = {}
        for key in self.keys("d2:"):
            by_parent[key.removeprefix("d2:")] = set(self.members(key))
        waits = {child for children in by_parent.values() for child in children}
        assert waits == {task.id for task in tasks if task.state is State.BLOCKED}
