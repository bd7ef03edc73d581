"""``Output``: what stands for the future value of a task or group among the arguments of another task."""

from __future__ import annotations

from typing import Generic, TypeVar

import attrs

__all__ = ["Output"]

R_co = TypeVar("R_co", covariant=True)


@attrs.frozen
class Output(Generic[R_co]):
    """The value that a task (or a group: the list of its members' values) will have when it has finished.

    Got from ``handle.output``, which is *annotated* with the value's own type so that ``enqueue(add, handle.output)``
    type-checks; at run time it is this. It may stand at top level or one list, tuple or dict deep among the arguments
    of another task: that task then waits for ``parent_id``, and gets the value in its place.
    """

    parent_id: str
    is_group: bool = False
