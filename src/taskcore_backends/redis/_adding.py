"""``add``: specs that ask for nothing unusual go the short way, all others the whole one."""

from __future__ import annotations

from collections.abc import Sequence

from taskcore.protocol import Added, AddVerdict, Group, TaskSpec
from taskcore.records import is_plain
from taskcore_backends.redis._layout import ADD_VERDICTS, FIELDS
from taskcore_backends.redis._link import Link
from taskcore_backends.redis._packing import Packable, micros, pack, pack_parts
from taskcore_backends.redis._records import pack_spec
from taskcore_backends.redis._words import refusal

__all__ = ["add"]

_BULK = 2000
"""Longer arguments stand apart from the record."""

_VERDICT_OF = {number: verdict for verdict, number in ADD_VERDICTS.items()}

_BEFORE_NAME = pack_parts([0] * (FIELDS.index("NAME") - FIELDS.index("FAILURES")))
_AFTER_ARGUMENTS = pack_parts([None] * (len(FIELDS) - FIELDS.index("OPTIONS")))


def add(link: Link, specs: Sequence[TaskSpec], group: Group | None) -> list[Added]:
    """Answer ``Backend.add`` for checked specs."""
    if group is None and specs and all(map(_is_lean, specs)):
        return _add_plain(link, specs)
    packed = b"" if group is None else pack([group.id, group.name, micros(group.created_at), group.total])
    answers = link.write("add", packed, "1", *map(pack_spec, specs))
    if answers and answers[0] == b"!":
        raise refusal(answers[1], answers[2:])
    return [Added(_VERDICT_OF[verdict], task_id.decode()) for verdict, task_id in answers]


def _is_lean(spec: TaskSpec) -> bool:
    arguments = spec.arguments_json
    return is_plain(spec) and len(arguments) <= _BULK and (arguments.isascii() or len(arguments.encode()) <= _BULK)


def _add_plain(link: Link, specs: Sequence[TaskSpec]) -> list[Added]:
    """Add specs that the short script takes: it is given records that are all but ready."""
    shapes: dict[tuple[str, int, bool], int] = {}
    heads: dict[tuple[object, ...], tuple[int, bytes]] = {}
    command: list[str | bytes | float] = []
    at, moment = b"", None
    for spec in specs:
        kind = (spec.name, spec.queue_name, spec.priority, spec.max_attempts, spec.max_crashes)
        found = heads.get(kind)
        if found is None:
            shape = (spec.queue_name, spec.priority, spec.max_crashes == 0)
            number = shapes.setdefault(shape, len(shapes) + 1)
            found = heads[kind] = (number, _BEFORE_NAME + pack_parts([*kind, None, None]))
        if spec.enqueued_at is not moment:  # many were mostly made at one moment
            moment = spec.enqueued_at
            at = pack_parts([micros(moment)])
        rest = b"".join((found[1], at, pack_parts([spec.arguments_json]), _AFTER_ARGUMENTS))
        command += (spec.id, found[0], rest)
    packed: list[Packable] = [list(shape) for shape in shapes]
    answers = link.write("add_plain", pack(packed), *command)
    if not answers:
        return [Added(AddVerdict.ADDED, spec.id) for spec in specs]
    return [
        Added(AddVerdict.ADDED if is_new else AddVerdict.ALREADY, spec.id)
        for spec, is_new in zip(specs, answers, strict=True)
    ]
