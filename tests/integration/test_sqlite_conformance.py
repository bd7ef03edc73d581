"""SQLiteBackend does what every backend has to, as the shipped kit tells it."""

import pytest

from taskcore.testing import conformance
from taskcore_backends.sqlite import SQLiteBackend


@pytest.mark.parity("C35-06")
@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.name)
def test_sqlite_conforms(check, tmp_path):
    """Every check of the kit passes on a file."""
    check(lambda clock: SQLiteBackend(tmp_path / "queue.db", clock=clock))
