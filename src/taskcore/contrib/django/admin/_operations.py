"""What an operator can do to tasks, schedules and workers: as data, and each done by the client of the storage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import attrs
from django.contrib.admin import action
from django.utils.translation import gettext_lazy

from taskcore._client import Client
from taskcore.contrib.django.admin._looks import now
from taskcore.errors import InvalidInput, RefusedChange, ScheduleConflict, TaskNotFound
from taskcore.protocol import CancelLevel, CancelReason, Change, Event, Schedule, ScheduleQuery, Verdict
from taskcore.records.columns import BLOCKED, CANCELLED, FAILED, RUNNING

__all__ = [
    "SCHEDULE_OPERATIONS",
    "TASK_OPERATIONS",
    "WORKER_OPERATIONS",
    "Operation",
    "Work",
    "next_level",
]


@attrs.frozen(kw_only=True)
class Work:
    """What became of some things: the ids of those that were changed, and of those that were not, with the reason."""

    done: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()


@attrs.frozen(kw_only=True, eq=False)
class Operation:
    """One thing that an operator can do."""

    name: str
    label: Any
    """On a button."""
    action_label: Any
    """In the list of actions, with ``%(verbose_name_plural)s``."""
    permission: str
    """``has_<permission>_permission`` of the admin class is asked."""
    run: Callable[[Client, Sequence[str]], Work]
    fits: Callable[[Any], bool]
    """Whether a row has the button. The storage has the last word."""
    logged: str
    """What the log says, for who reads the log later."""
    question: Any = None
    """Asked before it is done; ``None``: it is done at once."""
    style: str = ""
    """``danger`` makes the button red."""
    is_deletion: bool = False
    is_in_list: bool = True
    """Whether it is an action of the list, besides a button."""

    def action(self) -> Callable[..., Any]:
        """Return it as an action of Django's."""

        def run(model_admin: Any, request: Any, queryset: Any) -> Any:
            return model_admin.operate(request, queryset, self)

        run.__name__ = self.name
        made: Callable[..., Any] = action(run, permissions=[self.permission], description=self.action_label)
        return made


# Tasks


def _change(client: Client, changes: Iterable[Change]) -> Work:
    """Make changes in one call; each is compared with what is there."""
    asked = list(changes)
    applied = client.backend.apply(asked).applied if asked else ()
    done = tuple(one.task_id for one in applied if one.verdict is Verdict.APPLIED)
    refused = tuple(
        (one.task_id, one.why or (one.state.value if one.state else one.verdict.value))
        for one in applied
        if one.verdict is not Verdict.APPLIED
    )
    return Work(done=done, refused=refused)


def cancel(client: Client, ids: Sequence[str], level: CancelLevel) -> Work:
    """Cancel what waits, and ask what runs to stop."""
    reason = CancelReason.USER
    return _change(client, [Change(task_id=one, event=Event.CANCEL, level=level, reason=reason) for one in ids])


def next_level(level: CancelLevel | None) -> CancelLevel:
    """Return how hard to ask when this much has been asked already: ask, terminate, kill."""
    return CancelLevel.ASK if level is None else CancelLevel(min(level.value + 1, CancelLevel.KILL.value))


def stop(client: Client, ids: Sequence[str]) -> Work:
    """Ask each task to stop one step harder than before."""
    changes = [
        Change(task_id=task.id, event=Event.CANCEL, level=next_level(task.cancel_level), reason=CancelReason.USER)
        for task in client.backend.get(list(ids))
        if task is not None
    ]
    return _change(client, changes)


def requeue(client: Client, ids: Sequence[str]) -> Work:
    """Have failed and cancelled tasks run again."""
    return _change(client, [Change(task_id=one, event=Event.REQUEUE) for one in ids])


def _one_by_one(ids: Sequence[str], change: Callable[[str], object]) -> Work:
    done: list[str] = []
    refused: list[tuple[str, str]] = []
    for one in ids:
        try:
            is_done = change(one)
        except (TaskNotFound, RefusedChange, ScheduleConflict, InvalidInput) as error:
            refused.append((one, str(error)))
        else:
            if is_done is False:
                refused.append((one, str(gettext_lazy("it is not there any more"))))
            else:
                done.append(one)
    return Work(done=tuple(done), refused=tuple(refused))


def duplicate(client: Client, ids: Sequence[str]) -> Work:
    """Enqueue new tasks that do the same."""
    return _one_by_one(ids, client.duplicate)


def purge(client: Client, ids: Sequence[str]) -> Work:
    """Delete finished tasks with what belongs to them."""
    wanted = list(ids)
    client.purge(ids=wanted)
    left = {task.id for task in client.backend.get(wanted) if task is not None}
    why = str(gettext_lazy("only finished tasks that no unfinished one waits for can be deleted"))
    return Work(
        done=tuple(one for one in wanted if one not in left),
        refused=tuple((one, why) for one in wanted if one in left),
    )


def is_finished(row: Any) -> bool:
    """Whether the task of a row has finished."""
    return bool(row.code > RUNNING)


