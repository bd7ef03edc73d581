"""Which specs ask for nothing unusual: most do not, and stores have a shorter way for them."""

from __future__ import annotations

from taskcore.protocol import OnParentFailure, TaskSpec

__all__ = ["is_plain"]


def is_plain(spec: TaskSpec) -> bool:
    """Return whether a spec says no more than name, queue, priority, arguments and how often it may be tried."""
    return (
        spec.run_after is None
        and spec.expires_at is None
        and spec.timeout is None
        and spec.soft_timeout is None
        and spec.retry is None
        and spec.group_id is None
        and spec.schedule_id is None
        and spec.slot is None
        and spec.retention is None
        and spec.label is None
        and spec.metadata_json is None
        and spec.unique is None
        and not spec.parents
        and spec.on_parent_failure is OnParentFailure.CANCEL
    )
