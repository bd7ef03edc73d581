"""How things look, where no page of its own is about it."""

import re

from tests.contrib.django_admin.test_operations import running


def test_a_run_that_goes_on_has_a_clock(site, admin):
    """A running task's duration is told as the page counts it on, so that nothing jumps; a finished one's in words."""
    task = running(site)
    cells = admin.get(site.url("task", "live"), {"ids": site.key(task.id)}).json()["tasks"][site.key(task.id)]["cells"]
    assert re.fullmatch(r'<span data-taskcore-since="[^"]+">0:00:\d\d</span>', cells["duration"])
