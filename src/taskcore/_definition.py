"""``@task`` and ``TaskDefinition``: a function that can be enqueued, and still be called as it always was.

Four classes (with and without ``async``, with and without a context) over ``TaskDefinition[P, R]`` give a type checker
the arguments and the result of each. Nothing is registered: a worker is told the definitions it runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Concatenate, Generic, Literal, Protocol, TypeVar, cast, overload

import attrs
from typing_extensions import ParamSpec, Self, Unpack

from taskcore._call import Call, SpecTemplate, spec_template
from taskcore._codec import CallSignature
from taskcore._context import Context
from taskcore._naming import MAIN_MODULES, module_name
from taskcore._options import OptionKeywords, TaskOptions, check_name, merged
from taskcore.errors import InvalidDefinition, InvalidOption

__all__ = [
    "AsyncContextTask",
    "AsyncTask",
    "ContextTask",
    "SyncTask",
    "TaskDefinition",
    "import_definition",
    "task",
]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@attrs.frozen(eq=False, slots=False, kw_only=True)
class TaskDefinition(Generic[P, R_co]):
    """A function as a task: what ``@task`` returns.

    ``P`` are the arguments of a call, the context left out; ``R`` is the type of its result.
    """

    name: str
    """What stored tasks are known by: "module.qualname" unless given."""
    function: Callable[..., object]
    options: TaskOptions
    """All options: those of ``@task``, with those of ``.using`` laid over."""
    call_options: TaskOptions
    """Those of ``.using`` alone."""
    takes_context: bool
    is_async: bool
    is_atomic: bool = False
    """Its own writes to the store's database and its success are one transaction."""
    call_signature: CallSignature = attrs.field(repr=False)
    """How arguments are checked, and how they and the result travel."""
    imported_as: str | None = None
    """Where another process imports it from, for a definition that was made of something else than ``@task``."""

    @property
    def __wrapped__(self) -> Callable[..., object]:
        """The function, for ``inspect`` and documentation tools."""
        return self.function

    def bind(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R_co]:
        """Return a call with these arguments; raises InvalidArguments when they do not fit the function.

        Their values are checked and encoded when it is enqueued.
        """
        self.call_signature.check(args, kwargs)
        return Call(self, args, kwargs)

    def using(self, **options: Unpack[OptionKeywords]) -> Self:
        """Return the same task with other options, for ``enqueue`` and ``bind``; raises InvalidOption.

        Options given here win over those of ``@task``, and over those of an earlier ``using``.
        """
        for name in options.keys() & self.call_signature.signature.parameters.keys() - TaskOptions.names():
            raise InvalidOption(
                f".using(…) takes options, and {name!r} is an argument of task {self.name!r}: "
                "pass it to enqueue() or bind()."
            )
        new = TaskOptions.of(options, ".using(…)")
        for name in ("timeout", "soft_timeout"):
            if getattr(new, name) is None and isinstance(getattr(self.options, name), timedelta):
                raise InvalidOption(
                    f".using({name}=None) cannot take back the {name} of task {self.name!r}, which workers read from "
                    "its definition: give a longer one."
                )
        using = attrs.evolve(self, options=merged(self.options, new), call_options=merged(self.call_options, new))
        _ = using.spec_template  # says now what cannot travel
        return using

    @cached_property
    def spec_template(self) -> SpecTemplate:
        """What every task of this definition and its options has in common."""
        return spec_template(self.name, self.options, self.call_options)

    @property
    def import_reference(self) -> str | None:
        """Where another process imports this definition from, "module:qualname"; ``None``: it cannot.

        For a script or ``python -m``, the module is the one that the file has when imported, not ``__main__``. With
        "module:function?text" the definition is what the function returns for the text.
        """
        return self.imported_as or _find_reference(self)

    def check_importable(self) -> str:
        """Return ``import_reference``; raises InvalidDefinition for a task that another process cannot import."""
        reference = self.import_reference
        if reference is None:
            raise InvalidDefinition(
                f"Task {self.name!r} cannot run in a worker with processes, which import it: "
                f"{_why_not_importable(self)}. "
                "Define it at the top level of a module, or use a worker with threads."
            )
        return reference


