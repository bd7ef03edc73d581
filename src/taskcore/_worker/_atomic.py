"""Tasks whose own writes and whose SUCCEED are one transaction: exactly once, as far as the store's database goes.

The store begins a transaction in the thread of the task; the function writes in it, and its success is settled in it,
fence compared. If anything but a success comes of it, nothing of the function's writes stays.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from taskcore._data import Failure
from taskcore._naming import type_name
from taskcore._policy import GivenBack, Outcome, Returned, Unstorable
from taskcore._run import Run, outcome_of_exception
from taskcore._transitions import Change, Verdict
from taskcore._worker._hold import Held
from taskcore._worker._settling import Settling
from taskcore.errors import BackendError, RefusedChange
from taskcore.protocol import TransactionalStore

__all__ = ["perform_atomically"]

_UNCOMMITTED_DELAY = timedelta(seconds=1)


def perform_atomically(
    store: TransactionalStore, settling: Settling, held: Held, run: Run, perform: Callable[[], Outcome]
) -> Outcome:
    """Run a task in a transaction of the store's; return the outcome that is left to be sent.

    A success that is returned here is settled already: sent once more it is answered ALREADY. When it is not known
    whether the transaction was committed the task is given back: if it was, its fence is used up, and that is STALE.
    """
    outcomes: list[Outcome] = []

    def work() -> Change | None:
        outcome = perform()
        outcomes.append(outcome)
        return settling.decide(held, outcome).change if isinstance(outcome, Returned) else None

    try:
        answer = store.settle_in_transaction(work)
    except BackendError as error:
        if outcomes and not isinstance(outcomes[0], Returned):
            return outcomes[0]
        return GivenBack(f"its transaction was not committed ({error})", _UNCOMMITTED_DELAY, has_begun=bool(outcomes))
    except Exception as error:  # what the database has against the function's writes, told at the commit
        return outcome_of_exception(run, error)
    if answer is None or answer.verdict in (Verdict.APPLIED, Verdict.ALREADY):
        return outcomes[0]
    if answer.verdict is Verdict.REFUSED:
        message = f"The store refuses what it enqueued: {answer.why}"
        return Unstorable(Failure(exception_type=type_name(RefusedChange), message=message))
    return GivenBack("its lease was lost", has_begun=True)
