"""A PostgreSQL server of the benchmark's own, with its default durability, and a Django site in it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg

__all__ = ["Site", "running"]

ROOT = Path(__file__).parent.parent


class Site:
    """A site whose database is on a server that runs."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection that commits each statement."""
        return psycopg.connect(self.dsn, autocommit=True)

    def empty(self) -> None:
        """Delete all rows of all tables, and write all that is dirty: no contender pays for another one's."""
        with self.connect() as connection:
            found = connection.execute(
                "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables"
                " WHERE schemaname = 'public' AND tablename NOT LIKE 'django_migrations'"
            ).fetchone()
            assert found is not None
            connection.execute(f"TRUNCATE {found[0]} RESTART IDENTITY".encode())
            connection.execute("CHECKPOINT")

    def settle(self) -> None:
        """Have the planner know what the tables hold, as autovacuum would a minute later."""
        for name in ("postgres", "small"):
            with psycopg.connect(self.dsn, dbname=name, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")

    def describe(self) -> str:
        """Return one line: which server, and how durable."""
        import django

        with self.connect() as connection:
            words = [
                connection.execute(f"SHOW {name}".encode()).fetchone()
                for name in ("server_version", "fsync", "synchronous_commit")
            ]
        version, fsync, commit = (str(word[0]) for word in words if word is not None)
        return (
            f"PostgreSQL {version}, fsync {fsync}, synchronous_commit {commit}, psycopg {psycopg.__version__}, "
            f"Django {django.__version__}, loopback"
        )


@contextlib.contextmanager
def running() -> Iterator[Site]:
    """Yield a site with its tables made; end its server, and delete what it stored, afterwards."""
    sys.path.append(str(ROOT))
    from tests.servers.postgres import running_postgres

    with running_postgres(is_durable=True) as server:
        os.environ["TASKCORE_BENCHMARK_POSTGRES"] = server.url
        os.environ["DJANGO_SETTINGS_MODULE"] = "django_settings"
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        site = Site(server.dsn)
        with site.connect() as connection:
            connection.execute("CREATE DATABASE small")
        for name in ("default", "small"):
            call_command("migrate", verbosity=0, database=name)
        try:
            yield site
        finally:
            connections.close_all()
