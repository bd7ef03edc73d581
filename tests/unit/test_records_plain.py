"""Records: which specs may go the short way into a store."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import attrs
import pytest

from taskcore.protocol import OnParentFailure, Retention, Retry, TaskSpec, UniqueKey
from taskcore.records import is_plain

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
PLAIN = {
    "id": "1" * 32,
    "name": "mail",
    "enqueued_at": NOW,
    "queue_name": "slow",
    "priority": 7,
    "arguments_json": '{"a": [1]}',
    "max_attempts": 5,
    "max_crashes": 0,
}
UNUSUAL = {
    "run_after": NOW,
    "expires_at": NOW,
    "timeout": timedelta(1),
    "soft_timeout": timedelta(1),
    "retry": Retry(),
    "unique": UniqueKey(key="k"),
    "parents": ("2" * 32,),
    "on_parent_failure": OnParentFailure.RUN,
    "group_id": "3" * 32,
    "schedule_id": "4" * 32,
    "slot": NOW,
    "retention": Retention(),
    "label": "the first",
    "metadata_json": "{}",
}


def test_what_every_task_has_is_plain() -> None:
    """Name, queue, priority, arguments and numbers of tries are kept by the short way."""
    assert is_plain(TaskSpec(**PLAIN))


@pytest.mark.parametrize("field", UNUSUAL)
def test_whatever_else_is_asked_for_is_not(field: str) -> None:
    """The short way has no place for it."""
    assert not is_plain(TaskSpec(**PLAIN, **{field: UNUSUAL[field]}))


def test_every_field_is_of_one_kind() -> None:
    """A field that comes to a spec has to be put into one of the two; a place in a group comes with the group."""
    assert {field.name for field in attrs.fields(TaskSpec)} == PLAIN.keys() | UNUSUAL.keys() | {"group_index"}
