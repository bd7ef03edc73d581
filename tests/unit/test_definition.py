"""``@task``: what may be a task, how calls are checked, and where a definition is imported from."""

import asyncio
import functools
import inspect
import subprocess
import sys
import textwrap
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskcore._call import Call, spec_for
from taskcore._definition import (
    AsyncContextTask,
    AsyncTask,
    ContextTask,
    SyncTask,
    TaskDefinition,
    import_definition,
    task,
)
from taskcore.errors import InvalidArguments, InvalidDefinition, InvalidOption

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)


@task
def add(a: int, b: int = 0) -> int:
    """Add."""
    return a + b


@task(takes_context=True, priority=3)
def with_context(ctx, shop: str) -> str:
    return f"{ctx}:{shop}"


@task
async def wait(value: int) -> int:
    return value


@task(takes_context=True)
async def wait_with_context(ctx, value: int) -> int:
    return value


renamed = task(name="elsewhere.renamed")(add.function)


class Space:
    @staticmethod
    @task
    def inner(value: int) -> int:
        return value


def test_plain_call_is_the_function():
    """A definition is called as the function always was."""
    assert (5, "c:x") == (add(2, b=3), with_context("c", "x"))
    assert (7, 8) == (asyncio.run(wait(7)), asyncio.run(wait_with_context(None, 8)))


@pytest.mark.parametrize(
    ("definition", "kind", "is_async", "takes_context"),
    [
        (add, SyncTask, False, False),
        (wait, AsyncTask, True, False),
        (with_context, ContextTask, False, True),
        (wait_with_context, AsyncContextTask, True, True),
    ],
)
def test_class_of_a_definition(definition, kind, is_async, takes_context):
    """Each of the four forms of function has its class."""
    assert (kind, is_async, takes_context) == (type(definition), definition.is_async, definition.takes_context)


def test_name_is_module_and_qualname():
    """Unless it is given, the name says where the function was written."""
    assert (f"{__name__}.add", f"{__name__}.Space.inner", "elsewhere.renamed") == (
        add.name,
        Space.inner.name,
        renamed.name,
    )


def test_tools_see_the_function():
    """Inspect finds the signature of the function."""
    assert ("(a: int, b: int = 0) -> int", add.function) == (str(inspect.signature(add)), inspect.unwrap(add))


def test_bind_makes_a_call():
    """A call holds the definition and the arguments as they were given."""
    call = add.bind(1, b=2)
    assert (Call(add, (1,), {"b": 2}), add.options) == (call, call.options)


def test_call_using():
    """A call can be given options after the fact."""
    assert 7 == spec_for(add.bind(1).using(priority=7), task_id="x", now=NOW, payload_limit=99).priority


@pytest.mark.parametrize(
    ("args", "kwargs", "why"),
    [
        ((), {}, "missing a required argument: 'a'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"a": 1}, "multiple values for argument 'a'"),
        ((1,), {"c": 1}, "unexpected keyword argument 'c'"),
    ],
)
def test_arguments_that_do_not_fit(args, kwargs, why):
    """They are refused with the task, the signature, and what does not fit."""
    with pytest.raises(InvalidArguments) as caught:
        add.bind(*args, **kwargs)
    message = str(caught.value)
    assert (True, True) == (why in message, "signature is add(a: int, b: int = 0) -> int." in message), message


def test_context_is_not_an_argument():
    """Callers leave the context out, and the message shows the signature without it."""
    assert ("x",) == with_context.bind("x").args
    with pytest.raises(InvalidArguments, match=r"too many positional arguments; its signature is .*\(shop: str\)"):
        with_context.bind(None, "x")  # type: ignore[call-arg]


@task(name="t.selfish")
def selfish(**values: int) -> int:
    return sum(values.values())


def test_argument_of_any_name():
    """No name of an argument collides with those of the definition's own methods."""
    assert ({"self": 1, "definition": 2}, 3) == (
        selfish.bind(self=1, definition=2).kwargs,
        selfish(self=1, definition=2),
    )


def _f1(): ...
def _f2(a): ...
def _f3(a, b=1): ...
def _f4(a, /, b, *, c): ...
def _f5(a, /, b=1, *, c=2): ...
def _f6(a=1, /, b=2): ...
def _f7(*args): ...
def _f8(a, *args, b, **kwargs): ...
def _f9(a, /, **kwargs): ...
def _f10(a, b=1, **kwargs): ...
def _f11(*, a, b=1): ...
def _f12(a=1, /, *args, b=2): ...


FUNCTIONS: list[Any] = [_f1, _f2, _f3, _f4, _f5, _f6, _f7, _f8, _f9, _f10, _f11, _f12]
DEFINITIONS = {function: task(name=function.__name__)(function) for function in FUNCTIONS}


@given(
    st.sampled_from(FUNCTIONS),
    st.lists(st.integers(), max_size=4),
    st.dictionaries(st.sampled_from("abcd"), st.integers(), max_size=4),
)
def test_check_agrees_with_python(function, args, kwargs):
    """The precompiled check says what calling the function would, for every kind of parameter."""
    try:
        function(*args, **kwargs)
        expected = True
    except TypeError:
        expected = False
    try:
        DEFINITIONS[function].bind(*args, **kwargs)
        actual = True
    except InvalidArguments:
        actual = False
    assert expected == actual


def test_any_function_with_a_name_given():
    """A partial has no name of its own, and is a task once it is given one."""
    partial = functools.partial(add.function, b=5)
    with pytest.raises(InvalidDefinition, match=r"has no name of its own: give it one with @task\(name=…\)"):
        task(partial)
    assert 6 == task(name="t.partial")(partial)(1)


def _generator():
    yield 1


async def _async_generator():
    yield 1


class _Owner:
    def method(self): ...


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (_generator, "is a generator"),
        (_async_generator, "is a generator"),
        (3, "3 is no function"),
        (int, "is no function"),
        (add, "is a task already"),
        (staticmethod(add.function), "put @staticmethod above @task"),
        (classmethod(add.function), "is a classmethod"),
        (_Owner.method, "is a method"),
        (max, "has no signature"),
    ],
)
def test_what_cannot_be_a_task(function, why):
    """It is refused when it is defined."""
    with pytest.raises(InvalidDefinition, match=why):
        task(function)


