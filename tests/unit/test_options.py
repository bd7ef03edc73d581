"""Options are refused where they are given, by name, with what is right; and those of a call win."""

from datetime import datetime, timedelta, timezone
from enum import Enum

import attrs
import pytest

from taskcore._call import spec_for
from taskcore._control import Snooze
from taskcore._data import Retention, UniqueKey
from taskcore._definition import task
from taskcore._options import NOT_GIVEN, OptionKeywords, TaskOptions, given, merged
from taskcore._output import Output
from taskcore._retry import Retry, constant
from taskcore._vocabulary import OnConflict, OnParentFailure, UniqueUntil
from taskcore.errors import InvalidOption, NotEncodable, PayloadTooLarge

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


@task(name="t.add")
def add(a: int, b: int = 0) -> int:
    return a + b


def spec(definition=add, *args, **options):
    call = definition.using(**options).bind(*args or (1,))
    return spec_for(call, task_id="id", now=NOW, payload_limit=1000)


class Handle:
    id = "h1"


class Weird(Enum):
    RAISE = "raise"


REFUSED = [
    ("queue_name", "", "a text of 1 to 255 characters"),
    ("queue_name", 3, "a text of 1 to 255"),
    ("queue_name", "x" * 256, "a text of 1 to 255"),
    ("queue_name", "a\n", "printable"),
    ("queue_name", " a", "white space"),
    ("queue_name", "\ud800", "printable"),
    ("priority", 101, "a whole number from -100 to 100, higher first, not 101"),
    ("priority", -101, "from -100 to 100"),
    ("priority", 1.0, "a whole number"),
    ("priority", True, "a whole number"),
    ("run_after", datetime(2026, 1, 1), "a datetime with a zone"),
    ("run_after", 5, "an aware datetime, a timedelta"),
    ("run_after", timedelta(seconds=-1), "of zero or more"),
    ("run_after", datetime.max.replace(tzinfo=timezone(-HOUR)), "within the years 1 to 9999"),
    ("expires_at", datetime(2026, 1, 1), "a datetime with a zone"),
    ("timeout", 5, "a timedelta above zero, up to a hundred years, or None"),
    ("timeout", timedelta.max, "up to a hundred years"),
    ("timeout", timedelta(0), "above zero"),
    ("soft_timeout", -HOUR, "above zero"),
    ("retry", 3, "Retry(max_attempts=…, …), or None"),
    ("max_crashes", -1, "0 (at most once) or more"),
    ("max_crashes", None, "a whole number"),
    ("max_crashes", 2**31, "a whole number"),
    ("unique_key", 3, "a text"),
    ("unique_key", "", "a text"),
    ("unique_key", int, "a text"),
    ("unique_until", "moment", '"started", "finished"'),
    ("unique_until", UniqueUntil.MOMENT, "an aware datetime, or a timedelta"),
    ("unique_until", datetime(2026, 1, 1), "with a zone"),
    ("unique_until", timedelta(0), "above zero"),
    ("on_conflict", "ignore", '"return_existing", "raise", "replace" or "reschedule"'),
    ("on_conflict", Weird.RAISE, '"return_existing"'),
    ("on_parent_failure", "stop", '"cancel" or "run"'),
    ("depends_on", 3, "a handle or an id"),
    ("depends_on", ["a", None], "a handle or an id"),
    ("depends_on", [""], "a handle or an id"),
    ("retention", HOUR, "Retention("),
    ("retention", Retention(successful=-HOUR), "ages are timedeltas from zero to a hundred years"),
    ("retention", Retention(failed=timedelta.max), "to a hundred years"),
    ("retention", Retention(keep_latest=1, keep_per="name"), "KeepPer.NAME or KeepPer.GROUP"),
    ("retention", Retention(keep_latest=-1), "keep_latest is a whole number"),
    ("save", 0, "True or False"),
    ("label", "", "a text"),
    ("metadata", [1], "a dict with texts for keys"),
    ("metadata", {1: 2}, "a dict with texts for keys"),
]


@pytest.mark.parametrize("where", ["task", "using"])
@pytest.mark.parametrize(("name", "value", "right"), REFUSED)
def test_is_refused_at_the_door(where, name, value, right):
    """An option that cannot be is refused where it is given, with its name and what is right."""
    with pytest.raises(InvalidOption) as caught:
        task(**{name: value}) if where == "task" else add.using(**{name: value})
    message = str(caught.value)
    assert (True, True) == (message.startswith(f"The option {name} must be "), right in message), message


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("prioritty", r"\.using\(…\) has no option 'prioritty': did you mean 'priority'\?"),
        ("queue", "did you mean 'queue_name'"),
        ("eta", r"\.using\(…\) has no option 'eta': known are queue_name, priority, .*metadata"),
    ],
)
def test_unknown_option_is_refused_by_name(name, answer):
    """An unknown option names the nearest one, or all."""
    with pytest.raises(InvalidOption, match=answer):
        add.using(**{name: 1})