TASK_OPERATIONS = (
    Operation(
        name="requeue",
        label=gettext_lazy("Requeue"),
        action_label=gettext_lazy("Requeue selected %(verbose_name_plural)s"),
        permission="requeue",
        run=requeue,
        fits=lambda row: row.code in (FAILED, CANCELLED),
        logged="Requeued.",
    ),
    Operation(
        name="duplicate",
        label=gettext_lazy("Duplicate"),
        action_label=gettext_lazy("Duplicate selected %(verbose_name_plural)s"),
        permission="duplicate",
        run=duplicate,
        fits=lambda _row: False,  # the page of a task leads to a form instead
        logged="Duplicated.",
    ),
    Operation(
        name="cancel",
        label=gettext_lazy("Cancel"),
        action_label=gettext_lazy("Cancel selected %(verbose_name_plural)s"),
        permission="cancel",
        run=partial(cancel, level=CancelLevel.ASK),
        fits=lambda row: row.code <= BLOCKED,
        logged="Cancelled.",
        question=gettext_lazy("Tasks that wait will be cancelled; tasks that run will be asked to stop."),
        style="danger",
    ),
    Operation(
        name="stop",
        label=gettext_lazy("Stop"),
        action_label=gettext_lazy("Stop selected %(verbose_name_plural)s"),
        permission="stop",
        run=stop,
        fits=lambda row: row.code == RUNNING,
        logged="Asked to stop.",
        question=gettext_lazy(
            "A running task is first asked to stop; when it has been asked before it is terminated, and then killed, "
            "where its worker runs tasks in processes of their own."
        ),
        style="danger",
        is_in_list=False,
    ),
    Operation(
        name="terminate",
        label=gettext_lazy("Terminate"),
        action_label=gettext_lazy("Terminate selected %(verbose_name_plural)s"),
        permission="stop",
        run=partial(cancel, level=CancelLevel.TERMINATE),
        fits=lambda _row: False,
        logged="Terminated.",
        question=gettext_lazy("The processes that run them will be terminated, where workers have processes."),
        style="danger",
    ),
    Operation(
        name="kill",
        label=gettext_lazy("Kill"),
        action_label=gettext_lazy("Kill selected %(verbose_name_plural)s"),
        permission="stop",
        run=partial(cancel, level=CancelLevel.KILL),
        fits=lambda _row: False,
        logged="Killed.",
        question=gettext_lazy("The processes that run them will be killed, where workers have processes."),
        style="danger",
    ),
    Operation(
        name="delete_selected",
        label=gettext_lazy("Delete"),
        action_label=gettext_lazy("Delete selected %(verbose_name_plural)s"),
        permission="delete",
        run=purge,
        fits=lambda _row: False,  # the page of a task has Django's own button
        logged="Deleted.",
        question=gettext_lazy("Finished tasks will be deleted with their results; the others stay."),
        style="danger",
        is_deletion=True,
    ),
)


# Schedules


def _named(client: Client, ids: Sequence[str]) -> dict[str, Schedule]:
    page = client.backend.schedules(ScheduleQuery(ids=tuple(ids), limit=max(1, len(ids))))
    return {schedule.id: schedule for schedule in page.items}


def _by_name(change: Callable[[Client, str], object]) -> Callable[[Client, Sequence[str]], Work]:
    """Return what does something to schedules by id; a client knows them by name."""

    def run(client: Client, ids: Sequence[str]) -> Work:
        named = _named(client, ids)

        def one(schedule_id: str) -> object:
            return schedule_id in named and change(client, named[schedule_id].name)

        return _one_by_one(ids, one)

    return run


SCHEDULE_OPERATIONS = (
    Operation(
        name="run_now",
        label=gettext_lazy("Run now"),
        action_label=gettext_lazy("Run selected %(verbose_name_plural)s now"),
        permission="run",
        run=_by_name(lambda client, name: client.run_now(name)),
        fits=lambda _row: True,
        logged="Run at once.",
    ),
    Operation(
        name="enable",
        label=gettext_lazy("Enable"),
        action_label=gettext_lazy("Enable selected %(verbose_name_plural)s"),
        permission="enable",
        run=_by_name(lambda client, name: client.enable_schedule(name)),
        fits=lambda row: not row.enabled,
        logged="Enabled.",
    ),
    Operation(
        name="disable",
        label=gettext_lazy("Disable"),
        action_label=gettext_lazy("Disable selected %(verbose_name_plural)s"),
        permission="enable",
        run=_by_name(lambda client, name: client.disable_schedule(name)),
        fits=lambda row: bool(row.enabled),
        logged="Disabled.",
    ),
    Operation(
        name="delete_selected",
        label=gettext_lazy("Delete"),
        action_label=gettext_lazy("Delete selected %(verbose_name_plural)s"),
        permission="delete",
        run=_by_name(lambda client, name: client.delete_schedule(name)),
        fits=lambda _row: False,
        logged="Deleted.",
        question=gettext_lazy("The schedules will be deleted; tasks that they have enqueued stay."),
        style="danger",
        is_deletion=True,
    ),
)


# Workers


def _is_online(row: Any) -> bool:
    return bool(row.expires_at > now() and row.state != "stopped")


WORKER_OPERATIONS = (
    Operation(
        name="stop",
        label=gettext_lazy("Shut down"),
        action_label=gettext_lazy("Shut down selected %(verbose_name_plural)s"),
        permission="control",
        run=lambda client, ids: _one_by_one(ids, client.stop_worker),
        fits=_is_online,
        logged="Asked to shut down.",
        question=gettext_lazy("The workers will finish or give back what they run, and end."),
        style="danger",
    ),
    Operation(
        name="pause",
        label=gettext_lazy("Pause"),
        action_label=gettext_lazy("Pause selected %(verbose_name_plural)s"),
        permission="control",
        run=lambda client, ids: _one_by_one(ids, client.pause_worker),
        fits=lambda row: _is_online(row) and row.state == "running",
        logged="Paused.",
    ),
    Operation(
        name="resume",
        label=gettext_lazy("Resume"),
        action_label=gettext_lazy("Resume selected %(verbose_name_plural)s"),
        permission="control",
        run=lambda client, ids: _one_by_one(ids, client.resume_worker),
        fits=lambda row: _is_online(row) and row.state == "paused",
        logged="Resumed.",
    ),
)
