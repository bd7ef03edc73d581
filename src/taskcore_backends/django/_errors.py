"""What databases say when something is wrong, as the errors of taskcore."""

from __future__ import annotations

from django.db import DatabaseError, InterfaceError, OperationalError

from taskcore.errors import (
    BackendCorrupt,
    BackendError,
    BackendFull,
    BackendReadOnly,
    BackendUnavailable,
    InvalidInput,
)

__all__ = ["is_lost", "is_passing", "translate"]

_PASSING_STATES = {"40001", "40P01", "55P03"}
"""PostgreSQL: serialization failure, deadlock, lock not available."""
_PASSING_NUMBERS = {1205, 1213, 3572, 1020}
"""MySQL: lock wait timeout, deadlock, no wait, record has changed since."""
_FULL_STATES = {"53100", "53200"}
_FULL_NUMBERS = {1021, 1114, 3}
_READ_ONLY_STATES = {"25006"}
_READ_ONLY_NUMBERS = {1290, 1792, 1836}
_ABSENT_STATES = {"42P01", "42703"}
_ABSENT_NUMBERS = {1146, 1054, 1049}
_TOO_LONG_STATES = {"22001", "22003"}
_TOO_LONG_NUMBERS = {1264, 1406}
_LOST_NUMBERS = {2002, 2003, 2006, 2013, 2055, 1053, 4031}
_BUSY = ("database is locked", "database table is locked", "database schema is locked", "locking protocol")


def _state(error: BaseException) -> str:
    """Return the SQLSTATE that PostgreSQL's driver gives, or nothing."""
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return state if isinstance(state, str) else ""


def _number(error: BaseException) -> int:
    """Return the number that MySQL's driver gives, or zero."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def is_passing(error: DatabaseError | InterfaceError) -> bool:
    """Return whether another transaction was in the way: the same can be tried again, nothing was done."""
    text = str(error)
    return (
        _state(error) in _PASSING_STATES or _number(error) in _PASSING_NUMBERS or any(words in text for words in _BUSY)
    )


def is_lost(error: DatabaseError | InterfaceError) -> bool:
    """Return whether the connection is gone."""
    state = _state(error)
    if isinstance(error, InterfaceError) or _number(error) in _LOST_NUMBERS or state.startswith(("08", "57P")):
        return True
    return isinstance(error, OperationalError) and not state and type(error.__cause__).__module__.startswith("psycopg")


def translate(error: DatabaseError | InterfaceError, alias: str) -> BackendError | InvalidInput:
    """Return the error to raise in the place of one of Django's."""
    state, number, text = _state(error), _number(error), str(error).strip()
    what = f"The database {alias!r}"
    if state in _FULL_STATES or number in _FULL_NUMBERS or "is full" in text:
        return BackendFull(f"{what} has no room left ({text}). Nothing was half-written; free some, then repeat.")
    if state in _READ_ONLY_STATES or number in _READ_ONLY_NUMBERS or "readonly database" in text:
        return BackendReadOnly(f"{what} cannot be written ({text}): see whether it is a replica, and the rights.")
    if state in _ABSENT_STATES or number in _ABSENT_NUMBERS or "no such table" in text or "no such column" in text:
        return BackendCorrupt(
            f'{what} has not the tables of taskcore as they should be ({text}): have "taskcore_backends.django" in '
            f"INSTALLED_APPS and run manage.py migrate --database {alias}."
        )
    if state in _TOO_LONG_STATES or number in _TOO_LONG_NUMBERS:
        return InvalidInput(f"{what} cannot hold a text as long, or a number as great, as this: {text}.")
    if "malformed" in text or "not a database" in text:
        return BackendCorrupt(f"{what} is damaged ({text}): restore it from a copy.")
    what = f"{what}: {(text or type(error).__name__).rstrip('.')}."
    if is_passing(error):
        return BackendUnavailable(f"{what} Another transaction was in the way: repeat, a block of your own as a whole.")
    return BackendUnavailable(what)
