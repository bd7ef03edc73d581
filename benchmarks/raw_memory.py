"""The raw limit that the memory backend is measured against: the least that a queue in pure Python does.

For each task: make a uuid and a JSON record, push it on a heap, pop it, run it, store the result.
"""

from __future__ import annotations

import heapq
import json
import time
import uuid


def loop(count: int) -> float:
    """Push ``count`` no-op tasks and run them; return tasks a second, a task being pushed and run."""
    started = time.perf_counter()
    heap: list[tuple[int, str]] = []
    records: dict[str, str] = {}
    results: dict[str, str] = {}
    for number in range(count):
        task_id = uuid.uuid4().hex
        records[task_id] = json.dumps({"id": task_id, "name": "noop", "args": [number], "queue": "default"})
        heapq.heappush(heap, (0, task_id))
    while heap:
        _, task_id = heapq.heappop(heap)
        value = json.loads(records.pop(task_id))["args"][0]
        results[task_id] = json.dumps(value)
    return count / (time.perf_counter() - started)
