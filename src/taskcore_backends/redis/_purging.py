"""``purge``: candidates are read in portions, and each portion is looked at again and deleted by one short script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any, TypeAlias

from taskcore.protocol import EMPTY_GROUPS_KEPT, KeepPer, PurgeRequest
from taskcore_backends.redis._finding import in_portions
from taskcore_backends.redis._layout import state_codes
from taskcore_backends.redis._link import Link
from taskcore_backends.redis._packing import micros, optional_micros, pack, span

__all__ = ["purge"]

_PORTION = 200

_Place: TypeAlias = tuple[float, bytes]
"""Where a member stands in a ZSET: its score, then itself."""

_END: _Place = (float("inf"), b"")


def purge(link: Link, request: PurgeRequest) -> int:
    """Answer ``Backend.purge``."""
    count = 0
    for ids in _candidates(link, request):
        rest: Sequence[str] = ids
        while rest and count < request.limit:
            deleted, looked_at = link.write("purge", _filters(request, request.limit - count), *rest[:_PORTION])
            count += deleted
            rest = rest[max(1, looked_at) :]
        if count >= request.limit:
            break
    if request.takes_empty_groups:
        _purge_empty_groups(link, request.limit)
    link.read("tidy")
    return count


def _purge_empty_groups(link: Link, limit: int) -> None:
    passed_over = 0
    while limit > 0:
        portion = min(limit, _PORTION)
        deleted, kept = link.write("purge_groups", span(EMPTY_GROUPS_KEPT), portion, passed_over)
        limit -= deleted
        passed_over += kept
        if deleted + kept < portion:
            return


def _filters(request: PurgeRequest, limit: int) -> bytes:
    return pack(
        [
            state_codes(request.states),
            request.is_due,
            optional_micros(request.finished_before),
            request.queue_name,
            request.name,
            request.group_id,
            limit,
        ]
    )


def _candidates(link: Link, request: PurgeRequest) -> Iterator[Sequence[str]]:
    """Yield ids of tasks that may match, oldest first where they come from an index."""
    if request.keep_latest is not None:
        older = _older_ones(link, request, request.keep_latest)
        wanted = set(request.ids)
        return ([one for one in ids if not wanted or one in wanted] for ids in older)
    if request.ids:
        return in_portions(list(dict.fromkeys(request.ids)), _PORTION)
    if request.group_id is not None:
        return _members(link, request.group_id)
    if request.is_due:
        return _oldest(link, "purge", (micros(link.now()) + 1, b""))
    before = _END if request.finished_before is None else (micros(request.finished_before), b"")
    return (ids for name in _names(link, request) for ids in _oldest(link, f"f:{name}", before))


def _names(link: Link, request: PurgeRequest) -> Iterator[str]:
    if request.name is not None:
        yield request.name
        return
    for names in _by_text(link, "names"):
        yield from names


def _members(link: Link, group_id: str) -> Iterator[Sequence[str]]:
    return _by_text(link, f"g:{group_id}")


def _by_text(link: Link, key: str) -> Iterator[Sequence[str]]:
    last = b""
    while True:
        found = link.read("candidates", "text", key, _PORTION, last)
        if found:
            yield [member.decode() for member in found]
        if len(found) < _PORTION:
            return
        last = found[-1]


def _oldest(link: Link, key: str, before: _Place) -> Iterator[Sequence[str]]:
    """Yield the members of a ZSET that stand before a place, by score."""
    for portion in _by_score(link, key, "oldest"):
        inside = [member.decode() for _score, member in takewhile(lambda place: place < before, portion)]
        if inside:
            yield inside
        if len(inside) < len(portion):
            return


def _by_score(link: Link, key: str, order: str) -> Iterator[Sequence[_Place]]:
    last, score = b"", b""
    while True:
        found = link.read("candidates", order, key, _PORTION, last, score)
        if found:
            yield [(float(score), member) for member, score in zip(found[::2], found[1::2], strict=True)]
        if len(found) < 2 * _PORTION:
            return
        last, score = found[-2:]


# The latest n


def _older_ones(link: Link, request: PurgeRequest, keep: int) -> Iterator[Sequence[str]]:
    """Yield those that finished before the newest ``keep`` of their name, or group, that match the other filters."""
    if request.group_id is None and request.keep_per is KeepPer.NAME:
        for name in _names(link, request):
            yield from _oldest(link, f"f:{name}", _first_kept(link, request, f"f:{name}", keep))
        return
    for pool in _groups(link, request):
        ranked: dict[bytes, list[tuple[int, str]]] = {}
        for ids in pool:
            for task_id, kind in _kinds(link, request, ids):
                ranked_by = kind[4] if request.keep_per is KeepPer.GROUP else kind[3]
                if ranked_by is not None:
                    ranked.setdefault(ranked_by, []).append((kind[1], task_id))
        for entries in ranked.values():
            entries.sort()
            yield [task_id for _at, task_id in entries[: max(0, len(entries) - keep)]]


def _first_kept(link: Link, request: PurgeRequest, key: str, keep: int) -> _Place:
    """Return the place of the oldest of the newest ``keep`` that match; one before all when they are not so many."""
    if keep == 0:
        return _END
    for portion in _by_score(link, key, "newest"):
        places = {member.decode(): (score, member) for score, member in portion}
        for task_id, _kind in _kinds(link, request, list(places)):
            keep -= 1
            if keep == 0:
                return places[task_id]
    return (float("-inf"), b"")


def _groups(link: Link, request: PurgeRequest) -> Iterator[Iterator[Sequence[str]]]:
    """Yield the members of each group that is asked for."""
    if request.group_id is not None:
        yield _members(link, request.group_id)
        return
    for group_ids in _by_text(link, "gids"):
        for group_id in group_ids:
            yield _members(link, group_id)


def _kinds(link: Link, request: PurgeRequest, ids: Sequence[str]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield those that match, each with what ranks it."""
    codes = frozenset(state_codes(request.states))
    for task_id, kind in zip(ids, link.read("kinds", *ids), strict=True):
        if kind is not None and _is_of_kind(kind, request, codes):
            yield task_id, kind


def _is_of_kind(kind: Sequence[Any], request: PurgeRequest, codes: frozenset[int]) -> bool:
    code, _changed_at, queue, name, group_id = kind
    return (
        code in codes
        and (request.queue_name is None or queue.decode() == request.queue_name)
        and (request.name is None or name.decode() == request.name)
        and (request.group_id is None or (group_id is not None and group_id.decode() == request.group_id))
    )
