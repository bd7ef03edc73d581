"""What a third party has to do for a backend of its own: an engine of about 100 lines, and this test."""

import ast
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from taskcore.testing import conformance
from taskcore.testing.stateful import state_machine
from taskcore_backends.memory import MemoryBackend
from tests.conformance.third_party import key_value_backend

SOURCE = Path(__file__).with_name("third_party.py")


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.name)
def test_third_party_backend_conforms(check, tmp_path):
    """Every check of the kit passes, those of durability and of other processes too."""
    check(lambda clock: key_value_backend(tmp_path / "queue", clock=clock))


def test_third_party_backend_is_short():
    """The whole module, its comments included, is about 100 lines of code."""
    lines = [line for line in SOURCE.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(lines) <= 110


def test_third_party_backend_needs_no_internals():
    """It imports what a backend's author may, and nothing else of taskcore."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    used = {module for module in modules if module is not None and module.startswith("taskcore")}
    assert {"taskcore.errors", "taskcore.protocol", "taskcore.records"} == used


def test_third_party_backend_is_as_memory(tmp_path_factory):
    """The state machine finds no difference to the memory backend."""
    folder = tmp_path_factory.mktemp("stores")
    case = state_machine(
        lambda clock: key_value_backend(folder / f"{len(list(folder.iterdir()))}.kv", clock=clock),
        lambda clock: MemoryBackend(clock=clock),
    )
    case.settings = settings(max_examples=10, stateful_step_count=30, suppress_health_check=list(HealthCheck))
    case("runTest").debug()