def test_argument_given_as_an_option():
    """What is an argument of the task is told where it belongs."""
    with pytest.raises(InvalidOption, match=r"'b' is an argument of task 't\.add': pass it to enqueue\(\) or bind\(\)"):
        add.using(b=3)  # type: ignore[call-arg]


def test_unknown_option_of_task():
    """So it is for ``@task``."""
    with pytest.raises(InvalidOption, match=r"@task\(…\) has no option 'retries': did you mean 'retry'"):
        task(retries=3)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"timeout": HOUR, "soft_timeout": HOUR}, "is not below timeout"),
        ({"run_after": HOUR, "expires_at": HOUR}, "could never start"),
    ],
)
def test_options_that_cannot_be_together(options, why):
    """Each is right by itself; together they mean nothing."""
    with pytest.raises(InvalidOption, match=why):
        task(**options)
    (first, second) = ({name: value} for name, value in options.items())
    with pytest.raises(InvalidOption, match=why):
        task(name="t.x", **first)(lambda: None).using(**second)


def test_no_option_given():
    """Without options a spec has the defaults of TaskSpec."""
    made = spec()
    assert ("default", 0, 1, 3, None, None, None, (), None, None) == (
        made.queue_name,
        made.priority,
        made.max_attempts,
        made.max_crashes,
        made.run_after,
        made.retry,
        made.unique,
        made.parents,
        made.retention,
        made.metadata_json,
    )


def test_options_of_the_call_win():
    """Options of ``using`` are laid over those of ``@task``, option by option, the last one on top."""
    definition = task(name="t.x", priority=1, queue_name="mail", label="a")(lambda: None)
    made = spec_for(
        definition.using(priority=2, label=None).using(priority=3).bind(), task_id="id", now=NOW, payload_limit=99
    )
    assert (3, "mail", None) == (made.priority, made.queue_name, made.label)


def test_using_leaves_the_definition_alone():
    """``using`` returns another definition of the same function."""
    other = add.using(priority=3)
    assert (NOT_GIVEN, 3, add.function, "t.add") == (
        add.options.priority,
        other.options.priority,
        other.function,
        other.name,
    )


def test_relative_times_count_from_now():
    """A timedelta counts from the moment of enqueueing, a datetime is taken as it is, in UTC."""
    made = spec(run_after=HOUR, expires_at=2 * HOUR, unique_key="k", unique_until=3 * HOUR)
    assert (NOW + HOUR, NOW + 2 * HOUR) == (made.run_after, made.expires_at)
    assert UniqueKey(key="k", until=UniqueUntil.MOMENT, moment=NOW + 3 * HOUR) == made.unique
    elsewhere = datetime(2026, 1, 2, 5, tzinfo=timezone(HOUR))
    assert (elsewhere, timezone.utc) == ((made := spec(run_after=elsewhere)).run_after, made.run_after.tzinfo)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"expires_at": timedelta(0)}, "is not after now"),
        ({"expires_at": NOW}, "is not after now"),
        ({"run_after": NOW + 2 * HOUR, "expires_at": HOUR}, "is not after run_after"),
        ({"run_after": timedelta.max}, "past the year 9999"),
    ],
)
def test_times_that_cannot_be_are_refused_at_enqueue(options, why):
    """What depends on the moment is refused when it is known."""
    with pytest.raises(InvalidOption, match=f"Task 't.add': .*{why}"):
        spec(**options)


def test_unique_key_of_a_call():
    """A key with its scope and its answer to a conflict becomes a UniqueKey."""
    made = spec(unique_key="inv-8", unique_until="started", on_conflict="replace")
    assert UniqueKey(key="inv-8", until=UniqueUntil.STARTED, on_conflict=OnConflict.REPLACE) == made.unique


def test_unique_key_from_the_arguments():
    """A function given as the key is called with the arguments of each call."""
    definition = task(name="t.x", unique_key=lambda a, b=0: f"{a}-{b}")(add.function)
    assert "1-0" == spec(definition, 1).unique.key
    assert "1-5" == spec(definition, 1, 5).unique.key


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda a: 1 / 0, "the function given as unique_key raised ZeroDivisionError"),
        (lambda a: 5, "unique_key must be a text"),
        (lambda a: "", "unique_key must be a text"),
        (lambda: "", "raised TypeError"),
    ],
)
def test_unique_key_function_that_fails(function, why):
    """Its error is that of enqueueing, and nothing is stored."""
    with pytest.raises(InvalidOption, match=why):
        spec(unique_key=function)


def test_parents_of_options_and_arguments():
    """Parents are those of ``depends_on`` and the outputs among the arguments, once each."""
    made = spec(add, Output("p1"), Output("h1"), depends_on=[Handle(), "p0"], on_parent_failure="run")
    assert (("h1", "p0", "p1"), OnParentFailure.RUN) == (made.parents, made.on_parent_failure)
    assert ("h1",) == spec(depends_on=Handle()).parents
    assert ("p0",) == spec(depends_on="p0").parents


