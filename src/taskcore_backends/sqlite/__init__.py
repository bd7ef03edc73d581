"""Tasks in a SQLite file. ``SQLiteBackend`` is straight on the protocol; every module here does one thing of it.

| module | what lives there |
|---|---|
| ``_backend`` | the methods of the protocol |
| ``_session`` ``_opening`` ``_connections`` | what one process holds open |
| ``_committer`` | how threads share a transaction |
| ``_schema`` ``_reading`` ``_rows`` ``_attempts`` | the tables, and how tasks stand in them (``records.columns``) |
| ``_transaction`` ``_relations`` ``_unique`` | one write: counts, dependents, groups, unique keys |
| ``_adding`` ``_claiming`` ``_applying`` ``_housekeeping`` ``_purging`` | the calls that write tasks |
| ``_finding`` ``_statistics`` ``_schedules`` | the others |
| ``_waiting`` ``_looking`` ``_doorbell`` | hints, within a process and across |
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from taskcore.errors import InvalidOption
from taskcore_backends.sqlite._backend import SQLiteBackend

__all__ = ["SQLiteBackend", "from_url"]


def from_url(url: str) -> SQLiteBackend:
    """Return the backend of ``sqlite:///relative.db`` or ``sqlite:////absolute.db``, ``?synchronous=FULL`` if wanted.

    Raises ``InvalidOption`` for any other URL, and what ``SQLiteBackend`` raises.
    """
    parts = urlsplit(url)
    path = unquote(parts.path)[1:]
    if parts.scheme != "sqlite" or parts.netloc or parts.fragment or not path:
        raise InvalidOption(f"A SQLite store is sqlite:///file.db, or sqlite:////folder/file.db, not {url!r}.")
    options = parse_qs(parts.query, keep_blank_values=True)
    unknown = sorted(set(options) - {"synchronous"})
    if unknown:
        raise InvalidOption(f"{url!r} has the unknown option {unknown[0]!r}: there is only synchronous.")
    synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    if "synchronous" in options:
        if options["synchronous"] not in (["NORMAL"], ["FULL"]):
            raise InvalidOption(f"synchronous is NORMAL or FULL, not as in {url!r}.")
        synchronous = "FULL" if options["synchronous"] == ["FULL"] else "NORMAL"
    return SQLiteBackend(path, synchronous=synchronous)
