"""Fenced blocks of a Markdown page, with where they stand."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_OPENING = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}|:{3,})(?P<info>[^`]*)$")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block: its language, what else its opening line says, its text, and the number of its first line."""

    page: Path
    line: int
    language: str
    attributes: tuple[str, ...]
    text: str

    @property
    def place(self) -> str:
        """Where the block stands, as an editor understands it."""
        return f"{self.page.name}:{self.line}"

    @property
    def reason_not_to_run(self) -> str | None:
        """The text of `no-run="..."` on the opening line; None for a block that runs."""
        return self._attribute("no-run")

    @property
    def file_name(self) -> str | None:
        """The text of `file="..."`: a file of its own, beside the page's program; None for other blocks."""
        return self._attribute("file")

    def _attribute(self, wanted: str) -> str | None:
        return next(
            (value for name, _, value in (each.partition("=") for each in self.attributes) if name == wanted), None
        )


def blocks_of(page: Path, languages: frozenset[str] | None = None) -> Iterator[Block]:
    """Give the fenced blocks of `page` from top to bottom; `languages` of None means all."""
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        opening = _OPENING.match(lines[number])
        number += 1
        if opening is None:
            continue
        start = number
        indent, fence = len(opening["indent"]), opening["fence"]
        closing = re.compile(rf"^ *{re.escape(fence[0])}{{{len(fence)},}} *$")
        while number < len(lines) and not closing.match(lines[number]):
            number += 1
        words = shlex.split(opening["info"])
        language = words[0] if words else ""
        if languages is None or language in languages:
            text = "\n".join(line[indent:] for line in lines[start:number])
            yield Block(page=page, line=start + 1, language=language, attributes=tuple(words[1:]), text=text)
        number += 1
