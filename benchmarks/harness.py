"""What every benchmark here shares: interleaved rounds, medians, ratios, and one table at the end.

A contender is a function that does its whole job and returns a figure: operations a second, or seconds. Contenders of
one comparison take turns within a round, so that whatever the machine does meanwhile, it does to all of them; the
ratio is taken in each round and its median is reported, with the extremes beside it.
"""

from __future__ import annotations

import argparse
import platform
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata

import attrs

__all__ = ["Comparison", "Contender", "Target", "Turns", "arguments", "describe_machine", "parser", "run"]

Contender = Callable[[], float]


@attrs.frozen(kw_only=True)
class Target:
    """A bound on the ratio ours / theirs: ``at_least`` for rates, ``at_most`` for times."""

    at_least: float | None = None
    at_most: float | None = None

    def is_met(self, ratio: float) -> bool:
        """Return whether a ratio keeps to the bound."""
        return (self.at_least is None or ratio >= self.at_least) and (self.at_most is None or ratio <= self.at_most)

    def __str__(self) -> str:
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"


@attrs.frozen(kw_only=True)
class Comparison:
    """Ours against one other, in the same unit."""

    name: str
    unit: str
    ours: Contender
    theirs: Contender
    target: Target


TURNS, AT_A_TURN = 20, 25


class Turns:
    """Two that do something small in turns of a few: what else uses the machine for a second does so to both."""

    def __init__(self, ours: Callable[[int], object], theirs: Callable[[int], object]) -> None:
        self._contenders = (ours, theirs)
        self._rates: dict[int, float] = {}

    def rate(self, which: int) -> float:
        """Return the calls a second of one (0 or 1); both are measured at once, and the other's figure is kept."""
        if which not in self._rates:
            took = [0.0, 0.0]
            for _ in range(TURNS):
                for number, call in enumerate(self._contenders):
                    started = time.perf_counter()
                    for argument in range(AT_A_TURN):
                        call(argument)
                    took[number] += time.perf_counter() - started
            self._rates = {number: TURNS * AT_A_TURN / seconds for number, seconds in enumerate(took)}
        return self._rates.pop(which)


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that all have: how many rounds, and whether a missed target is an error."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender takes its turn")
    parser.add_argument("--check", action="store_true", help="end with status 1 when a target is missed")
    return parser


def arguments(doc: str | None) -> argparse.Namespace:
    """Return the options of a benchmark that has only those of all."""
    return parser(doc).parse_args()


def describe_machine() -> str:
    """Return one line: processor count, Python, SQLite and package versions."""
    packages = []
    for name in ("attrs", "cattrs", "Django", "huey", "psycopg", "redis"):
        try:
            packages.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    from os import cpu_count

    return (
        f"{platform.machine()}, {cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"CPython {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {', '.join(packages)}"
    )


def run(comparisons: Sequence[Comparison], *, rounds: int, check: bool) -> None:
    """Run every comparison, print a Markdown table, and exit with 1 if ``check`` and a target is missed."""
    print(f"{describe_machine()}; medians of {rounds} interleaved rounds\n", flush=True)
    print("| what | unit | taskcore | other | ratio (min to max) | target | met |")
    print("|---|---|--:|--:|--:|--:|---|", flush=True)
    missed = 0
    for comparison in comparisons:
        ours: list[float] = []
        theirs: list[float] = []
        for number in range(rounds):
            pair = [(ours, comparison.ours), (theirs, comparison.theirs)]
            for figures, contender in pair if number % 2 else reversed(pair):
                figures.append(contender())
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        ratio = statistics.median(ratios)
        is_met = comparison.target.is_met(ratio)
        missed += not is_met
        print(
            f"| {comparison.name} | {comparison.unit} | {statistics.median(ours):,.4g} | "
            f"{statistics.median(theirs):,.4g} | {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | "
            f"{comparison.target} | {'yes' if is_met else 'NO'} |",
            flush=True,
        )
    if check and missed:
        sys.exit(1)
