"""The view that is redrawn in place. The only module that imports rich."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from taskcore._cli._snapshot import QUEUE_HEADERS, WORKER_HEADERS, Snapshot
from taskcore._cli._terminal import Terminal

__all__ = ["live_view"]

_STYLES = {"RUNNING": "cyan", "FAILED": "red", "CANCELLED": "yellow", "PAUSED": "yellow", "OLDEST DUE": "magenta"}


def live_view(terminal: Terminal) -> Callable[[Callable[[], Snapshot], Callable[[], object], Iterator[int]], None]:
    """Return the function that shows what ``take`` gives, once more after each ``rest``, for as many rounds."""
    console = Console(file=terminal.out)  # looks at NO_COLOR and TERM by itself

    def run(take: Callable[[], Snapshot], rest: Callable[[], object], rounds: Iterator[int]) -> None:
        with Live(console=console, auto_refresh=False, screen=False) as live:
            for at in rounds:
                if at:
                    rest()
                live.update(_view(take()), refresh=True)

    return run


def _view(snapshot: Snapshot) -> RenderableType:
    parts: list[RenderableType] = [Text(snapshot.heading)]
    parts.append(_table(QUEUE_HEADERS, snapshot.queue_rows) if snapshot.queue_rows else Text("no tasks"))
    parts.append(_table(WORKER_HEADERS, snapshot.worker_rows) if snapshot.worker_rows else Text("no workers"))
    parts += [Text(line) for line in snapshot.ending]
    return Group(*parts)


def _table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for at, header in enumerate(headers):
        is_number = all(isinstance(row[at], int) for row in rows)
        table.add_column(header, justify="right" if is_number else "left", no_wrap=at == 0)
    for row in rows:
        table.add_row(*(_cell(header, value) for header, value in zip(headers, row, strict=True)))
    return table


def _cell(header: str, value: object) -> Text:
    if value is None or value == 0:
        return Text("-" if value is None else "0", style="dim")
    return Text(f"{value:,}" if isinstance(value, int) else str(value), style=_STYLES.get(header, ""))
