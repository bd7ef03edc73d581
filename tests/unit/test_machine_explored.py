"""The machine, explored: every rule holds of every step in small bounds, and no slip in the table goes unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import attrs
import pytest

from taskcore import _machine
from taskcore.protocol import TRANSITIONS, Change, Event, Refused, State, Task, Transition, Verdict, step
from tests.unit.machine_explorer import changes, reachable
from tests.unit.machine_rules import broken, is_held

States = list[tuple[Task, datetime]]

# Mutants that no rule can tell from the table, and why.
_CLEARED = "a task that is READY never has a wanted cancel: the claim clears what is not there"
_ORDERED = "the row before takes every change for which this guard does not hold"
_FRESH = "a task that is BLOCKED has never run since it was added, replaced or requeued: nothing is there to clear"
EQUIVALENT = {
    "CLAIM READY -> RUNNING: drop effect CLEAR_CANCEL": _CLEARED,
    "RELEASE RUNNING -> CANCELLED: drop guard CANCEL_WANTED": _ORDERED,
    "REPLACE BLOCKED -> BLOCKED: drop guard PARENTS_UNFINISHED": _ORDERED,
    "REPLACE READY -> BLOCKED: drop guard PARENTS_UNFINISHED": _ORDERED,
    "REQUEUE FAILED -> BLOCKED: drop guard PARENTS_UNFINISHED": _ORDERED,
    "REQUEUE CANCELLED -> BLOCKED: drop guard PARENTS_UNFINISHED": _ORDERED,
    "REPLACE BLOCKED -> READY: drop effect START_OVER": _FRESH,
    "REPLACE BLOCKED -> BLOCKED: drop effect START_OVER": _FRESH,
}


@pytest.fixture(scope="module")
def states() -> States:
    return list(reachable())


@pytest.mark.timeout(600)
def test_every_rule_holds_everywhere(states):
    """No step from any state that can be reached breaks a rule."""
    verdicts = [
        (name, change.event, task.state)
        for task, now in states
        for change in changes(task, now)
        if (name := broken(task, change, now, step(task, change, now))) is not None
    ]
    assert [] == verdicts


@pytest.mark.parity("DCR-17")
def test_exploration_reaches_every_state(states):
    """Each state is seen, finished ones and running ones with a wanted cancel too."""
    seen = {(task.state, task.cancel_level is not None) for task, _now in states}
    assert {*((state, False) for state in State), (State.RUNNING, True)} == seen


def test_exploration_takes_every_row(states, monkeypatch):
    """Each row of the table moves some task, so each row is judged."""
    taken = set()
    for index, row in enumerate(TRANSITIONS):
        use_table(monkeypatch, (row,))
        if any(isinstance(step(*asked), Task) for asked in asks(states, row)):
            taken.add(index)
    assert set(range(len(TRANSITIONS))) == taken


def test_every_event_is_tried_in_every_state(states):
    """What has no row is asked for as well."""
    ones = {task.state: (task, now) for task, now in states}
    tried = {(change.event, task.state) for task, now in ones.values() for change in changes(task, now)}
    assert {(event, state) for event in Event for state in State} == tried


def asks(states: States, row: Transition) -> Iterator[tuple[Task, Change, datetime]]:
    for task, now in states:
        if task.state is row.source:
            for change in changes(task, now):
                if change.event is row.event:
                    yield task, change, now


def use_table(monkeypatch: pytest.MonkeyPatch, table: tuple[Transition, ...]) -> None:
    monkeypatch.setattr(_machine, "_COMPILED", {event: {} for event in Event} | _machine._compile(table))


def mutants() -> Iterator[tuple[str, Transition, tuple[Transition, ...]]]:
    """Yield tables with one slip each: a row, guard or effect left out, a target or the order of two rows changed."""
    for index, row in enumerate(TRANSITIONS):
        name = f"{row.event.value} {row.source.value} -> {row.target.value}"
        before, after = TRANSITIONS[:index], TRANSITIONS[index + 1 :]
        yield f"{name}: drop the row", row, (*before, *after)
        for guard in row.guards:
            kept = tuple(other for other in row.guards if other is not guard)
            yield f"{name}: drop guard {guard.name}", row, (*before, attrs.evolve(row, guards=kept), *after)
        for effect in row.effects:
            left = tuple(other for other in row.effects if other is not effect)
            yield f"{name}: drop effect {effect.name}", row, (*before, attrs.evolve(row, effects=left), *after)
        for target in State:
            if target is not row.target:
                yield f"{name}: go to {target.value}", row, (*before, attrs.evolve(row, target=target), *after)


def is_killed(states: States, row: Transition) -> bool:
    """Tell whether a rule is broken by some step of the row's event, or the interpreter stumbles over the slip."""
    for task, change, now in asks(states, row):
        try:
            outcome = step(task, change, now)
        except AssertionError:
            return True
        if broken(task, change, now, outcome) is not None:
            return True
    return False


def test_no_slip_in_the_table_survives(states, monkeypatch):
    """Each mutant of the table breaks a rule, except those that are the same machine."""
    survivors = []
    for name, row, table in mutants():
        use_table(monkeypatch, table)
        if not is_killed(states, row):
            survivors.append(name)
    assert sorted(EQUIVALENT) == sorted(survivors)


def test_repeat_of_a_settle_is_already(states):
    """What ended a run with a fence, asked again at once, is answered ALREADY and changes nothing."""
    verdicts = set()
    for task, now in states:
        if task.state is State.RUNNING:
            for change in changes(task, now):
                after = step(task, change, now)
                if is_held(task, change) and isinstance(after, Task) and after.lease is None:
                    again = step(after, change, now)
                    verdicts.add((change.event, again.verdict if isinstance(again, Refused) else None))
    stays = {Event.START, Event.HEARTBEAT}
    ends = {row.event for row in TRANSITIONS if row.source is State.RUNNING} - stays - {Event.CANCEL}
    assert {(event, Verdict.ALREADY) for event in ends} == verdicts
