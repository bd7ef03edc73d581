"""Random walks over every call, on SQLite and on the memory backend; the private tables of the file are checked too."""

from pathlib import Path

import pytest

from taskcore_backends.sqlite import SQLiteBackend
from tests.integration.random_walk import Walk

pytestmark = pytest.mark.integration


class SQLiteWalk(Walk):
    def __init__(self, seed: int, folder: Path) -> None:
        super().__init__(seed, lambda clock: SQLiteBackend(folder / f"{seed}.db", clock=clock))

    def inspect(self) -> None:
        """Look at what only the file knows: it is sound, counts are right, nothing is left behind."""
        connection = self.store._sessions.current().connections.writer()
        assert "ok" == connection.execute("PRAGMA integrity_check").fetchone()[0]
        counted = dict(connection.execute("SELECT queue || code, count(*) FROM task GROUP BY queue, code"))
        assert counted == dict(connection.execute("SELECT queue || code, n FROM tally WHERE n <> 0"))
        strays = "SELECT seq FROM payload WHERE seq NOT IN (SELECT seq FROM task WHERE arguments IS NULL)"
        assert [] == connection.execute(strays).fetchall()


@pytest.mark.parametrize("seed", range(6))
def test_walks_do_not_differ(tmp_path: Path, seed: int) -> None:
    """A hundred random calls are answered alike by both backends, and leave the same behind."""
    walk = SQLiteWalk(seed, tmp_path)
    walk.run(100)
    walk.store.close()


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1000, 1300))
def test_many_walks_do_not_differ(tmp_path: Path, seed: int) -> None:
    """The same for three hundred longer walks."""
    walk = SQLiteWalk(seed, tmp_path)
    walk.run(120)
    walk.store.close()
