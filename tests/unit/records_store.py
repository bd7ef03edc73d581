"""A memory backend with a clock that stands still, and short words for what tests do with it."""

from datetime import timedelta

from taskcore.protocol import (
    AddVerdict,
    Change,
    ClaimRequest,
    Event,
    Group,
    TaskSpec,
    Verdict,
)
from taskcore.testing import FakeClock
from taskcore_backends.memory import MemoryBackend

SECOND = timedelta(seconds=1)
LEASE = timedelta(seconds=30)


class Store:
    """A memory backend, its clock, and short words."""

    def __init__(self):
        self.clock = FakeClock()
        self.backend = MemoryBackend(clock=self.clock)
        self.count = 0

    def spec(self, **options):
        self.count += 1
        return TaskSpec(**{"id": f"{self.count:032x}", "name": "t", "enqueued_at": self.clock.now(), **options})

    def add(self, **options):
        spec = self.spec(**options)
        assert [AddVerdict.ADDED] == [one.verdict for one in self.backend.add([spec])]
        return spec.id

    def group(self, size, **options):
        group = Group(id=f"group{self.count}", name="g", created_at=self.clock.now(), total=size)
        specs = [self.spec(group_id=group.id, group_index=index, **options) for index in range(size)]
        self.backend.add(specs, group=group)
        return group.id, [spec.id for spec in specs]

    def request(self, limit=1, queue_names=("default",), **options):
        self.count += 1
        return ClaimRequest(
            **{
                "worker_id": "w",
                "nonce": f"n{self.count}",
                "queue_names": queue_names,
                "limit": limit,
                "lease": LEASE,
                **options,
            }
        )

    def claim(self, limit=1, **options):
        return self.backend.claim(self.request(limit, **options))

    def apply(self, event, task, **options):
        if not isinstance(task, str):
            options.setdefault("fence", task.fence)
            task = task.id
        return self.backend.apply([Change(task_id=task, event=event, **options)]).applied[0]

    def finish(self, task_id, event=Event.SUCCEED):
        (task,) = [one for one in self.claim(1000) if one.id == task_id]
        assert Verdict.APPLIED is self.apply(event, task).verdict

    def states(self, *ids):
        return [task and task.state for task in self.backend.get(ids)]

    def count_of(self, state):
        queues = self.backend.stats().queues
        return sum(queue.counts.get(state, 0) for queue in queues)
