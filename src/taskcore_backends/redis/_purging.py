"""``purge``: candidates are read in portions, and each portion is looked at again and deleted by one short script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from taskcore.protocol import KeepPer, PurgeRequest
from taskcore_backends.redis._finding import in_portions
from taskcore_backends.redis._layout import state_codes
from taskcore_backends.redis._link import Link
from taskcore_backends.redis._packing import micros, optional_micros, pack

__all__ = ["purge"]

_PORTION = 200

_END = "+inf"


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
    return count


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
        return _by_score(link, "purge", str(micros(link.now())))
    return _finished(link, request)


def _finished(link: Link, request: PurgeRequest) -> Iterator[Sequence[str]]:
    before = _END if request.finished_before is None else f"({micros(request.finished_before)}"
    for name in _names(link, request):
        yield from _by_score(link, f"f:{name}", before)


def _names(link: Link, request: PurgeRequest) -> Iterator[str]:
    if request.name is not None:
        yield request.name
        return
    for names in _by_text(link, "names"):
        yield from names


def _members(link: Link, group_id: str) -> Iterator[Sequence[str]]:
    return _by_text(link, f"g:{group_id}")


def _by_text(link: Link, key: str) -> Iterator[Sequence[str]]:
    start = "-"
    while True:
        found = [member.decode() for member in link.read("candidates", "lex", key, start, _PORTION, 0)]
        if found:
            yield found
        if len(found) < _PORTION:
            return
        start = f"({found[-1]}"


def _by_score(link: Link, key: str, most: str) -> Iterator[Sequence[str]]:
    """Yield the members up to a score. What was deleted meanwhile is not passed over: it is not there any more."""
    seen: set[str] = set()
    passed = 0
    while True:
        entries = link.read("candidates", "score", key, most, _PORTION, passed)
        ids = [member.decode() for member in entries[::2]]
        fresh = [one for one in ids if one not in seen]
        if fresh:
            yield fresh
            seen.update(fresh)
        if len(ids) < _PORTION:
            return
        kept = {member.decode() for member in link.read("candidates", "score", key, most, _PORTION, passed)[::2]}
        passed += sum(one in kept for one in ids)


# The latest n


def _older_ones(link: Link, request: PurgeRequest, keep: int) -> Iterator[Sequence[str]]:
    """Yield those that finished before the newest ``keep`` of their name, or group, that match the other filters."""
    codes = frozenset(state_codes(request.states))
    for pool in _pools(link, request):
        ranked: dict[bytes, list[tuple[int, str]]] = {}
        for ids in pool:
            kinds = link.read("kinds", *ids)
            for task_id, kind in zip(ids, kinds, strict=True):
                if kind is None or not _is_of_kind(kind, request, codes):
                    continue
                ranked_by = kind[4] if request.keep_per is KeepPer.GROUP else kind[3]
                if ranked_by is not None:
                    ranked.setdefault(ranked_by, []).append((kind[1], task_id))
        for entries in ranked.values():
            entries.sort()
            yield [task_id for _at, task_id in entries[: max(0, len(entries) - keep)]]


def _pools(link: Link, request: PurgeRequest) -> Iterator[Iterator[Sequence[str]]]:
    """Yield tasks in pools that hold whole names, or groups."""
    if request.group_id is not None:
        yield _members(link, request.group_id)
    elif request.keep_per is KeepPer.GROUP:
        for group_ids in _by_text(link, "gids"):
            for group_id in group_ids:
                yield _members(link, group_id)
    else:
        for name in _names(link, request):
            yield _by_score(link, f"f:{name}", _END)


def _is_of_kind(kind: Sequence[Any], request: PurgeRequest, codes: frozenset[int]) -> bool:
    code, _changed_at, queue, name, group_id = kind
    return (
        code in codes
        and (request.queue_name is None or queue.decode() == request.queue_name)
        and (request.name is None or name.decode() == request.name)
        and (request.group_id is None or (group_id is not None and group_id.decode() == request.group_id))
    )
