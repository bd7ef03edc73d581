"""Groups without members: one that was sealed so, or never had any, is purged after ``EMPTY_GROUPS_KEPT``."""

from __future__ import annotations

from taskcore.protocol import EMPTY_GROUPS_KEPT
from taskcore.records.columns import span
from taskcore_backends.django._transaction import Transaction

__all__ = ["purge_empty_groups"]

_IS_EMPTY = """
    g.members = 0
    AND (g.finished_at <= %s OR (g.total IS NULL AND g.purged = 0 AND g.created_at <= %s))
    AND NOT EXISTS (SELECT 1 FROM taskcore_dependency AS e WHERE e.parent_id = g.id AND e.mark > 0 {share})
"""


def purge_empty_groups(tx: Transaction, limit: int) -> None:
    """Delete up to ``limit`` of them, the oldest first, unless an unfinished task waits for them.

    They are held first, and looked at again then: a child or a member may have come meanwhile.
    """
    before = tx.now - span(EMPTY_GROUPS_KEPT)
    sql = f"""
        SELECT g.id FROM taskcore_group AS g WHERE {_IS_EMPTY.format(share="")}
        ORDER BY coalesce(g.finished_at, g.created_at), g.id LIMIT %s {tx.dialect.lock_free}
    """
    held = [group_id for (group_id,) in tx.rows(sql, (before, before, limit))]
    sql = f"SELECT g.id FROM taskcore_group AS g WHERE {_IS_EMPTY.format(share=tx.share)} AND g.id IN ({{}}) {tx.share}"
    doomed = tx.many(sql, sorted(held), before=(before, before))
    tx.run_many("DELETE FROM taskcore_group WHERE id IN ({})", sorted(group_id for (group_id,) in doomed))
