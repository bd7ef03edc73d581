"""taskcore's own data in versioned envelopes: exact, readable by every later taskcore, refused when it is newer."""

import json
from datetime import datetime, timedelta, timezone

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskcore._codec import DATA_VERSION, dump_data, load_data
from taskcore._data import Schedule, Task, TaskSpec
from taskcore._retry import Retry, exponential
from taskcore.errors import BackendVersionError, NotEncodable, UndecodablePayload
from tests.unit.codec_records import GOLDEN, PLAIN_SPEC, RECORDS, SCHEDULE, SPEC, TASK, at


@pytest.mark.parametrize("name", RECORDS)
def test_record_comes_back(name):
    """A record of each kind, every field set, comes back equal."""
    record = RECORDS[name]
    assert record == load_data(type(record), dump_data(record))


@pytest.mark.parametrize("name", RECORDS)
def test_golden_file_is_read(name):
    """What version 1 wrote is read as what it meant, by every later taskcore."""
    record = RECORDS[name]
    assert record == load_data(type(record), (GOLDEN / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize("name", RECORDS)
def test_golden_file_is_what_is_written(name):
    """The form of version 1 does not change unnoticed: older taskcores of that version have to read it."""
    written = json.loads(dump_data(RECORDS[name]))
    assert json.loads((GOLDEN / f"{name}.json").read_text("utf-8")) == written


def test_each_golden_file_has_its_record():
    """No golden file is left behind untested."""
    assert sorted(RECORDS) == sorted(path.stem for path in GOLDEN.glob("*.json"))


@pytest.mark.parametrize("record", [TASK, SPEC, SCHEDULE], ids=lambda record: type(record).__name__)
def test_golden_records_leave_nothing_at_its_default(record):
    """Every field of the big records takes part in the golden files."""
    written = json.loads(dump_data(record))
    assert {field.name for field in attrs.fields(type(record))} == written.keys() - {"v"}


def test_version_is_one():
    """A new version needs golden files of its own, and a way to read this one."""
    assert (1, 1) == (DATA_VERSION, json.loads(dump_data(PLAIN_SPEC))["v"])


def test_newer_version_is_refused():
    """Data of a newer version is refused with the way out, and not misread."""
    with pytest.raises(
        BackendVersionError, match="A stored Task has version 2, and this taskcore reads up to 1: upgrade"
    ):
        load_data(Task, '{"v":2,"whatever":1}')


@pytest.mark.parametrize("version", ["0", "-1", '"1"', "null", "1.0", "true", "[]"])
def test_impossible_version_is_refused(version):
    """A version that no taskcore has ever written is damage."""
    with pytest.raises(UndecodablePayload, match="impossible version"):
        load_data(Task, f'{{"v":{version}}}')


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "3", "null", "{}", '{"v":1}', '{"v":1,"id":1,"name":2,"enqueued_at":3}', "[" * 100_000],
    ids=range(9),
)
def test_text_that_is_no_record_is_refused(text):
    """Damaged text names the kind of record that was looked for."""
    with pytest.raises(UndecodablePayload, match="is no TaskSpec of taskcore"):
        load_data(TaskSpec, text)


def test_unknown_fields_are_ignored():
    """What a newer taskcore of the same version has added is left out, at every depth."""
    data = json.loads(dump_data(TASK))
    data["colour"] = "red"
    data["spec"]["flavour"] = {"x": 1}
    data["lease"]["new"] = None
    assert TASK == load_data(Task, json.dumps(data))


def test_defaults_are_left_out():
    """A plain task is stored small."""
    assert (
        '{"v":1,"id":"019aa1b2c3d470008f241bb665a4798a","name":"shop.add",'
        '"enqueued_at":"2026-11-20T12:00:01.000000+00:00"}'
    ) == dump_data(PLAIN_SPEC)


def test_moments_are_written_in_utc():
    """Whatever zone a moment has, it is stored in UTC, so that texts sort as moments do."""
    zone = timezone(timedelta(hours=2))
    spec = attrs.evolve(PLAIN_SPEC, enqueued_at=datetime(2026, 1, 1, 1, tzinfo=zone))
    assert "2025-12-31T23:00:00.000000+00:00" == json.loads(dump_data(spec))["enqueued_at"]


def test_naive_moment_is_refused():
    """A naive datetime means no moment, and is never stored."""
    with pytest.raises(NotEncodable, match="naive"):
        dump_data(attrs.evolve(PLAIN_SPEC, run_after=datetime(2026, 1, 1)))


def test_own_trigger_is_refused():
    """A trigger of the user's own class cannot be stored, and is told so."""

    class Never:
        def next_after(self, moment):
            return None

    schedule = Schedule(id="1", name="s", trigger=Never(), spec=PLAIN_SPEC, created_at=at(1), updated_at=at(1))
    with pytest.raises(NotEncodable, match="cannot be stored: use once"):
        dump_data(schedule)


def test_backoff_function_is_refused():
    """A function does not travel."""
    retry = Retry(max_attempts=3, backoff=lambda failures, error: timedelta(seconds=failures))
    with pytest.raises(NotEncodable, match="is a function, which cannot travel"):
        dump_data(attrs.evolve(PLAIN_SPEC, retry=retry))


def test_lone_surrogate_is_refused():
    """Text that UTF-8 cannot hold never reaches a store."""
    with pytest.raises(NotEncodable, match=r"A TaskSpec cannot be written as JSON: .*lone surrogate"):
        dump_data(attrs.evolve(PLAIN_SPEC, label="\ud800"))


def test_curve_comes_back():
    """A backoff curve travels with its task."""
    spec = attrs.evolve(PLAIN_SPEC, retry=Retry(backoff=exponential(timedelta(seconds=3), factor=1.5)))
    assert spec == load_data(TaskSpec, dump_data(spec))


@given(st.timedeltas(min_value=timedelta(0)), st.datetimes(timezones=st.just(timezone.utc)))
def test_times_are_exact(duration, moment):
    """Every duration and moment comes back to the microsecond."""
    spec = attrs.evolve(PLAIN_SPEC, timeout=duration, run_after=moment)
    back = load_data(TaskSpec, dump_data(spec))
    assert (duration, moment) == (back.timeout, back.run_after)
