"""Where the command's words go: lines, tables, or JSON lines, to a terminal, a file or a pipe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TextIO

import attrs

__all__ = ["Terminal", "table_lines"]


@attrs.frozen
class Terminal:
    """The two streams, and whether records are wanted as JSON: one object a line."""

    out: TextIO
    err: TextIO
    is_json: bool = False

    @property
    def is_tty(self) -> bool:
        """Whether somebody is watching, so that what is shown may move."""
        return self.out.isatty()

    def line(self, text: str = "") -> None:
        """Write a line of text."""
        self.out.write(text + "\n")

    def record(self, record: Mapping[str, object]) -> None:
        """Write a record as one line of JSON."""
        self.out.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Write rows in columns under their headers."""
        for line in table_lines(headers, rows):
            self.line(line)

    def complain(self, text: str) -> None:
        """Say what went wrong, where it does not mix with what was asked for."""
        self.err.write(f"taskcore: {text}\n")

    def flush(self) -> None:
        """Write out what is held back; a pipe that nobody reads any more is noticed here."""
        self.out.flush()


def table_lines(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return a table as lines: columns two spaces apart, numbers to the right, nothing cut off."""
    texts = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[at]) for row in (list(headers), *texts)) for at in range(len(headers))]
    to_right = [bool(rows) and all(isinstance(row[at], (int, float)) for row in rows) for at in range(len(headers))]
    return [
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, to_right, strict=True)
        ).rstrip()
        for row in (list(headers), *texts)
    ]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return " ".join(text.splitlines()) or "-"
