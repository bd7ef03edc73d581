"""The state machine finds no difference between backends, and finds bugs that are planted."""

import tempfile
import unittest
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from taskcore.testing.conformance import CheckFailed
from taskcore.testing.stateful import state_machine
from taskcore_backends.memory import MemoryBackend
from taskcore_backends.sqlite import SQLiteBackend
from tests.conformance import planted_steps, planted_stores

HEALTH = list(HealthCheck)
# Bugs in the code that both backends share here: only what was seen from outside can tell.
SHARED = (
    planted_steps.unfenced_settle,
    planted_steps.version_stands_still,
    planted_steps.running_task_cancelled_at_once,
    planted_stores.key_never_held,
    planted_stores.first_parent_lets_go,
    planted_stores.claims_not_counted_for_groups,
    planted_stores.finished_parents_are_waited_for,
)
# Bugs of the one on trial: the reference answers otherwise.
OWN = (
    planted_stores.nonce_remembered_too_long,
    planted_stores.fire_without_compare,
    planted_stores.keys_without_case,
    planted_stores.group_counts_from_the_caller,
    planted_steps.items_of_stale_changes,
    planted_steps.followers_without_a_settle,
    planted_steps.repeated_add_resets,
)


def make_memory(clock):
    return MemoryBackend(clock=clock)


class Files:
    """Makes SQLite backends, each in a folder of its own, and deletes the folders in the end."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.count = 0

    def __call__(self, clock):
        self.count += 1
        return SQLiteBackend(Path(self.folder.name) / f"{self.count}.db", clock=clock)


def run(case: type[unittest.TestCase], **options) -> unittest.TestResult:
    case.settings = settings(deadline=None, suppress_health_check=HEALTH, database=None, **options)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def problems(result: unittest.TestResult) -> list[str]:
    return [text for _case, text in (*result.failures, *result.errors)]


def test_history_holds_for_the_memory_backend():
    """What must hold of any store holds of the memory backend."""
    case = state_machine(make_memory, make_memory)
    assert [] == problems(run(case, max_examples=60, stateful_step_count=40))


@pytest.mark.integration
def test_sqlite_is_as_memory():
    """SQLite answers as the memory backend does, step by step."""
    files = Files()
    result = run(state_machine(files, make_memory), max_examples=40, stateful_step_count=40)
    files.folder.cleanup()
    assert [] == problems(result)


@pytest.mark.nightly
@pytest.mark.integration
@pytest.mark.timeout(3600)
def test_sqlite_is_as_memory_for_a_long_time():
    """As above, with long histories and many of them: about half a second each."""
    files = Files()
    result = run(state_machine(files, make_memory), max_examples=500, stateful_step_count=80)
    files.folder.cleanup()
    assert [] == problems(result)


# Without shrinking: that a bug is found is the fact, not how briefly it can be told.
FAST = {"max_examples": 400, "stateful_step_count": 40, "phases": [Phase.generate], "derandomize": True}


@pytest.mark.parametrize("bug", SHARED, ids=lambda bug: bug.name)
def test_history_finds_a_bug_that_both_share(bug, monkeypatch):
    """The second opinion needs no reference."""
    broken = bug.make_backend(monkeypatch)
    assert any(CheckFailed.__name__ in text for text in problems(run(state_machine(broken, broken), **FAST)))


@pytest.mark.parametrize("bug", OWN, ids=lambda bug: bug.name)
def test_comparison_finds_a_bug(bug, monkeypatch):
    """The reference answers otherwise than the one on trial."""
    broken = bug.make_backend(monkeypatch)
    assert any(CheckFailed.__name__ in text for text in problems(run(state_machine(broken, make_memory), **FAST)))
