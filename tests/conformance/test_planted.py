"""The kit notices bugs: each of many, planted one at a time in the memory backend, is caught by name."""

import pytest

from taskcore.errors import TaskcoreError
from taskcore.testing import conformance
from tests.conformance import planted_steps, planted_stores
from tests.conformance.planted import bugs_of

BUGS = bugs_of((planted_steps, planted_stores))
CHECKS = {check.name: check for check in conformance.CHECKS}


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_planted_bug_is_caught(bug, monkeypatch):
    """Every check that is named with the bug fails because of it."""
    make_backend = bug.make_backend(monkeypatch)
    caught = []
    for name in bug.caught_by:
        try:
            CHECKS[name](make_backend)
        except (conformance.CheckFailed, TaskcoreError):
            caught.append(name)
    assert list(bug.caught_by) == caught


def test_there_are_many_bugs():
    """The table has at least 60 bugs, with names and stories of their own."""
    assert (True, len(BUGS), len(BUGS)) == (
        len(BUGS) >= 60,
        len({bug.name for bug in BUGS}),
        len({bug.story for bug in BUGS}),
    )
