"""Where the command's words go: lines, tables, or JSON lines, to a terminal, a file or a pipe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TextIO

import attrs

__all__ = ["OutputError", "Terminal", "table_lines"]


_CONTROLS = {
    code: ascii(chr(code))[1:-1]
    for code in (*range(32), *range(127, 160), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    if chr(code) not in "\n\t"
}
"""Characters that move the cursor, colour the screen or turn the line around, as they are written instead."""


class OutputError(Exception):
    """The output cannot be written: the disk is full, say; a reader that has gone is a BrokenPipeError."""


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
        """Write a line of text, control characters as escapes; a line break in it stays one."""
        self._write(text.translate(_CONTROLS) + "\n")

    def record(self, record: Mapping[str, object]) -> None:
        """Write a record as one line of JSON."""
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        self._write((text if self._can_write(text) else json.dumps(record, separators=(",", ":"))) + "\n")

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Write rows in columns under their headers."""
        for line in table_lines(headers, rows):
            self.line(line)

    def complain(self, text: str) -> None:
        """Say what went wrong, where it does not mix with what was asked for."""
        with suppress(OSError, ValueError):
            self.err.write(f"taskcore: {text.translate(_CONTROLS)}\n")

    def flush(self) -> None:
        """Write out what is held back; a pipe that nobody reads any more is noticed here."""
        try:
            self.out.flush()
        except BrokenPipeError:
            raise
        except (OSError, ValueError) as error:
            raise OutputError(str(error)) from error

    def _can_write(self, text: str) -> bool:
        try:
            text.encode(getattr(self.out, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            return False
        return True

    def _write(self, text: str) -> None:
        if not self._can_write(text):
            encoding = getattr(self.out, "encoding", None) or "utf-8"
            text = text.encode(encoding, "backslashreplace").decode(encoding)
        try:
            self.out.write(text)
        except BrokenPipeError:
            raise
        except (OSError, ValueError) as error:
            raise OutputError(str(error)) from error


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
