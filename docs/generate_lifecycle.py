"""Write `lifecycle.md` and `lifecycle.svg` from the transition table; with `--check` tell whether they are current.

`python docs/generate_lifecycle.py` after each change of `taskcore/_transitions.py`; a test runs the check.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from pathlib import Path

from taskcore.protocol import TRANSITIONS, Event, Phase, State, Transition, Verdict

HERE = Path(__file__).parent

# Who brings an event about, and what it is for: what the table itself does not say.
ACTORS: dict[str, dict[Event, str]] = {
    "The holder": {
        Event.START: "the run begins; written only for tasks that a lost worker must not be blamed for, or run twice",
        Event.HEARTBEAT: "it is still at work: a longer lease, progress, items",
        Event.SUCCEED: "the run returned; wins over a cancel that is wanted",
        Event.FAIL: "the run raised, and is not to be tried again",
        Event.RETRY: "the run raised, and is to be tried again; costs a try",
        Event.RELEASE: "given back without costing a try: a snooze, a shutdown, an unknown name",
        Event.ABORT: "the run obeyed a cancel, or was found overdue before it began",
    },
    "The store": {
        Event.CLAIM: "a worker takes it",
        Event.RECLAIM: "its worker was lost, which is forgiven (the holder may report the death of its own child so)",
        Event.ABANDON: "its worker was lost once too often: the quarantine of poison tasks",
        Event.LET_GO: "its worker was lost while a cancel was wanted",
        Event.EXPIRE: "its time is over before it began",
        Event.UNBLOCK: "what it waited for has finished",
    },
    "The operator": {
        Event.CANCEL: "a waiting task ends at once; a running one is only told",
        Event.RESCHEDULE: "another moment, priority or queue",
        Event.AMEND: "other arguments or metadata",
        Event.REPLACE: "another call in its place: the id stays, and what depends on it",
        Event.REQUEUE: "once more, from the beginning",
    },
}

STATES = {
    State.BLOCKED: "waits for other tasks, or a group, to finish",
    State.READY: "may be claimed once its moment has come and its queue is not paused",
    State.RUNNING: "one worker holds it, until its lease is over",
    State.SUCCESSFUL: "it returned; the value is kept",
    State.FAILED: "it raised too often, or lost its worker too often",
    State.CANCELLED: "it was given up; the reason says why",
}

PHASES = {
    Phase.SCHEDULED: "READY, and not due yet",
    Phase.RETRYING: "READY, not due yet, and had an exception or lost its worker before",
    Phase.CANCELLING: "RUNNING, and a cancel is wanted",
    Phase.LAPSED: "RUNNING, and its lease is over: whoever claims next acts on it",
}

VERDICTS = {
    Verdict.APPLIED: "the change was made",
    Verdict.ALREADY: "this very fence had settled it just so before: the reply was lost, all is well",
    Verdict.STALE: "the fence is no longer the holder's: nothing was changed",
    Verdict.MISSING: "there is no such task",
    Verdict.REFUSED: "no row for this event and state, or one of its guards does not hold: nothing was changed",
}

PAGE = """\
<!-- Written by generate_lifecycle.py from the transition table: change the table, or the script, and run it. -->

# Lifecycle

A task is in one of six stored states, and only the rows of one table move it from one to another. The table is
`taskcore.protocol.TRANSITIONS`; `step` is the only function that reads it, and every store is held to it by the
conformance checks. This page is generated from the table.

![The six states and the events that lead from one to another](lifecycle.svg)

## The states

{states}

`FAILED` and `CANCELLED` are left only when an operator requeues the task; `SUCCESSFUL` is never left.

Finer words are views of a task at a moment, never stored: `phase(task, now)` gives the state's own word or one of
these.

{phases}

## The fence

A claim raises `epoch` and stores the nonce of the claim in the lease; the two together are the *fence*. Every event of
the holder shows it, and is made only if it is the fence of the present holder; time plays no part in that. A lease that
is over only lets others act: then, and only then, the store itself may end a run. Whatever leaves `RUNNING` is held or
lapsed, and drops the lease, so a worker that comes back from the dead changes nothing.

## The verdicts

Each change is answered by itself:

{verdicts}

## The table

