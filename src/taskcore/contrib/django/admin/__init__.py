"""The admin pages: tasks, groups, schedules, workers, queues and sub-results, in Django's own admin.

What a page reads
    Lists are querysets, of one of two sets of models with the same columns: the tables of ``taskcore_backends.django``
    for storages in the database, and the copies in ``taskcore.contrib.django.models`` for all other storages, written
    by ``taskcore_snapshot``. Each page is one admin class, registered for both; ``_stores`` is the only module that
    knows which of the two a row is of, and which client stands behind it. What changes by the second, and all of a
    single thing (its detail page, the live update), is asked of the storage itself, through its ``Client``; a copy is
    shown when the storage does not hold the thing any more. Queues are no rows at all: ``client.stats()`` has them.
    A set of models is left out of the index while no alias of ``settings.TASKS`` is kept there.

What a page changes
    Nothing but what ``Client`` and the protocol do: no model is ever saved. An *operation* (``_operations``) is data:
    its name, the permission it needs, whether it destroys, which rows it is for, and a function of a client and ids.
    ``StoreAdmin`` (``_base``) makes of each an action of the list, a button of the row and the detail page
    (``<id>/do/<operation>/``), and an entry in the log. So there is one place that checks: POST with CSRF, the
    operation's own permission (``taskcore_django.requeue_task`` and so on; nothing follows from view or change), a
    page that asks first where it destroys, then the client, then one ``LogEntry`` for each thing that was changed.
    Work on many things goes in batches, up to a bound; what is left over is said. Copies of what changed are renewed.

Any number of rows
    ``_changelist``: pages are cut by key (``id < last``, fetched with one row more), never by OFFSET; ids sort by time.
    The total is an estimate of the database, or a count that stops; with filters there is none. Filters
    offer states, registered tasks, queues and live workers, never DISTINCT over the table, and a filter or search that
    no index serves looks at a window of the newest rows, then says how to go on. Columns with payloads are deferred;
    of the arguments the list reads the beginning. What a list shows besides its rows is asked for the page at once.

Pages that move
    ``live.js`` asks ``live/?ids=…`` for all visible tasks at once. The answer has an ETag of their versions and
    progress, and the same HTML that the columns made; only cells that differ are replaced, never one that has the
    focus. Without JavaScript all pages and buttons work. There is no inline script or style anywhere.

Module map
    ``tasks`` ``groups`` ``schedules`` ``workers`` ``queues`` ``items``: one page each, with its admin class
    ``launching``: what can be started by hand, and how (``TaskLaunch``)
    ``_base`` ``_stores`` ``_operations`` ``_changelist`` ``_filters``: what the pages share
    ``_task_list`` ``_task_page``: tasks as rows, and the page of one, which ``tasks`` adds its views to
    ``_looks``: badges, progress bars, durations; ``_task_looks``: the parts of the detail page
    ``_starting`` ``_duplicating`` ``_editing`` ``_live`` ``_export``: further views of the task page
    ``_arguments``: forms of signatures, calls of stored arguments; ``_rows``: rows made of the storage's own answers
    ``registering``: the admin classes, put on a site
    ``_schedule_form`` ``_schedule_words``: the form of a schedule, and its trigger in words

All admin classes can be unregistered, subclassed and registered again, and ``register(site)`` puts them on another
``AdminSite``.
"""

from __future__ import annotations

from django.contrib import admin

from taskcore.contrib.django.admin._base import StoreAdmin
from taskcore.contrib.django.admin.groups import GroupAdmin
from taskcore.contrib.django.admin.items import ItemAdmin
from taskcore.contrib.django.admin.launching import TaskLaunch
from taskcore.contrib.django.admin.queues import QueueAdmin
from taskcore.contrib.django.admin.registering import register
from taskcore.contrib.django.admin.schedules import ScheduleAdmin
from taskcore.contrib.django.admin.tasks import FailedTaskAdmin, SuccessfulTaskAdmin, TaskAdmin
from taskcore.contrib.django.admin.workers import WorkerAdmin

__all__ = [
    "FailedTaskAdmin",
    "GroupAdmin",
    "ItemAdmin",
    "QueueAdmin",
    "ScheduleAdmin",
    "StoreAdmin",
    "SuccessfulTaskAdmin",
    "TaskAdmin",
    "TaskLaunch",
    "WorkerAdmin",
    "register",
]

register(admin.site)
