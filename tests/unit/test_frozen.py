"""``made_quickly``: the instances are those that attrs would make."""

from __future__ import annotations

import copy
import inspect

import attrs
import pytest

from taskcore._data import Task, TaskSpec
from taskcore._frozen import made_quickly
from taskcore._transitions import Change


@made_quickly
@attrs.frozen(weakref_slot=False)
class Quick:
    first: int
    second: int = 2
    many: list[int] = attrs.field(factory=list)
    named: str = attrs.field(default="x", kw_only=True)


def test_fields_are_as_given():
    """Given by position or by name, all fields hold what was given."""
    made = Quick(1, second=3, many=[4], named="y")
    assert (1, 3, [4], "y") == attrs.astuple(made)


def test_defaults_stand_in():
    """A field that is not given has its default; a factory is asked for each instance."""
    one, other = Quick(1), Quick(1)
    assert (1, 2, [], "x") == attrs.astuple(one)
    assert one.many is not other.many


def test_instances_are_frozen():
    """An instance is of the frozen class from the moment its maker has it."""
    made = Quick(1)
    assert type(made) is Quick
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.first = 2


def test_equal_hashed_shown_and_copied_as_ever():
    """Equality, hash, text and copies are attrs' own."""
    spec = TaskSpec(id="1", name="n", enqueued_at=None)
    assert attrs.evolve(spec, priority=1) == attrs.evolve(spec, priority=1) != spec
    assert hash(spec) == hash(copy.deepcopy(spec))
    assert repr(spec).startswith("TaskSpec(id='1', name='n', ")
    assert spec == copy.copy(spec)


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((1, 2, 3, 4), {}), ((1,), {"other": 2})])
def test_wrong_calls_are_refused(args, kwargs):
    """A field that is missing, too many or unknown is a TypeError that names ``__init__``."""
    with pytest.raises(TypeError, match=r"__init__\(\)"):
        Quick(*args, **kwargs)


@pytest.mark.parametrize("cls", [Task, TaskSpec, Change])
def test_signatures_stay(cls):
    """What a reader or a type checker at run time sees is what attrs' own ``__init__`` shows."""
    shown = inspect.signature(cls).parameters
    assert [field.name for field in attrs.fields(cls)] == list(shown)
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in shown.values())
    assert set(cls.__init__.__annotations__) == {*shown, "return"}


def test_subclasses_are_made_by_attrs():
    """A subclass may have more fields, or none of its own."""

    @attrs.frozen
    class More(Quick):
        extra: int = 5

    class Bare(Quick):
        pass

    assert (1, 2, [], "x", 7) == attrs.astuple(More(1, extra=7))
    assert 1 == Bare(1).first
    assert type(Bare(1)) is Bare


def test_an_interpreter_that_keeps_classes_apart_is_served_by_attrs():
    """Where no instance may change its class, attrs' own ``__init__`` stays."""

    @attrs.frozen  # with a slot for weak references the layouts differ
    class Slow:
        first: int

    before = Slow.__init__
    assert made_quickly(Slow) is Slow
    assert before is Slow.__init__
    assert 1 == Slow(1).first
