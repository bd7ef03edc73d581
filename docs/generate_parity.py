"""Write `parity.md` from `parity.toml` and the markers of the tests; with `--check` tell whether it is current.

A test that shows a line carries `@pytest.mark.parity("DQ-20")`; one may show several: `("DQ-20", "DQ-21")`. After each
change of markers or of `parity.toml`: `python docs/generate_parity.py`; a test runs the check. The tests are read, not
imported, so this needs neither Django nor pytest.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import attrs

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
ROOT = HERE.parent

KINDS = {
    "S": "its document says it",
    "R": "its source does it",
    "X": "its successor has it",
}

PAGE = """\
<!-- Written by generate_parity.py from parity.toml and the markers of the tests: change these, and run it. -->

# Parity

taskcore takes the place of several older systems. This page goes through what they offer, line by line, and says what
meets each line here and which tests show it. The words come from `parity.toml`, the tests from their markers
(`@pytest.mark.parity("DQ-20")`), and a test checks that the page is current.

The letter behind an id says where a line comes from: {kinds}.
What S and R say is owed; what only X says is welcome. A line about a system's own insides is met by what does that work
here. Where a line makes no sense here, or something else is better, the table says why. How to take over what such a
system holds stands on the page about [Django](django.md#coming-from-other-packages).

{numbers}
{tables}"""


@attrs.frozen(kw_only=True)
class Line:
    """One line of the table."""

    id: str
    kind: str
    """Letters of KINDS, parted by blanks."""
    says: str
    met: str
    waived: str
    """Why the line, or a part of it, has no counterpart."""
    owed: str
    """What is still to be built, or to be shown."""
    tests: tuple[str, ...]

    @property
    def is_owed_by_kind(self) -> bool:
        """Whether the line may not be left out without a word."""
        return self.kind != "X"

    @property
    def word(self) -> str:
        """How the line stands, in the words of the table of numbers."""
        if self.owed:
            return "shown in part" if self.tests else "owed"
        if self.tests:
            return "shown"
        if self.met:
            return "missing" if self.is_owed_by_kind else "welcome"
        return "waived"


@attrs.frozen(kw_only=True)
class System:
    """One of the older systems, with its lines."""

    prefix: str
    title: str
    lines: tuple[Line, ...]


@attrs.frozen(kw_only=True)
class Markers:
    """What the tests show: the places of the tests by id, and the markers that cannot be read."""

    places: Mapping[str, tuple[str, ...]]
    unreadable: tuple[str, ...]


def markers_in(folder: Path) -> Markers:
    """Read the markers of all tests below ``folder``."""
    places: dict[str, list[str]] = {}
    unreadable: list[str] = []
    for path in sorted(folder.rglob("test_*.py")):
        name = path.relative_to(folder).as_posix()
        module = ast.parse(path.read_text(encoding="utf-8"), name)
        marked: set[ast.Call] = set()
        for test, calls in _tests_of(module):
            for call in calls:
                marked.add(call)
                for line_id in _ids_of(call):
                    places.setdefault(line_id, []).append(f"{name}::{test}")
        unreadable += [
            f"{name}:{node.lineno}: a parity marker takes ids as texts, and stands on a test, a class or a file"
            for node in ast.walk(module)
            if isinstance(node, ast.Call) and _is_marker(node) and (node not in marked or not _ids_of(node))
        ]
    return Markers(
        places={line_id: tuple(dict.fromkeys(found)) for line_id, found in places.items()}, unreadable=tuple(unreadable)
    )


def _tests_of(module: ast.Module) -> Iterator[tuple[str, list[ast.Call]]]:
    """Give each test of a file, with the markers that hold for it."""
    of_file = _own_markers(module)
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            of_class = of_file + _decorating(node) + _own_markers(node)
            for inner in node.body:
                if _is_test(inner):
                    yield f"{node.name}::{inner.name}", of_class + _decorating(inner)
        elif _is_test(node):
            yield node.name, of_file + _decorating(node)


def _is_test(node: ast.stmt) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")


def _decorating(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.Call]:
    """Return the markers among the decorators, those of single parameters too."""
    return [found for decorator in node.decorator_list for found in _markers_below(decorator)]


def _own_markers(node: ast.Module | ast.ClassDef) -> list[ast.Call]:
    """Return what ``pytestmark`` holds."""
    return [
        found
        for statement in node.body
        if isinstance(statement, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in statement.targets)
        for found in _markers_below(statement.value)
    ]


def _markers_below(node: ast.AST) -> list[ast.Call]:
    return [found for found in ast.walk(node) if isinstance(found, ast.Call) and _is_marker(found)]


def _is_marker(call: ast.Call) -> bool:
    return ast.unparse(call.func) == "pytest.mark.parity"


def _ids_of(call: ast.Call) -> tuple[str, ...]:
    """Return the ids that a marker names; none if it cannot be read."""
    ids = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    if call.keywords or len(ids) != len(call.args) or not all(isinstance(line_id, str) for line_id in ids):
        return ()
    return tuple(str(line_id) for line_id in ids)


def systems_of(text: str, markers: Markers) -> list[System]:
    """Read the words, and join them with the tests."""
    data = tomllib.loads(text)
    owed = data["owed"]
    return [
        System(
            prefix=prefix,
            title=system["title"],
            lines=tuple(
                Line(
                    id=f"{prefix}-{number}",
                    kind=line["kind"],
                    says=line["says"].strip(),
                    met=line.get("met", "").strip(),
                    waived=line.get("waived", "").strip(),
                    owed=owed.get(f"{prefix}-{number}", ""),
                    tests=markers.places.get(f"{prefix}-{number}", ()),
                )
                for number, line in system.items()
                if number != "title"
            ),
        )
        for prefix, system in data.items()
        if prefix != "owed"
    ]


def complaints(text: str, markers: Markers) -> list[str]:
    """Say what is wrong with the words or the markers: what the table may not hold, or keep quiet about."""
    lines = {line.id: line for system in systems_of(text, markers) for line in system.lines}
    found = list(markers.unreadable)
    found += [
        f"{places[0]} shows {line_id}, which is no line of parity.toml"
        for line_id, places in sorted(markers.places.items())
        if line_id not in lines
    ]
    found += [f"{line_id} is owed, and no line of parity.toml" for line_id in _owed_in(text) if line_id not in lines]
    for line in lines.values():
        if not line.kind or set(line.kind.split()) - set(KINDS):
            found.append(f"{line.id} is of the kind {line.kind!r}: it should be of {', '.join(KINDS)}")
        if not line.met and not line.waived:
            found.append(f"{line.id}: nothing meets it, and nothing says why")
        if line.word == "missing" and line.is_owed_by_kind:
            found.append(f"{line.id}: no test shows it, it is not owed, and nothing says why")
    return found


def _owed_in(text: str) -> Iterable[str]:
    owed: Mapping[str, str] = tomllib.loads(text)["owed"]
    return owed


def page(text: str, markers: Markers) -> str:
    systems = systems_of(text, markers)
    return PAGE.format(
        kinds=", ".join(f"{letter}: {meaning}" for letter, meaning in KINDS.items()),
        numbers=_numbers(systems),
        tables="\n".join(_table(system) for system in systems),
    )


def _numbers(systems: list[System]) -> str:
    words = ["shown", "shown in part", "owed", "waived", "welcome", "missing"]
    shown = [word for word in words if any(line.word == word for system in systems for line in system.lines)]
    rows = [f"| system | lines | {' | '.join(shown)} | left out in part |", f"|---|---|{'---|' * len(shown)}---|"]
    for system in systems:
        counts = [sum(line.word == word for line in system.lines) for word in shown]
        counts.append(sum(bool(line.met and line.waived) for line in system.lines))
        rows.append(
            f"| [{system.title}](#{_anchor(system.title)}) | {len(system.lines)} | {' | '.join(map(str, counts))} |"
        )
    return "\n".join(rows)


def _table(system: System) -> str:
    heading = f"What shows {system.prefix}"
    rows = [f"\n## {system.title}\n", f"| id | there | here | [tests](#{_anchor(heading)}) |", "|---|---|---|---|"]
    rows += [
        f"| `{line.id}` {line.kind} | {_cell(line.says)} | {_cell(_here(line))} | {_standing(line)} |"
        for line in system.lines
    ]
    rows.append(f"\n### {heading}\n")
    rows += [f"- `{line.id}`: {', '.join(f'`{place}`' for place in line.tests)}" for line in system.lines if line.tests]
    return "\n".join(rows) + "\n"


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _here(line: Line) -> str:
    return " ".join(part for part in (line.met, f"**Not here:** {line.waived}" if line.waived else "") if part)


def _standing(line: Line) -> str:
    parts = [str(len(line.tests))] if line.tests else []
    if line.owed:
        parts.append(f"**owed:** {_cell(line.owed)}")
    return "; ".join(parts) or "–"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: list[str], root: Path = ROOT) -> int:
    if arguments not in ([], ["--check"]):
        print("usage: generate_parity.py [--check]", file=sys.stderr)  # noqa: T201 - a script
        return 2
    path = root / "docs" / "parity.md"
    text = (root / "docs" / "parity.toml").read_text(encoding="utf-8")
    markers = markers_in(root / "tests")
    found = complaints(text, markers)
    wanted = page(text, markers)
    if not arguments:
        path.write_text(wanted, encoding="utf-8", newline="\n")
    elif not path.is_file() or path.read_text(encoding="utf-8") != wanted:
        found.append("parity.md is not what parity.toml and the markers of the tests say: run docs/generate_parity.py")
    for complaint in found:
        print(complaint, file=sys.stderr)  # noqa: T201 - a script
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
