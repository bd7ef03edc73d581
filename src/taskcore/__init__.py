"""taskcore: task-queue primitives. Tasks, an explicit state machine, interchangeable stores with one semantics.

This module holds the public names and imports none of them before it is used, so that a program pays only for what it
takes: asyncio for ``AsyncClient``, croniter for ``cron``. Type checkers see plain imports.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskcore._aclient import (
        AsyncClient,
        AsyncGroupHandle,
        AsyncHandle,
    )
    from taskcore._call import (
        Call,
    )
    from taskcore._client import (
        BulkCount,
        Client,
        Explanation,
        Filters,
        GroupHandle,
        Handle,
        Hindrance,
        PurgeFilters,
        Reason,
        ScheduleOptions,
        Waited,
        backend_from_url,
    )
    from taskcore._context import (
        Context,
        current_context,
    )
    from taskcore._control import (
        Abort,
        CancelRequested,
        Snooze,
        SoftTimeout,
    )
    from taskcore._definition import (
        TaskDefinition,
        task,
    )
    from taskcore._output import (
        Output,
    )
    from taskcore._retry import (
        Curve,
        Retry,
        constant,
        exponential,
        linear,
    )
    from taskcore._scheduler import (
        Scheduler,
    )
    from taskcore._triggers import (
        bimonthly,
        biweekly,
        cron,
        daily,
        every,
        hourly,
        monthly,
        once,
        quarterly,
        weekly,
        yearly,
    )
    from taskcore._version import (
        __version__,
    )
    from taskcore._worker import (
        ExecutorKind,
        TaskOutcome,
        Worker,
        WorkerExit,
    )
    from taskcore.errors import (
        BackendClosed,
        BackendCorrupt,
        BackendError,
        BackendFull,
        BackendReadOnly,
        BackendUnavailable,
        BackendVersionError,
        EnqueueFailed,
        InvalidArguments,
        InvalidDefinition,
        InvalidInput,
        InvalidOption,
        InvalidSchedule,
        LeaseLost,
        MissingParent,
        NotEncodable,
        PayloadTooLarge,
        RefusedChange,
        ResultTimeout,
        ScheduleConflict,
        TaskCancelled,
        TaskcoreError,
        TaskFailed,
        TaskNotFound,
        UndecodablePayload,
        UniqueConflict,
        UnsupportedCapability,
        WorkerBroken,
    )
    from taskcore.protocol import (
        Attempt,
        Backend,
        CancelLevel,
        CancelReason,
        Capability,
        CatchUp,
        Clock,
        Event,
        Failure,
        Group,
        Item,
        ItemKind,
        KeepPer,
        Lease,
        OnConflict,
        OnParentFailure,
        Order,
        Overlap,
        Page,
        Phase,
        Progress,
        Query,
        QueueStats,
        Result,
        Retention,
        Schedule,
        State,
        Stats,
        SystemClock,
        Task,
        TaskSpec,
        Trigger,
        UniqueKey,
        UniqueUntil,
        Verdict,
        WorkerInfo,
        WorkerState,
        phase,
    )

__all__ = [
    "Abort",
    "AsyncClient",
    "AsyncGroupHandle",
    "AsyncHandle",
    "Attempt",
    "Backend",
    "BackendClosed",
    "BackendCorrupt",
    "BackendError",
    "BackendFull",
    "BackendReadOnly",
    "BackendUnavailable",
    "BackendVersionError",
    "BulkCount",
    "Call",
    "CancelLevel",
    "CancelReason",
    "CancelRequested",
    "Capability",
    "CatchUp",
    "Client",
    "Clock",
    "Context",
    "Curve",
    "EnqueueFailed",
    "Event",
    "ExecutorKind",
    "Explanation",
    "Failure",
    "Filters",
    "Group",
    "GroupHandle",
    "Handle",
    "Hindrance",
    "InvalidArguments",
    "InvalidDefinition",
    "InvalidInput",
    "InvalidOption",
    "InvalidSchedule",
    "Item",
    "ItemKind",
    "KeepPer",
    "Lease",
    "LeaseLost",
    "MissingParent",
    "NotEncodable",
    "OnConflict",
    "OnParentFailure",
    "Order",
    "Output",
    "Overlap",
    "Page",
    "PayloadTooLarge",
    "Phase",
    "Progress",
    "PurgeFilters",
    "Query",
    "QueueStats",
    "Reason",
    "RefusedChange",
    "Result",
    "ResultTimeout",
    "Retention",
    "Retry",
    "Schedule",
    "ScheduleConflict",
    "ScheduleOptions",
    "Scheduler",
    "Snooze",
    "SoftTimeout",
    "State",
    "Stats",
    "SystemClock",
    "Task",
    "TaskCancelled",
    "TaskDefinition",
    "TaskFailed",
    "TaskNotFound",
    "TaskOutcome",
    "TaskSpec",
    "TaskcoreError",
    "Trigger",
    "UndecodablePayload",
    "UniqueConflict",
    "UniqueKey",
    "UniqueUntil",
    "UnsupportedCapability",
    "Verdict",
    "Waited",
    "Worker",
    "WorkerBroken",
    "WorkerExit",
    "WorkerInfo",
    "WorkerState",
    "__version__",
    "backend_from_url",
    "bimonthly",
    "biweekly",
    "constant",
    "cron",
    "current_context",
    "daily",
    "every",
    "exponential",
    "hourly",
    "linear",
    "monthly",
    "once",
    "phase",
    "quarterly",
    "task",
    "weekly",
    "yearly",
]

_NAMES = {
    "_aclient": "AsyncClient AsyncGroupHandle AsyncHandle",
    "_call": "Call",
    "_client": (
        "BulkCount Client Explanation Filters GroupHandle Handle Hindrance PurgeFilters Reason "
        "ScheduleOptions Waited backend_from_url"
    ),
    "_context": "Context current_context",
    "_control": "Abort CancelRequested Snooze SoftTimeout",
    "_definition": "TaskDefinition task",
    "_output": "Output",
    "_retry": "Curve Retry constant exponential linear",
    "_scheduler": "Scheduler",
    "_triggers": "bimonthly biweekly cron daily every hourly monthly once quarterly weekly yearly",
    "_version": "__version__",
    "_worker": "ExecutorKind TaskOutcome Worker WorkerExit",
    "errors": (
        "BackendClosed BackendCorrupt BackendError BackendFull BackendReadOnly BackendUnavailable "
        "BackendVersionError EnqueueFailed InvalidArguments InvalidDefinition InvalidInput InvalidOption "
        "InvalidSchedule LeaseLost MissingParent NotEncodable PayloadTooLarge RefusedChange ResultTimeout "
        "ScheduleConflict TaskCancelled TaskFailed TaskNotFound TaskcoreError UndecodablePayload "
        "UniqueConflict UnsupportedCapability WorkerBroken"
    ),
    "protocol": (
        "Attempt Backend CancelLevel CancelReason Capability CatchUp Clock Event Failure Group Item ItemKind "
        "KeepPer Lease OnConflict OnParentFailure Order Overlap Page Phase Progress Query QueueStats Result "
        "Retention Schedule State Stats SystemClock Task TaskSpec Trigger UniqueKey UniqueUntil Verdict WorkerInfo "
        "WorkerState phase"
    ),
}
"""Which names come from which module."""

_MODULES = ("clock", "errors", "protocol", "records", "testing")
"""Public modules that need not be imported by name."""

if not TYPE_CHECKING:  # a type checker would believe that any name is there

    def __getattr__(name: str) -> object:
        """Import the module that a public name comes from, when the name is asked for the first time."""
        for module, names in _NAMES.items():
            if name in names.split():
                value = getattr(import_module(f"taskcore.{module}"), name)
                globals()[name] = value
                return value
        if name in _MODULES:
            return import_module(f"taskcore.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