Of several rows with the same event and state, the first whose guards all hold is taken. Every row raises `version` by
one. What is not here does not happen.
{tables}"""


def bullets(meanings: Iterable[tuple[object, str]]) -> str:
    return "\n".join(f"- `{name}`: {meaning}" for name, meaning in meanings)


def tables() -> str:
    parts = []
    for actor, events in ACTORS.items():
        parts.append(f"\n### {actor}\n\n{bullets((event.value, meaning) for event, meaning in events.items())}\n")
        parts.append("| event | from | to | if | then |\n|---|---|---|---|---|")
        parts += [line(row) for event in events for row in TRANSITIONS if row.event is event]
    return "\n".join(parts) + "\n"


def line(row: Transition) -> str:
    guards = "; ".join(guard.value for guard in row.guards) or "always"
    effects = "; ".join(effect.value for effect in row.effects) or "–"
    return f"| `{row.event.value}` | `{row.source.value}` | `{row.target.value}` | {guards} | {effects} |"


def page() -> str:
    return PAGE.format(
        states=bullets((state.value, STATES[state]) for state in State),
        phases=bullets((phase.value, meaning) for phase, meaning in PHASES.items()),
        verdicts=bullets((verdict.value, VERDICTS[verdict]) for verdict in Verdict),
        tables=tables(),
    )


# The diagram: where each state stands, in pixels; the arrows are the table's.
PLACES = {
    State.FAILED: (430, 70),
    State.SUCCESSFUL: (800, 70),
    State.BLOCKED: (110, 280),
    State.READY: (430, 280),
    State.RUNNING: (800, 280),
    State.CANCELLED: (430, 510),
}
WIDTH, HEIGHT, BOX = 960, 600, (150, 56)
TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0,0 L8,4 L0,8 z" fill="#456"/></marker></defs>'
)
FONT = 'font-family="system-ui, sans-serif"'


def arrows() -> dict[tuple[State, State], list[str]]:
    """Return the names of the events that lead from one state to another, each once, in the order of the table."""
    found: dict[tuple[State, State], list[str]] = {}
    for row in TRANSITIONS:
        names = found.setdefault((row.source, row.target), [])
        if row.event.value not in names:
            names.append(row.event.value)
    return found


def edge_of_box(place: tuple[int, int], towards: tuple[float, float]) -> tuple[float, float]:
    dx, dy = towards[0] - place[0], towards[1] - place[1]
    scale = min((BOX[0] / 2 + 4) / abs(dx) if dx else math.inf, (BOX[1] / 2 + 4) / abs(dy) if dy else math.inf)
    return place[0] + dx * scale, place[1] + dy * scale


def text(x: float, y: float, lines: list[str], size: int = 12, weight: str = "normal") -> str:
    first = y - (len(lines) - 1) * (size + 2) / 2 + size / 3
    spans = "".join(
        f'<tspan x="{x:.0f}" y="{first + number * (size + 2):.0f}">{words}</tspan>'
        for number, words in enumerate(lines)
    )
    return (
        f'<text text-anchor="middle" {FONT} font-size="{size}" font-weight="{weight}" '
        f'paint-order="stroke" stroke="#fff" stroke-width="4">{spans}</text>'
    )


def arrow(source: State, target: State, names: list[str], *, has_opposite: bool) -> tuple[str, str]:
    """Return the line and its label: bent to the right-hand side when there is another in the opposite direction."""
    (x1, y1), (x2, y2) = PLACES[source], PLACES[target]
    length = math.hypot(x2 - x1, y2 - y1)
    bend = 55 if has_opposite else 0
    bent = ((x1 + x2) / 2 - (y2 - y1) / length * bend, (y1 + y2) / 2 + (x2 - x1) / length * bend)
    (sx, sy), (tx, ty) = edge_of_box((x1, y1), bent), edge_of_box((x2, y2), bent)
    path = f"M{sx:.0f},{sy:.0f} Q{bent[0]:.0f},{bent[1]:.0f} {tx:.0f},{ty:.0f}"
    middle = (sx / 4 + bent[0] / 2 + tx / 4, sy / 4 + bent[1] / 2 + ty / 4)
    return (
        f'<path d="{path}" fill="none" stroke="#456" stroke-width="1.5" marker-end="url(#tip)"/>',
        text(*middle, [name.replace("_", " ") for name in names]),
    )


def box(state: State, own: list[str]) -> str:
    x, y = PLACES[state]
    left, top = x - BOX[0] // 2, y - BOX[1] // 2
    fill = "#e8f0e8" if state.is_finished else "#e8eef8"
    shape = (
        f'<rect x="{left}" y="{top}" width="{BOX[0]}" height="{BOX[1]}" rx="8" fill="{fill}" stroke="#456" '
        'stroke-width="1.5"/>'
    )
    if not own:
        return shape + text(x, y, [state.value], 15, "bold")
    stays = ["↻ " + ", ".join(name.replace("_", " ").lower() for name in own)]
    return shape + text(x, y - 8, [state.value], 15, "bold") + text(x, y + 13, stays, 9)


def diagram() -> str:
    found = arrows()
    lines, labels = [], []
    for (source, target), names in found.items():
        if source is not target:
            path, label = arrow(source, target, names, has_opposite=(target, source) in found)
            lines.append(path)
            labels.append(label)
    boxes = [box(state, found.get((state, state), [])) for state in State]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            TIP,
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            *lines,
            *labels,
            *boxes,
            "</svg>\n",
        ]
    )


def main(arguments: list[str], folder: Path = HERE) -> int:
    wanted = {folder / "lifecycle.md": page(), folder / "lifecycle.svg": diagram()}
    if arguments == ["--check"]:
        stale = [
            path.name
            for path, content in wanted.items()
            if not path.is_file() or path.read_text(encoding="utf-8") != content
        ]
        for name in stale:
            print(f"{name} is not what the transition table says: run docs/generate_lifecycle.py", file=sys.stderr)  # noqa: T201 - a script
        return 1 if stale else 0
    if arguments:
        print("usage: generate_lifecycle.py [--check]", file=sys.stderr)  # noqa: T201 - a script
        return 2
    for path, content in wanted.items():
        path.write_text(content, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