class SyncTask(TaskDefinition[P, R_co]):
    """A plain function as a task."""

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function, here and now; no queue is involved."""
        return cast("R_co", self.function(*args, **kwargs))


class AsyncTask(TaskDefinition[P, R_co]):
    """An ``async`` function as a task."""

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[object, None, R_co]:
        """Call the function: a coroutine to be awaited; no queue is involved."""
        return cast("Coroutine[object, None, R_co]", self.function(*args, **kwargs))


class ContextTask(TaskDefinition[P, R_co]):
    """A plain function that takes its context first, as a task."""

    def __call__(self, context: Context, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function with a context of the caller's making; no queue is involved."""
        return cast("R_co", self.function(context, *args, **kwargs))


class AsyncContextTask(TaskDefinition[P, R_co]):
    """An ``async`` function that takes its context first, as a task."""

    def __call__(self, context: Context, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[object, None, R_co]:
        """Call the function with a context of the caller's making: a coroutine to be awaited."""
        return cast("Coroutine[object, None, R_co]", self.function(context, *args, **kwargs))


class TaskDecorator(Protocol):
    """What ``@task(…)`` returns: makes the definition of a function."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, R], /) -> SyncTask[P, R]: ...


class ContextTaskDecorator(Protocol):
    """What ``@task(takes_context=True, …)`` returns: makes the definition of a function that takes a context first."""

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
    ) -> AsyncContextTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], R], /) -> ContextTask[P, R]: ...


@overload
def task(function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...  # type: ignore[overload-overlap]
@overload
def task(function: Callable[P, R], /) -> SyncTask[P, R]: ...
@overload
def task(
    *, takes_context: Literal[True], atomic: bool = False, name: str | None = None, **options: Unpack[OptionKeywords]
) -> ContextTaskDecorator: ...
@overload
def task(
    *,
    takes_context: Literal[False] = False,
    atomic: bool = False,
    name: str | None = None,
    **options: Unpack[OptionKeywords],
) -> TaskDecorator: ...
def task(
    function: Callable[..., object] | None = None,
    /,
    *,
    takes_context: bool = False,
    atomic: bool = False,
    name: str | None = None,
    **options: Unpack[OptionKeywords],
) -> object:
    """Make a function a task: ``@task``, or ``@task(retry=…, queue_name=…)`` with any of ``OptionKeywords``.

    ``name`` is what stored tasks are known by: keep it when the function moves, so that tasks enqueued before are
    still run. ``takes_context=True`` passes a Context as the first argument of each run; callers leave it out.
    ``atomic=True`` runs a plain function in a transaction of the database that the tasks are in: what it writes there
    and its success are committed together, or not at all. Only workers with threads, on a backend that can
    (``Capability.TRANSACTIONS``), run it.

    Raises InvalidOption for an unknown or impossible option, InvalidDefinition for what cannot be a task.
    """
    given = TaskOptions.of(options, "@task(…)", ("name", "takes_context", "atomic"))

    def decorate(function: Callable[..., object]) -> TaskDefinition[..., object]:
        return _define(function, name, given, takes_context=takes_context, is_atomic=atomic)

    return decorate if function is None else decorate(function)


_BY_POSITION = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)

_CLASSES: dict[tuple[bool, bool], type[TaskDefinition[..., object]]] = {
    (False, False): SyncTask,
    (True, False): AsyncTask,
    (False, True): ContextTask,
    (True, True): AsyncContextTask,
}


def _define(
    function: Callable[..., object], name: str | None, options: TaskOptions, *, takes_context: bool, is_atomic: bool
) -> TaskDefinition[..., object]:
    shown = getattr(function, "__qualname__", None) or repr(function)
    _check_function(function, shown, takes_context=takes_context)
    if name is None:
        if not hasattr(function, "__qualname__"):
            raise InvalidDefinition(f"{shown} has no name of its own: give it one with @task(name=…).")
        name = f"{_module_name(function)}.{function.__qualname__}"
    check_name("name", name)
    is_async = inspect.iscoroutinefunction(function)
    if not isinstance(is_atomic, bool):
        raise InvalidOption(f"@task(atomic=…) is True or False, not {is_atomic!r}.")
    if is_atomic and is_async:
        raise InvalidDefinition(
            f"{shown} is async: a transaction belongs to one thread. atomic=True needs a plain def."
        )
    definition = _CLASSES[is_async, takes_context](
        name=name,
        function=function,
        options=options,
        call_options=TaskOptions(),
        takes_context=takes_context,
        is_async=is_async,
        is_atomic=is_atomic,
        call_signature=CallSignature(name, function, takes_context=takes_context),
    )
    _ = definition.spec_template  # says now what cannot travel
    return definition


def _check_function(function: object, shown: str, *, takes_context: bool) -> None:
    if isinstance(function, (staticmethod, classmethod)):
        raise InvalidDefinition(f"{shown} is a {type(function).__name__}: put @staticmethod above @task.")
    if isinstance(function, TaskDefinition):
        raise InvalidDefinition(f"{function.name!r} is a task already: use @task once.")
    if not callable(function) or isinstance(function, type):
        raise InvalidDefinition(f"{shown} is no function: @task is for functions.")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidDefinition(f"{shown} is a generator: a task returns one value; add items with ctx.item(…).")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise InvalidDefinition(f"{shown} has no signature that Python can tell: wrap it in a function.") from error
    owner = shown.rpartition(".")[0]
    if parameters and parameters[0].name in ("self", "cls") and owner and not owner.endswith(">"):
        raise InvalidDefinition(f"{shown} is a method: no object comes with a stored task. Use a function.")
    if takes_context and not (parameters and parameters[0].kind in _BY_POSITION):
        raise InvalidDefinition(f"{shown} takes no positional argument that its context could be passed as.")


def _names_of_module(function: Callable[..., object]) -> dict[str, Any]:
    return getattr(inspect.unwrap(function), "__globals__", {})


def _module_name(function: Callable[..., object]) -> str:
    """Return the name of a function's module; for ``__main__``, the name that its file has when it is imported."""
    module = getattr(function, "__module__", None) or "__main__"
    return module_name(module, _names_of_module(function) if module in MAIN_MODULES else {})


def _is_importable(function: Callable[..., object]) -> bool:
    """Whether the module's name leads to the module; a script's may lead elsewhere (test.py), or nowhere."""
    names, name = _names_of_module(function), _module_name(function)
    if getattr(function, "__module__", None) not in MAIN_MODULES or names.get("__spec__") is not None:
        return name != "__main__"
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None and Path(spec.origin).resolve() == _file_of(names)


def _file_of(names: dict[str, Any]) -> Path | None:
    file = names.get("__file__")
    return Path(file).resolve() if isinstance(file, str) else None


def _find_reference(definition: TaskDefinition[..., object]) -> str | None:
    """Return where a definition stands in its module: by the function's own name, or the name it was assigned to."""
    function = definition.function
    if not _is_importable(function):
        return None
    module, names = _module_name(function), _names_of_module(function)
    path = getattr(function, "__qualname__", "<unknown>")
    if _is_there(names, path, definition):
        return f"{module}:{path}"
    for name, value in names.items():
        if isinstance(value, TaskDefinition) and value.call_signature is definition.call_signature:
            return f"{module}:{name}"
    return None


def _is_there(names: dict[str, object], path: str, definition: TaskDefinition[..., object]) -> bool:
    first, *rest = path.split(".")
    found = names.get(first)
    for step in rest:
        found = getattr(found, step, None)
    return isinstance(found, TaskDefinition) and found.call_signature is definition.call_signature


def _why_not_importable(definition: TaskDefinition[..., object]) -> str:
    path = getattr(definition.function, "__qualname__", "")
    if "<lambda>" in path:
        return "it is a lambda"
    if "<locals>" in path:
        return "it is defined inside a function"
    if not _is_importable(definition.function):
        return "it is defined in a main module that cannot be imported by the name of its file"
    return f"its module has no top-level name for it ({path!r} is something else there)"


def import_definition(reference: str) -> TaskDefinition[..., object]:
    """Import what ``import_reference`` of a definition said, in another process; raises InvalidDefinition.

    For references that a parent process passes to its child, never for anything that comes from a store.
    """
    place, is_made, text = reference.partition("?")
    module_name, _, path = place.partition(":")
    try:
        found: Any = import_module(module_name)
        for step in path.split("."):
            found = getattr(found, step)
        if is_made:
            found = found(text)
    except Exception as error:  # a module may raise anything when it is imported
        raise InvalidDefinition(
            f"The task at {reference!r} cannot be imported: {type(error).__name__}: {error}."
        ) from error
    if not isinstance(found, TaskDefinition):
        raise InvalidDefinition(f"{reference!r} is no task, but a {type(found).__name__}.")
    return found
