"""The lifecycle page says what the transition table says."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from taskcore.protocol import TRANSITIONS, Event, State

SCRIPT = Path(__file__).parents[2] / "docs" / "generate_lifecycle.py"

pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="the script is in the source tree")


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_lifecycle", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_current(generator):
    """What is committed is what the script would write."""
    assert 0 == generator.main(["--check"])


def test_every_row_is_on_the_page(generator):
    """Each transition has a line of its own."""
    assert len(TRANSITIONS) == sum(line.startswith("| `") for line in generator.page().splitlines())


def test_every_event_has_an_actor(generator):
    """Each event is explained once."""
    assert sorted(event.value for event in Event) == sorted(
        event.value for events in generator.ACTORS.values() for event in events
    )


def test_every_state_has_a_place(generator):
    """Each state is in the diagram."""
    assert set(State) == set(generator.PLACES)


@pytest.mark.parametrize("name", ["lifecycle.md", "lifecycle.svg"])
def test_check_notices_a_change(generator, tmp_path, name, capsys):
    """A page that was edited by hand, or not written again, is told by name."""
    assert 0 == generator.main([], tmp_path)
    path = tmp_path / name
    path.write_text(path.read_text(encoding="utf-8").replace("RETRY", "REPEAT"), encoding="utf-8")
    assert (1, True) == (generator.main(["--check"], tmp_path), name in capsys.readouterr().err)


def test_check_notices_a_missing_page(generator, tmp_path):
    """Nothing written yet is not current."""
    assert 1 == generator.main(["--check"], tmp_path)
