"""Calling the function of a task: its arguments are decoded, and an ``Outcome`` is made of what came of it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

from taskcore._codec import decode_arguments, failure_from
from taskcore._context import Context, enter, leave
from taskcore._policy import Outcome, Undecodable
from taskcore._run._outcomes import outcome_of_exception
from taskcore._run._run import Run
from taskcore.errors import UndecodablePayload

__all__ = ["current_run", "execute", "execute_async"]

_LOGGED: ContextVar[Run] = ContextVar("taskcore_logged_run")
_NO_OUTPUTS: Mapping[str, str] = MappingProxyType({})


def current_run() -> Run | None:
    """Return the run that this code is part of, if what it logs is to be kept."""
    return _LOGGED.get(None)


def execute(run: Run, outputs: Mapping[str, str] = _NO_OUTPUTS) -> Outcome:
    """Run a plain function in the calling thread. ``outputs`` are the values of the parents it refers to."""
    job = run.job
    try:
        args, kwargs = decode_arguments(job.definition, run.task.spec.arguments_json, outputs)
    except Exception as error:
        return _undecodable(error)
    except BaseException as error:  # a constructor of the user's that ends the program: it is held to be the task's
        return outcome_of_exception(run, error)
    context = Context(run.task, run)
    token = enter(context)
    logged = _LOGGED.set(run) if run.logs_left else None
    pid = os.getpid()
    try:
        value = job.function(context, *args, **kwargs) if job.takes_context else job.function(*args, **kwargs)
        _end_copy(pid)
        return run.encode(value)
    except BaseException as error:
        _end_copy(pid, error)
        return outcome_of_exception(run, error)
    finally:
        leave(token)
        if logged is not None:
            _LOGGED.reset(logged)


async def execute_async(run: Run, outputs: Mapping[str, str] = _NO_OUTPUTS) -> Outcome:
    """Run an ``async`` function on the running loop. See ``execute``."""
    job = run.job
    try:
        args, kwargs = decode_arguments(job.definition, run.task.spec.arguments_json, outputs)
    except Exception as error:
        return _undecodable(error)
    except BaseException as error:  # a constructor of the user's that ends the program: it is held to be the task's
        return outcome_of_exception(run, error)
    context = Context(run.task, run)
    token = enter(context)
    logged = _LOGGED.set(run) if run.logs_left else None
    pid = os.getpid()
    try:
        called = job.function(context, *args, **kwargs) if job.takes_context else job.function(*args, **kwargs)
        value = await called
        _end_copy(pid)
        return run.encode(value)
    except BaseException as error:
        _end_copy(pid, error)
        return outcome_of_exception(run, error)
    finally:
        leave(token)
        if logged is not None:
            _LOGGED.reset(logged)


def _end_copy(pid: int, error: BaseException | None = None) -> None:
    """End a copy of this process that the function made with ``os.fork``: it has no threads, and is no worker.

    Only the copy gets here with another ``pid``; the function should have ended it, with ``os._exit`` or an exec.
    """
    if os.getpid() == pid:
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    code = error.code if isinstance(error, SystemExit) else int(error is not None)
    os._exit(code if isinstance(code, int) else int(code is not None))


def _undecodable(error: Exception) -> Undecodable:
    if isinstance(error, UndecodablePayload):
        return Undecodable(failure_from(error))
    made = UndecodablePayload(f"Its arguments do not decode: {type(error).__name__}: {error}")
    made.__cause__ = error
    return Undecodable(failure_from(made))