def test_context_needs_a_place():
    """A function without a positional parameter cannot be given a context."""
    with pytest.raises(InvalidDefinition, match="takes no positional argument that its context could be passed as"):
        task(takes_context=True)(lambda *, value: value)  # type: ignore[misc]
    assert (1, 2) == task(takes_context=True)(lambda *args: args).bind(1, 2).args


@pytest.mark.parametrize("name", ["", 3, "a\n", "x" * 256])
def test_name_is_checked(name):
    """A name has to be one that every store can hold."""
    with pytest.raises(InvalidOption, match="The option name must be a text"):
        task(name=name)(add.function)


def test_import_reference():
    """It names the module and the place in it, also inside a class, or by the name that it was assigned to."""
    assert (f"{__name__}:add", f"{__name__}:Space.inner", f"{__name__}:renamed") == (
        add.check_importable(),
        Space.inner.check_importable(),
        renamed.check_importable(),
    )


def test_using_has_the_import_reference_of_its_definition():
    """Options do not change where a definition is."""
    assert add.import_reference == add.using(priority=3).import_reference


def test_lambda_is_a_task_for_threads_only():
    """A lambda or nested function can be called and bound, but not imported by another process."""

    @task
    def nested() -> int:
        return 3

    inline = task(lambda: 3)
    assert (3, 3, (), None, None) == (
        nested(),
        inline(),
        inline.bind().args,
        nested.import_reference,
        inline.import_reference,
    )
    with pytest.raises(
        InvalidDefinition, match=r"cannot run in a worker with processes.*it is defined inside a function"
    ):
        nested.check_importable()
    with pytest.raises(InvalidDefinition, match="it is a lambda"):
        inline.check_importable()


def test_definition_without_a_name_in_its_module():
    """A function that stands in its module as something else cannot be imported as a task."""
    with pytest.raises(InvalidDefinition, match="its module has no top-level name for it"):
        DEFINITIONS[_f1].check_importable()


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("no_such_module:f", "No module named"),
        ("taskcore.errors:nothing", "has no attribute"),
        ("taskcore.errors:TaskcoreError", "is no task, but a type"),
        ("", "cannot be imported"),
    ],
)
def test_import_of_what_is_no_definition(reference, why):
    """A child process that is sent a wrong reference says which."""
    with pytest.raises(InvalidDefinition, match=why):
        import_definition(reference)


SCRIPT = """
    import sys
    sys.path[:0] = {path!r}
    from taskcore._definition import import_definition, task

    @task
    def job(value: int) -> int:
        return value

    if __name__ == "__main__":
        print(job.name, job.import_reference)
        found = import_definition(job.import_reference) if job.import_reference else None
        print(found is not job and found is not None and found.name == job.name)
"""


def run(tmp_path: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout.split()


@pytest.fixture
def source() -> str:
    import taskcore

    return textwrap.dedent(SCRIPT).format(path=[str(Path(next(iter(taskcore.__path__))).parent)])


def test_script_is_known_by_its_file(tmp_path, source):
    """A task of a script has the name and the reference that it has when the file is imported."""
    (tmp_path / "work.py").write_text(source)
    assert ["work.job", "work:job", "True"] == run(tmp_path, "work.py")


def test_module_run_with_m_is_known_by_its_module(tmp_path, source):
    """So has one that is run with ``python -m``."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "work.py").write_text(source)
    assert ["shop.work.job", "shop.work:job", "True"] == run(tmp_path, "-m", "shop.work")


def test_script_that_hides_behind_another_module_is_not_importable(tmp_path, source):
    """A script whose name leads to another module cannot be imported by it, and is told so."""
    (tmp_path / "json.py").write_text(source)
    script = f"import json, runpy; runpy.run_path({str(tmp_path / 'json.py')!r}, run_name='__main__')"
    assert ["json.job", "None", "False"] == run(tmp_path / "..", "-c", script)


def test_definitions_are_compared_by_identity():
    """Two definitions of one function are two things, and can be keys."""
    assert 2 == len({add, add.using()})


def test_repr_is_short():
    """A definition in a message is readable."""
    assert (True, True) == ("t.lambda" in (text := repr(task(name="t.lambda")(lambda: 1))), "CallSignature" not in text)


def test_repr_of_options_names_those_that_were_given():
    """Seventeen options that were not given say nothing."""
    assert "TaskOptions(priority=3)" == repr(task(priority=3)(lambda: 1).options)


def test_definition_is_a_task_definition():
    """What ``@task`` returns is a TaskDefinition."""
    assert isinstance(add, TaskDefinition)


def made_of(text: str):
    """What another process calls for the reference of ``test_a_definition_can_be_made_by_a_function``."""
    return task(name=text)(lambda: text)


def test_a_definition_can_be_made_by_a_function():
    """A reference with a text behind it is answered by what the function returns for that text."""
    made = attrs.evolve(made_of("a b"), imported_as=f"{__name__}:made_of?a b")
    assert made.check_importable() == f"{__name__}:made_of?a b"
    assert "a b" == import_definition(made.check_importable()).name
