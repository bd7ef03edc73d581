"""A site's tasks in each storage that a URL can name: the same answers, whatever holds them."""

from datetime import timedelta

import pytest
from django.test import override_settings

from taskcore.contrib.django import client
from tests.contrib import settings as site
from tests.servers.redis_server import Stores


@pytest.fixture(params=["memory", "sqlite", "redis"])
def scheme(request, tmp_path):
    """The scheme of the URL of an empty storage, which is the site's while the test runs."""
    stores = Stores() if request.param == "redis" else None
    url = {"memory": "memory:", "sqlite": f"sqlite:///{tmp_path / 'tasks.db'}"}.get(request.param)
    if stores is not None:
        url = f"{stores.url}?namespace={stores.namespace}"
    tasks = {"default": {**site.TASKS["default"], "OPTIONS": {"storage": url}}}
    with override_settings(TASKS=tasks):
        yield request.param
    if stores is not None:
        stores.empty()


def test_tasks_run_in_the_storage_that_a_url_names(api, drain, scheme):
    """Enqueued, deferred, run, failed and read again."""
    assert client().backend.url.startswith(f"{scheme}:")
    returned = api.tasks.noop_async.enqueue(1, two=2)
    failed = api.tasks.fail_value.enqueue()
    later = api.tasks.noop.using(run_after=timedelta(hours=1), priority=5).enqueue()
    assert 2 == drain()
    status = api.base.TaskResultStatus
    results = [api.ours.task_backends["default"].get_result(one.id) for one in (returned, failed, later)]
    assert [status.SUCCESSFUL, status.FAILED, status.READY] == [result.status for result in results]
    assert "done" == results[0].return_value
    assert ["builtins.ValueError"] == [error.exception_class_path for error in results[1].errors]
    assert 5 == results[2].task.priority
