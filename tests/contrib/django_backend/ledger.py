"""A table of the site's own, that tasks and requests write to beside the tasks."""

from __future__ import annotations

from django.db import connections

__all__ = ["drop_ledger", "entries", "make_ledger", "write"]


def make_ledger(alias: str) -> None:
    """Make the table, empty."""
    drop_ledger(alias)
    with connections[alias].cursor() as cursor:
        cursor.execute("CREATE TABLE ledger (entry varchar(100) NOT NULL)")


def drop_ledger(alias: str) -> None:
    """Drop the table."""
    with connections[alias].cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS ledger")


def write(alias: str, entry: str) -> None:
    """Add an entry."""
    with connections[alias].cursor() as cursor:
        cursor.execute("INSERT INTO ledger (entry) VALUES (%s)", (entry,))


def entries(alias: str) -> list[str]:
    """Return all entries."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT entry FROM ledger ORDER BY entry")
        return [entry for (entry,) in cursor.fetchall()]