def test_retry_of_the_definition_stays_there():
    """Only a retry of the call itself travels; the number of attempts always does."""
    retry = Retry(max_attempts=5)
    definition = task(name="t.x", retry=retry, timeout=HOUR)(add.function)
    made = spec(definition)
    assert (5, None, None) == (made.max_attempts, made.retry, made.timeout)
    made = spec(definition, retry=Retry(max_attempts=2), timeout=2 * HOUR)
    assert (2, Retry(max_attempts=2), 2 * HOUR) == (made.max_attempts, made.retry, made.timeout)


def test_retry_without_a_limit():
    """``max_attempts=None`` travels as no limit; without a retry there is one run."""
    assert [None, 1] == [spec(retry=retry).max_attempts for retry in (Retry(max_attempts=None), None)]
    assert None is spec(task(name="t.x", retry=Retry(max_attempts=None))(add.function)).max_attempts


def test_retry_can_be_taken_back():
    """``retry=None`` makes the first exception final."""
    definition = task(name="t.x", retry=Retry(max_attempts=5))(add.function)
    assert (1, Retry(max_attempts=1)) == ((made := spec(definition, retry=None)).max_attempts, made.retry)


def test_backoff_function_belongs_to_the_definition():
    """A backoff that is a function cannot travel with a call."""
    retry = Retry(backoff=lambda failures, error: HOUR)
    assert "t.x" == task(name="t.x", retry=retry)(add.function).name
    with pytest.raises(InvalidOption, match=r"a function cannot travel: put it into @task"):
        add.using(retry=retry)
    assert Retry(backoff=constant(HOUR)) == spec(retry=Retry(backoff=constant(HOUR))).retry


@pytest.mark.parametrize("name", ["timeout", "soft_timeout"])
def test_timeout_cannot_be_taken_back(name):
    """Workers read it from the definition: a call may change it, not remove it."""
    definition = add.using(**{name: HOUR})
    with pytest.raises(InvalidOption, match=f"cannot take back the {name} of task 't.add'"):
        definition.using(**{name: None})
    assert getattr(spec(**{name: None}), name) is None


def test_save_false_is_a_retention():
    """``save=False`` keeps no successful task; what is said of the others stays."""
    assert Retention(successful=timedelta(0)) == spec(save=False).retention
    made = spec(retention=Retention(successful=HOUR, failed=HOUR), save=False)
    assert Retention(successful=timedelta(0), failed=HOUR) == made.retention
    assert spec(save=True).retention is None


def test_keep_latest_belongs_to_the_definition():
    """A number of tasks to keep counts all tasks of a name: a call cannot have one of its own."""
    latest = Retention(successful=HOUR, keep_latest=3)
    assert latest == spec(task(name="t.latest", retention=latest)(add.function)).retention
    with pytest.raises(InvalidOption, match=r"keep_latest=3, which counts all tasks of a name.* @task\(retention=…\)"):
        add.using(retention=latest)


def test_metadata_is_json():
    """Metadata travels as a JSON object, is refused when it is none, and is held to the limit of payloads."""
    assert '{"tenant":"ö"}' == spec(metadata={"tenant": "ö"}).metadata_json
    with pytest.raises(NotEncodable, match=r"Task 't\.add': the metadata cannot travel: at \['at'\]"):
        add.using(metadata={"at": NOW})
    with pytest.raises(PayloadTooLarge, match=r"Task 't\.add': the metadata: 1,0\d\d bytes"):
        spec(metadata={"x": "y" * 1000})


def test_metadata_is_taken_when_given():
    """A dict that changes afterwards does not change the option."""
    metadata = {"a": 1}
    definition = add.using(metadata=metadata)
    metadata["a"] = 2
    assert '{"a":1}' == spec(definition).metadata_json


def test_group_of_a_spec():
    """A member knows its group and its place."""
    made = spec_for(add.bind(1), task_id="id", now=NOW, payload_limit=99, group_id="g", group_index=4)
    assert ("g", 4) == (made.group_id, made.group_index)


def test_keywords_are_those_of_the_options():
    """What type checkers allow is what is allowed."""
    assert OptionKeywords.__annotations__.keys() == {field.name for field in attrs.fields(TaskOptions)}


def test_merged_keeps_what_is_not_given():
    """Merging takes each option from above, else from below."""
    below = TaskOptions.of({"priority": 1, "label": "a"}, "below")
    above = TaskOptions.of({"priority": 2}, "above")
    assert {"priority": 2, "label": "a"} == given(merged(below, above))


@pytest.mark.parametrize(("delay", "limit"), [(5, None), (-HOUR, None), (HOUR, 0), (HOUR, 1.5), (HOUR, True)])
def test_snooze_is_checked(delay, limit):
    """A Snooze that means nothing is refused where it is made."""
    with pytest.raises(InvalidOption, match="Snooze"):
        Snooze(delay, limit=limit)
