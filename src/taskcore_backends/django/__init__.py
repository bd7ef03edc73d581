"""Tasks in a database of a Django site: the app ``taskcore`` with its tables, and ``DjangoBackend``.

``"taskcore_backends.django"`` in ``INSTALLED_APPS`` brings the tables; ``DjangoBackend(using="default")`` stores tasks
in them, in SQL of its own through Django's connection: no model is ever saved. Importing this package needs no
settings.

Modules
-------
| module | what lives there |
|---|---|
| ``_backend`` | the methods of the protocol |
| ``_opening`` | what a backend is opened with, and refused |
| ``_session`` ``_scopes`` ``_errors`` ``_connections`` | one operation: its transaction, repeats, errors; connections |
| ``_forks`` | what a process that was forked begins anew |
| ``_dialects`` | what differs between PostgreSQL, MySQL, MariaDB and SQLite, as data |
| ``models`` ``fields`` ``apps`` ``migrations`` | the tables, to read |
| ``_reading`` ``_rows`` | how tasks stand in them (``taskcore.records.columns``) |
| ``_transaction`` ``_relations`` ``_unique`` | one write: counts, dependents, groups, unique keys |
| ``_adding`` ``_claiming`` ``_applying`` ``_housekeeping`` ``_purging`` | the calls that write tasks, on any database |
| ``_postgres`` | the same in single statements, for what is common, on PostgreSQL |
| ``_finding`` ``_statistics`` ``_schedules`` | the others |
| ``_planning`` | PostgreSQL: reads that keep to an index, whatever its statistics say |
| ``_waiting`` ``_looking`` ``_listening`` | hints: within a process, by polling, by LISTEN and NOTIFY |

Tables
------
A task is one narrow row of ``taskcore_task``. Texts of more than 1,000 characters and tracebacks stand in
``taskcore_payload``, runs that ended badly in ``taskcore_attempt``: a row is written three times in the life of a task,
and PostgreSQL copies all of it each time. The column ``code`` is the state, with READY in two: DUE, and LATER until its
moment has come, so that no claim reads what is not due. Moments are whole microseconds since 1970 in UTC.

There is no counter that all workers would wait for. Finished tasks are counted by rows that are only added
(``taskcore_tally``), unfinished ones when somebody asks; a group counts the members that have finished.

Which index serves what
-----------------------
Each leads with ``code`` and has a condition on it: partial where the database can (PostgreSQL, SQLite), and just as
right where it leaves conditions out (MySQL, MariaDB). Statements name the code as a literal: planners can prove it.

| index | statement |
|---|---|
| ``taskcore_task_claim`` | claim: due tasks of a queue, in order. One scan for each queue |
| ``taskcore_task_later`` | promotion of what has become due |
| ``taskcore_task_lease`` | leases that are over |
| ``taskcore_task_holder`` | a claim that is repeated, what a worker runs |
| ``taskcore_task_expiry`` | what is overdue |
| ``taskcore_task_rare`` | find by the states that are rare |
| ``taskcore_task_finished`` ``taskcore_task_purge`` | purge, by name and by the tasks' own retention |
| ``taskcore_task_group`` ``taskcore_task_members`` | find by group; its unfinished members |
| ``taskcore_task_schedule`` ``taskcore_task_unique`` | find by schedule and by unique key |

PostgreSQL claims in one statement: a materialized CTE that locks (``FOR NO KEY UPDATE SKIP LOCKED``) and the UPDATE.
MySQL and MariaDB lock by SELECT and write by primary key. SQLite has one writer at a time (``BEGIN IMMEDIATE``).

Locks
-----
Transactions of our own are READ COMMITTED; a caller's may see an older state (``_relations``). Who changes a task holds
its row; who finishes one then its key, its group, and its children by id; who enqueues a child holds the parents until
its transaction ends, so that a finish and an enqueue see each other. Deadlocks that remain (MySQL) are run again,
unless the transaction is the caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskcore.errors import InvalidOption

if TYPE_CHECKING:
    from taskcore_backends.django._backend import DjangoBackend

__all__ = ["DjangoBackend", "from_url"]


def __getattr__(name: str) -> object:
    """Return ``DjangoBackend``, which is not needed to load the app."""
    if name == "DjangoBackend":
        from taskcore_backends.django._backend import DjangoBackend  # noqa: PLC0415 - the app must load without it

        return DjangoBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def from_url(url: str) -> DjangoBackend:
    """Return the backend of ``django:alias``, where alias is one of the site's ``DATABASES``; ``django:`` is default.

    ``DJANGO_SETTINGS_MODULE`` has to name the settings, unless the site is set up already. Raises ``InvalidOption``
    for any other URL.
    """
    import django  # noqa: PLC0415 - the app must load without it
    from django.apps import apps  # noqa: PLC0415

    from taskcore_backends.django._backend import DjangoBackend  # noqa: PLC0415

    scheme, colon, alias = url.partition(":")
    if scheme != "django" or not colon or any(sign in alias for sign in "/?#"):
        raise InvalidOption(f"A store in a Django site is django:alias, such as django:default, not {url!r}.")
    if not apps.ready:
        django.setup()
    return DjangoBackend(using=alias or None)
