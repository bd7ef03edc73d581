"""Changes and requests to what the scripts are given, and what they answer to verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskcore.protocol import (
    Applied,
    CancelLevel,
    Change,
    ClaimRequest,
    Event,
    Verdict,
)
from taskcore.records import dump_data
from taskcore_backends.redis._layout import EVENTS, REASONS, STATES, VERDICTS
from taskcore_backends.redis._packing import Packable, micros, optional_micros, pack, span
from taskcore_backends.redis._records import spec_values
from taskcore_backends.redis._words import why

__all__ = ["applied_of", "item_place", "pack_change", "pack_claim"]

_VERDICT_OF = {number: verdict for verdict, number in VERDICTS.items()}

_OF_HOLDERS = frozenset({Event.SUCCEED, Event.HEARTBEAT})
"""Nearly all there is, and nothing else of them matters."""


def pack_claim(request: ClaimRequest) -> bytes:
    """Return a request to claim packed."""
    return pack(
        [
            request.worker_id,
            request.nonce,
            request.queue_names,
            request.limit,
            span(request.lease),
            request.allow_suspects,
        ]
    )


def pack_change(change: Change) -> bytes:
    """Return a change packed; what it does not bring is left out at the end."""
    fence = change.fence
    if fence is not None and change.event in _OF_HOLDERS and not change.items and not change.tasks:
        return pack(
            [
                change.task_id,
                EVENTS[change.event],
                fence.epoch,
                fence.nonce,
                change.value_json,
                None if change.started_at is None else micros(change.started_at),
                None if change.progress is None else dump_data(change.progress),
                None if change.extend is None else span(change.extend),
            ]
        )
    values: list[Packable] = [
        change.task_id,
        EVENTS[change.event],
        None if fence is None else fence.epoch,
        None if fence is None else fence.nonce,
        change.value_json,
        None if change.started_at is None else micros(change.started_at),
        None if change.progress is None else dump_data(change.progress),
        None if change.extend is None else span(change.extend),
        None if change.failure is None else dump_data(change.failure),
        None if change.delay is None else span(change.delay),
        optional_micros(change.run_after),
        change.version,
        None if change.level is None else change.level.value,
        None if change.reason is None else REASONS[change.reason],
        None if change.spec is None else spec_values(change.spec),
        [item_place(item.epoch, item.sequence) + dump_data(item) for item in change.items] or None,
        [spec_values(spec) for spec in change.tasks] or None,
    ]
    while values[-1] is None:
        values.pop()
    return pack(values)


def item_place(epoch: int, sequence: int) -> str:
    """Return what an item begins with in the ZSET of its task, so that the order of texts is that of items."""
    return f"{epoch:016d}{sequence:016d}"


def applied_of(change: Change, answer: int | Sequence[Any]) -> Applied:
    """Return what a script answered to a change."""
    if isinstance(answer, int):
        return Applied(change.task_id, Verdict.APPLIED, STATES[answer & 7], answer >> 3)
    verdict, code, version, level, word = answer
    if code is None:
        return Applied(change.task_id, Verdict.MISSING)
    state = STATES[code]
    return Applied(
        change.task_id,
        _VERDICT_OF[verdict],
        state,
        version,
        None if level is None else CancelLevel(level),
        "" if word is None else why(word.decode(), change.event, state),
    )
