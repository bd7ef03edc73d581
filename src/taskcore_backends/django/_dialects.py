"""What differs between databases, as data; and the statements that are built by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from taskcore.errors import UnsupportedCapability

__all__ = [
    "MARIADB",
    "MYSQL",
    "POSTGRES",
    "SQLITE",
    "Dialect",
    "dialect_of",
    "marks",
    "values",
]


@attrs.frozen(kw_only=True)
class Dialect:
    """One database, as far as the statements of this package see it."""

    name: str
    now: str | None
    """The database's clock, in microseconds since 1970; ``None``: that of the host, which it runs on."""
    lock: str
    """What a SELECT ends with that locks its rows until the end of the transaction."""
    lock_free: str
    """The same, but rows that others have locked are left out."""
    share: str
    """What a SELECT ends with that shows what is committed now, whatever its transaction saw before; nothing where no
    SELECT can."""
    greatest: str
    """The greater one of two values."""
    scanned: str
    """FROM and the beginning of WHERE for the tasks, as t, whose ids a scan finds: read by their ids, and no others."""
    unindexed: str
    """What to order by, in place of the id, where the tasks are few: no index is read for the order."""
    claim_index: str
    """What has a claim use its index, where the planner needs to be told."""
    lacks_conflicts: bool = False
    """It says ``INSERT IGNORE`` and ``ON DUPLICATE KEY`` instead of ``ON CONFLICT``."""

    def insert_new(self, table: str, columns: str, rows: int = 1) -> str:
        """Return the INSERT that leaves out rows whose key is there."""
        width = columns.count(",") + 1
        if self.lacks_conflicts:
            return f"INSERT IGNORE INTO {table} ({columns}) VALUES {values(width, rows)}"
        return f"INSERT INTO {table} ({columns}) VALUES {values(width, rows)} ON CONFLICT DO NOTHING"

    def put(self, table: str, columns: str, key: Sequence[str], rows: int = 1) -> str:
        """Return the INSERT that takes the place of rows whose ``key`` is there."""
        names = [name.strip() for name in columns.split(",")]
        others = [name for name in names if name not in key]
        insert = f"INSERT INTO {table} ({columns}) VALUES {values(len(names), rows)}"
        if self.lacks_conflicts:
            return f"{insert} ON DUPLICATE KEY UPDATE {', '.join(f'{name} = VALUES({name})' for name in others)}"
        updates = ", ".join(f"{name} = excluded.{name}" for name in others)
        return f"{insert} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updates}"


def marks(count: int) -> str:
    """Return so many placeholders, for IN (…)."""
    return ", ".join(["%s"] * count)


def values(width: int, rows: int) -> str:
    """Return the placeholders of so many rows, for VALUES …."""
    return ", ".join([f"({marks(width)})"] * rows)


POSTGRES: Final = Dialect(
    name="postgresql",
    now="(extract(epoch from statement_timestamp()) * 1000000)::bigint",
    lock="FOR NO KEY UPDATE",
    lock_free="FOR NO KEY UPDATE SKIP LOCKED",
    share="",
    greatest="GREATEST",
    scanned=(
        "({}) AS found CROSS JOIN LATERAL (SELECT * FROM taskcore_task AS l WHERE l.id = found.id OFFSET 0) AS t "
        "WHERE TRUE"
    ),
    unindexed="id || ''",
    claim_index="",
)

_JOINED: Final = "({}) AS found JOIN taskcore_task AS t ON t.id = found.id WHERE 1 = 1"

MYSQL: Final = Dialect(
    name="mysql",
    now="TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))",
    lock="FOR UPDATE",
    lock_free="FOR UPDATE SKIP LOCKED",
    share="LOCK IN SHARE MODE",
    greatest="GREATEST",
    scanned=_JOINED,
    unindexed="CONCAT(id, '')",
    claim_index="FORCE INDEX (taskcore_task_claim)",
    lacks_conflicts=True,
)

MARIADB: Final = attrs.evolve(MYSQL, name="mariadb")

SQLITE: Final = Dialect(
    name="sqlite",
    now=None,
    lock="",
    lock_free="",
    share="",
    greatest="max",
    scanned=_JOINED,
    unindexed="id || ''",
    claim_index="",
)


def dialect_of(vendor: str, *, is_mariadb: bool) -> Dialect:
    """Return the dialect of what Django calls a vendor; raises ``UnsupportedCapability``."""
    if vendor == "postgresql":
        return POSTGRES
    if vendor == "mysql":
        return MARIADB if is_mariadb else MYSQL
    if vendor == "sqlite":
        return SQLITE
    raise UnsupportedCapability(
        f"PostgreSQL, MySQL, MariaDB and SQLite can keep tasks, {vendor} cannot: give DjangoBackend another alias."
    )
