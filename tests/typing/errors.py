"""The tree of exceptions: each stands where ``except`` finds it, and takes what it has to tell."""

from __future__ import annotations

from taskcore import (
    BackendClosed,
    BackendCorrupt,
    BackendError,
    BackendFull,
    BackendReadOnly,
    BackendUnavailable,
    BackendVersionError,
    EnqueueFailed,
    Failure,
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


def inputs() -> None:
    _right: list[InvalidInput] = [
        InvalidArguments("x"),
        InvalidDefinition("x"),
        InvalidOption("x"),
        InvalidSchedule("x"),
        NotEncodable("x"),
        PayloadTooLarge("x"),
        MissingParent("x", parent_ids=["p"]),
    ]
    _values: list[ValueError] = [InvalidInput("x")]
    _types: list[TypeError] = [InvalidArguments("x")]
    MissingParent("x")  # type: ignore[call-arg]
    _first: InvalidArguments = InvalidInput("x")  # type: ignore[assignment]
    _second: InvalidDefinition = InvalidInput("x")  # type: ignore[assignment]
    _third: InvalidOption = InvalidInput("x")  # type: ignore[assignment]
    _fourth: InvalidSchedule = InvalidInput("x")  # type: ignore[assignment]
    _fifth: NotEncodable = InvalidInput("x")  # type: ignore[assignment]
    _sixth: PayloadTooLarge = InvalidInput("x")  # type: ignore[assignment]
    _seventh: InvalidInput = TaskcoreError("x")  # type: ignore[assignment]


def stores() -> None:
    _right: list[BackendError] = [
        BackendClosed("x"),
        BackendCorrupt("x"),
        BackendReadOnly("x"),
        BackendVersionError("x"),
        UnsupportedCapability("x"),
    ]
    _later: list[BackendUnavailable] = [BackendFull("x")]
    _first: BackendClosed = BackendError("x")  # type: ignore[assignment]
    _second: BackendCorrupt = BackendError("x")  # type: ignore[assignment]
    _third: BackendReadOnly = BackendError("x")  # type: ignore[assignment]
    _fourth: BackendVersionError = BackendError("x")  # type: ignore[assignment]
    _fifth: UnsupportedCapability = BackendError("x")  # type: ignore[assignment]
    _sixth: BackendFull = BackendUnavailable("x")  # type: ignore[assignment]
    _seventh: BackendUnavailable = BackendError("x")  # type: ignore[assignment]
    _eighth: BackendError = TaskcoreError("x")  # type: ignore[assignment]


def outcomes(failure: Failure) -> None:
    _right: list[TaskcoreError] = [
        TaskFailed("x", task_id="t", failure=failure),
        TaskCancelled("x", task_id="t", reason="user"),
        ResultTimeout("x"),
        TaskNotFound("x", task_id="t"),
        UniqueConflict("x", unique_key="k", task_id="t"),
        EnqueueFailed("x", accepted=["t"]),
        RefusedChange("x", task_id="t"),
        ScheduleConflict("x"),
        LeaseLost("x"),
        UndecodablePayload("x"),
        WorkerBroken("x"),
    ]
    _timeouts: list[TimeoutError] = [ResultTimeout("x")]
    _lookups: list[LookupError] = [TaskNotFound("x", task_id="t")]
    TaskFailed("x")  # type: ignore[call-arg]
    TaskCancelled("x", task_id="t")  # type: ignore[call-arg]
    TaskNotFound("x")  # type: ignore[call-arg]
    UniqueConflict("x", task_id="t")  # type: ignore[call-arg]
    EnqueueFailed("x")  # type: ignore[call-arg]
    RefusedChange("x")  # type: ignore[call-arg]
    _first: ResultTimeout = TimeoutError("x")  # type: ignore[assignment]
    _second: ScheduleConflict = TaskcoreError("x")  # type: ignore[assignment]
    _third: LeaseLost = TaskcoreError("x")  # type: ignore[assignment]
    _fourth: UndecodablePayload = TaskcoreError("x")  # type: ignore[assignment]
    _fifth: TaskcoreError = ValueError("x")  # type: ignore[assignment]
    _sixth: WorkerBroken = TaskcoreError("x")  # type: ignore[assignment]
