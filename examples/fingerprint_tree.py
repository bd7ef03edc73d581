"""Fingerprint every file below a directory: size, SHA-256 and number of lines, one task a file.

    python examples/fingerprint_tree.py DIR

The queue is ``fingerprints.db`` in the current directory. Stop it however you like, kill -9 included, and start it
again with the same DIR: what is done stays done, what was interrupted is run again, and nothing is lost. A file that
has changed since (its size or modification time) is fingerprinted anew. ``--fresh`` starts over.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import attrs

from taskcore import Call, Client, Handle, Retry, State, Worker, constant, task
from taskcore_backends.sqlite import SQLiteBackend

try:
    from rich import progress as rich_progress
except ImportError:  # installed without the extra "cli"
    rich_progress = None  # type: ignore[assignment]

BLOCK = 1 << 20


@attrs.frozen
class Fingerprint:
    """What there is to say of one file."""

    path: Path
    size: int
    sha256: str
    lines: int
    seconds: float


@task(retry=Retry(max_attempts=2, backoff=constant(timedelta(seconds=1)), on=OSError))
def fingerprint(path: Path) -> Fingerprint:
    """Read one file from end to end; raises OSError for one that cannot be read."""
    started = time.perf_counter()
    digest, size, lines = hashlib.sha256(), 0, 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
            lines += block.count(b"\n")
    return Fingerprint(path, size, digest.hexdigest(), lines, time.perf_counter() - started)


def calls(root: Path) -> Iterator[Call[Fingerprint]]:
    """Yield a call for each regular file below ``root``; its unique key makes a second start find the first one's."""
    found = 0
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            with contextlib.suppress(OSError):  # it vanished while we looked
                if path.is_file() and not path.is_symlink():
                    found += 1
                    if found % 10_000 == 0:
                        print(f"found {found:,} files so far; the first are being read", flush=True)
                    about = path.stat()
                    key = b"%s:%d:%d" % (os.fsencode(path), about.st_size, about.st_mtime_ns)
                    yield fingerprint.using(
                        unique_key=hashlib.sha256(key).hexdigest(),  # a path can be longer than a key, and be no text
                        unique_until=timedelta(days=3650),
                    ).bind(path)


def shown(path: Path) -> str:
    """Return a path as one line that any terminal can print."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return text if text.isprintable() else ascii(text)[1:-1]


@contextlib.contextmanager
def progress_bar(total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how many files are done: a bar for somebody who looks, lines for a log."""
    if rich_progress is not None and sys.stdout.isatty():
        with rich_progress.Progress(
            "fingerprinting",
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TimeRemainingColumn(),
        ) as progress:
            bar = progress.add_task("files", total=total)
            yield lambda done: progress.update(bar, completed=done)
    else:
        step = max(1, total // 10)

        def tell(done: int) -> None:
            if done % step == 0 or done == total:
                print(f"{done:,} of {total:,} files", flush=True)

        yield tell


def summarize(results: list[Fingerprint], failures: list[str]) -> None:
    """Print what was found."""
    by_digest: dict[str, list[Fingerprint]] = defaultdict(list)
    for result in results:
        by_digest[result.sha256].append(result)
    copies = [found for found in by_digest.values() if len(found) > 1]
    wasted = sum(found[0].size * (len(found) - 1) for found in copies)
    print(f"\n{len(results):,} files, {sum(each.size for each in results):,} bytes, ", end="")
    print(f"{sum(each.lines for each in results):,} lines")
    for title, key, unit in (("largest", "size", "bytes"), ("slowest", "seconds", "s")):
        print(f"\n{title}:")
        for result in sorted(results, key=lambda each: getattr(each, key), reverse=True)[:5]:
            figure = getattr(result, key)
            print(
                f"  {figure:>14,.3f} {unit}  {shown(result.path)}"
                if unit == "s"
                else f"  {figure:>14,} {unit}  {shown(result.path)}"
            )
    print(
        f"\nduplicates: {sum(len(found) - 1 for found in copies):,} copies of {len(copies):,} files, {wasted:,} bytes"
    )
    for found in sorted(copies, key=lambda each: each[0].size * (len(each) - 1), reverse=True)[:5]:
        print(f"  {len(found)} × {found[0].size:,} bytes  {shown(found[0].path)}")
    if failures:
        print(f"\nnot readable: {len(failures):,}")
        for failure in failures[:10]:
            print(f"  {failure}")


def collect(client: Client, handles: list[Handle[Fingerprint]]) -> tuple[list[Fingerprint], list[str]]:
    """Return the results of all tasks, and a line for each that failed."""
    results: list[Fingerprint] = []
    failures: list[str] = []
    for handle in handles:
        found = handle.refresh()
        if found.state is State.SUCCESSFUL:
            results.append(handle.result())
        elif found.result is not None and found.result.failure is not None:
            failures.append(found.result.failure.message)
    return results, failures


def main() -> int:
    """Enqueue, work, wait, summarize; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--store", type=Path, default=Path("fingerprints.db"), help="the SQLite file of the queue")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs have done")
    options = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal or a pipe that cannot show every name
        sys.stdout.reconfigure(errors="backslashreplace")
    root = options.directory.resolve()
    if not root.is_dir():
        parser.error(f"{options.directory} is not a directory")
    if options.fresh:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{options.store}{suffix}").unlink(missing_ok=True)

    with Client(SQLiteBackend(options.store)) as client:
        worker = Worker(
            client,
            [fingerprint],
            executor="processes",
            concurrency=options.processes,
            lease=timedelta(seconds=5),
        )
        try:
            with worker:
                print(f"looking for files below {root}; the queue is {options.store}", flush=True)
                handles = client.enqueue_many(calls(root))
                with progress_bar(len(handles)) as tell:
                    for done, _ in enumerate(client.as_completed(handles), 1):
                        tell(done)
        except KeyboardInterrupt:
            print("\nstopped; start again with the same directory to go on", flush=True)
            return 130
        summarize(*collect(client, handles))
    return 0


if __name__ == "__main__":
    sys.exit(main())
