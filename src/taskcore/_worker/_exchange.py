"""``Exchange``: the one place where a worker settles and claims, both in one call of the store where that can be.

Whoever has nothing better to do calls it: a thread whose buffer is empty, the listener after a hint, the cycle in
``run``. What has been posted is kept until the store has answered, however long the store is away; a repeated change
shows the same fence and a repeated claim the same nonce, so repeating is safe.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from random import Random
from uuid import uuid4

import attrs

from taskcore._data import Failure
from taskcore._run import Load
from taskcore._transitions import Change, Verdict
from taskcore._vocabulary import Event
from taskcore._worker._entry import Entry
from taskcore._worker._hold import Held, Holdings
from taskcore._worker._report import Reporter
from taskcore.errors import BackendClosed, BackendError, BackendFull, InvalidInput, RefusedChange
from taskcore.protocol import Applied, ApplyReply, Backend, ClaimRequest, Task

__all__ = ["Claims", "Exchange"]

_logger = logging.getLogger("taskcore.worker")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0
_REFUSED = f"{RefusedChange.__module__}.{RefusedChange.__qualname__}"
_LONGEST_PAUSE_WHILE_FULL = 1.0
_GIVE_UP_AFTER = 5
"""Failures of one change that was sent alone, after which it is let go."""


@attrs.frozen(kw_only=True)
class Claims:
    """What is the same in every claim of one worker."""

    worker_id: str
    queue_names: tuple[str, ...]
    lease: timedelta
    batch_size: int


class _Refusal(Exception):
    """The store will not have what one of these brings, such as a task to add that waits for one that is not there."""

    def __init__(self, error: InvalidInput, entries: list[Entry]) -> None:
        super().__init__(str(error))
        self.error = error
        self.entries = entries


class _NoRoom(Exception):
    """The store is full, and some of what it was sent brings new tasks: it may have room for the rest."""

    def __init__(self, error: BackendFull) -> None:
        super().__init__(str(error))
        self.error = error


@attrs.define
class _Pending:
    """A claim that was asked for; kept until it is answered, so that a lost reply loses no task."""

    request: ClaimRequest
    asked: float
    is_unknown: bool = False
    """A reply was lost, so that the store may have made it."""


class Exchange:
    """Settles what was posted, and claims what there is room for.

    ``room`` tells how many tasks to claim now (0: none) and whether suspects may be among them; ``receive`` is given
    what was claimed; ``reporter`` is told what became of each entry, after the store has answered.
    """

    def __init__(
        self,
        backend: Backend,
        claims: Claims,
        holdings: Holdings,
        outbox: deque[Entry],
        *,
        monotonic: Callable[[], float],
        random: Random,
        room: Callable[[], tuple[int, bool]],
        receive: Callable[[list[Held]], None],
        reporter: Reporter,
        make: Callable[[Task, float, float, float], Held],
    ) -> None:
        self._backend = backend
        self._claims = claims
        self._holdings = holdings
        self._monotonic = monotonic
        self._random = random
        self._room = room
        self._receive = receive
        self._reporter = reporter
        self._make = make
        self._lock = threading.Lock()
        self._pending: _Pending | None = None
        self._failures = 0
        self._failures_alone = 0
        self._alone = 0
        self._sparing: int | None = None
        """How many outcomes, none of which brings tasks, to send to a full store."""
        self._nonce = uuid4().hex[:16]
        self._asked_count = 0
        self.outbox = outbox
        self.retry_at = float("-inf")
        """The store failed: nothing is asked of it before this moment."""
        self.is_exhausted = False
        """The last claim returned fewer than it asked for: wait for a hint before the next."""
        self.claimed_at = monotonic()
        """When the store last answered to a claim."""
        self.is_empty_handed = False
        """The last claim returned nothing."""
        self.failure: Exception | None = None
        """What the store raised last, since it answered."""
        self.closed: BackendClosed | None = None
        """The backend was closed under the worker: it has to stop."""

    @property
    def is_away(self) -> bool:
        """Whether the store failed the last time it was asked."""
        return self._failures > 0

    @property
    def is_busy(self) -> bool:
        """Whether a thread is settling and claiming just now."""
        return self._lock.locked()

    @property
    def has_unknown_claim(self) -> bool:
        """Whether a claim was sent whose reply was lost: the store may hold tasks for us that we do not know."""
        return self._pending is not None

    def raise_failure(self) -> None:
        """Raise what the store raised last, if it has not answered since."""
        if self.failure is not None:
            raise self.failure

    def run(self, *, block: bool = True, start: Held | None = None) -> bool:
        """Settle and claim once. Return whether the store answered (and for ``start``: whether it may be run).

        ``block=False``: do nothing when another thread is at it. ``start``: write START for this one in the same
        step.
        """
        if not self._lock.acquire(blocking=block):
            return False
        settled: list[tuple[Entry, Applied]] = []
        try:
            return self._run_locked(settled, start)
        finally:
            self._lock.release()
            if settled:
                self._reporter.report(settled)

    def wait_for_reports(self, seconds: float) -> bool:
        """Wait until all is told that the store has answered to, ``seconds`` at most; return whether it is."""
        if self._lock.acquire(timeout=seconds):  # whoever had it has begun to report
            self._lock.release()
        return self._reporter.wait(seconds)

    def _run_locked(self, settled: list[tuple[Entry, Applied]], start: Held | None) -> bool:
        while True:
            try:
                return self._try_locked(settled, start)
            except _Refusal as refusal:
                self._single_out(refusal)
            except _NoRoom as full:
                return self._spare_room(settled, start, full.error)

    def _try_locked(self, settled: list[tuple[Entry, Applied]], start: Held | None) -> bool:
        now = self._monotonic()
        if now < self.retry_at or self.closed is not None:
            return False
        entries = self._next_entries()
        request = self._next_claim(now) if start is None else None
        if not entries and start is None and request is None:
            return True
        answered = self._ask(entries, request, start)
        if answered is None:
            return False
        entries, reply = answered
        self._note_success()
        self._alone = max(0, self._alone - len(entries))
        self._note_answers(entries, reply, settled)
        if request is not None:
            self._take(request, reply.claimed)
        return start is None or self._may_start(start, reply.applied[-1])

    def _ask(
        self, entries: list[Entry], request: ClaimRequest | None, start: Held | None
    ) -> tuple[list[Entry], ApplyReply] | None:
        """Make the call; return what was sent of the outcomes, and the answer; ``None`` when the store failed."""
        try:
            if entries and entries[0].decision.change.items:
                entries = self._send_items_ahead()
            changes = [entry.decision.change for entry in entries]
            if start is not None:
                changes.append(Change(task_id=start.task.id, event=Event.START, fence=start.task.fence))
            if changes:
                reply = self._backend.apply(changes, request)
            else:
                assert request is not None
                reply = ApplyReply(applied=(), claimed=tuple(self._backend.claim(request)))
            return entries, reply
        except BackendClosed as error:
            self.closed = self.failure = error
        except InvalidInput as error:
            if entries:
                raise _Refusal(error, entries) from error
            self._note_failure(error, entries)
        except BackendFull as error:
            if self._pending is not None and not self._pending.is_unknown:
                self._pending = None  # nothing was done, so no answer is outstanding
            if self._sparing is None and any(entry.decision.change.tasks for entry in entries):
                raise _NoRoom(error) from error
            self._note_failure(error, entries)
        except Exception as error:
            self._note_failure(error, entries)
        return None

    def _note_answers(self, entries: list[Entry], reply: ApplyReply, settled: list[tuple[Entry, Applied]]) -> None:
        """Take what was answered out of the outbox; a success that is refused for what it brings becomes a failure."""
        again: list[Entry] = []
        answered: list[tuple[Entry, Applied]] = []
        for entry, answer in zip(entries, reply.applied, strict=False):
            self.outbox.popleft()
            if answer.verdict is Verdict.REFUSED and entry.decision.change.event is Event.SUCCEED:
                failure = Failure(exception_type=_REFUSED, message=f"The store refuses what it enqueued: {answer.why}")
                again.append(entry.failed(failure))
            else:
                answered.append((entry, answer))
        self.outbox.extendleft(reversed(again))
        self._reporter.begin(len(answered))
        settled += answered
        for entry, _answer in answered:
            self._holdings.drop(entry.held)

    def _next_entries(self) -> list[Entry]:
        """Return the outcomes for the next call: as many as it takes, with the items that they bring; one at least."""
        count = min(len(self.outbox), 1 if self._alone else self._claims.batch_size * 2)
        if self._sparing is not None:
            count = min(count, self._sparing)
        entries = [self.outbox[index] for index in range(count)]
        load: Load | None = None
        for index, entry in enumerate(entries):
            if items := entry.decision.change.items:
                load = load or Load()
                if len(load.take(items)) < len(items) and index:
                    return entries[:index]
        return entries

    def _spare_room(self, settled: list[tuple[Entry, Applied]], start: Held | None, error: BackendFull) -> bool:
        """Settle what brings no new tasks, and claim: a full store may take that, and have more room then.

        What brings some goes behind it, and is sent again after a pause, with what has come by then.
        """
        entries = [self.outbox.popleft() for _ in range(len(self.outbox))]
        entries.sort(key=lambda entry: bool(entry.decision.change.tasks))
        self.outbox.extendleft(reversed(entries))
        self._sparing = sum(not entry.decision.change.tasks for entry in entries)
        try:
            is_answered = self._try_locked(settled, start)
        finally:
            self._sparing = None
        if self._monotonic() >= self.retry_at:  # else that has failed, too
            self._note_failure(error, [])
        return is_answered and start is not None

    def _send_items_ahead(self) -> list[Entry]:
        """Send what the first outcome brings of items too many for one call; return the outcomes for the next call."""
        while True:
            entry = self.outbox[0]
            change = entry.decision.change
            items = Load().take(change.items)
            if len(items) == len(change.items):
                return self._next_entries()
            ahead = Change(
                task_id=change.task_id,
                event=Event.HEARTBEAT,
                fence=change.fence,
                extend=self._claims.lease,
                items=items,
            )
            answer = self._backend.apply([ahead]).applied[0]
            self._note_success()
            is_held = answer.verdict is Verdict.APPLIED  # if not, the outcome will not be taken either
            change = attrs.evolve(change, items=change.items[len(items) :] if is_held else ())
            self.outbox[0] = attrs.evolve(entry, decision=attrs.evolve(entry.decision, change=change))

    def _next_claim(self, now: float) -> ClaimRequest | None:
        if self._pending is None:
            limit, allow_suspects = self._room()
            if limit <= 0:
                return None
            self._asked_count += 1
            request = ClaimRequest(
                worker_id=self._claims.worker_id,
                nonce=f"{self._nonce}{self._asked_count:x}",
                queue_names=self._claims.queue_names,
                limit=min(limit, self._claims.batch_size),
                lease=self._claims.lease,
                allow_suspects=allow_suspects,
            )
            self._pending = _Pending(request, now)
        return self._pending.request

    def _take(self, request: ClaimRequest, claimed: tuple[Task, ...]) -> None:
        pending = self._pending
        assert pending is not None
        self._pending = None
        self.claimed_at = self._monotonic()
        self.is_exhausted = len(claimed) < request.limit
        self.is_empty_handed = not claimed
        if not claimed:
            return
        lease = request.lease.total_seconds()
        deadline, renew_at = pending.asked + lease, pending.asked + lease / 3
        now = self.claimed_at
        made = [self._make(task, deadline, renew_at, now) for task in claimed]
        self._holdings.all.update((held.key, held) for held in made)
        self._receive(made)

    def _may_start(self, start: Held, answer: Applied) -> bool:
        if answer.verdict is not Verdict.APPLIED:
            start.lose()
            return False
        start.mark_started()
        start.cancel_level = answer.cancel_level
        return True

    def _note_success(self) -> None:
        """Note that the store has answered; when it is only being spared, that does not make it well."""
        if self._sparing is None:
            self._failures = self._failures_alone = 0
            self.failure = None

    def _note_failure(self, error: Exception, entries: list[Entry]) -> None:
        self._failures += 1
        self.failure = error
        if self._pending is not None:
            self._pending.is_unknown = True
        longest = _LONGEST_PAUSE_WHILE_FULL if isinstance(error, BackendFull) else _LONGEST_PAUSE
        pause = min(longest, _FIRST_PAUSE * 2.0 ** min(self._failures - 1, 10))
        pause *= 0.5 + 0.5 * self._random.random()
        self.retry_at = self._monotonic() + pause
        level = logging.WARNING if self._failures <= 3 or self._failures % 20 == 0 else logging.DEBUG
        _logger.log(
            level,
            "The store failed (%s: %s); %d outcomes are kept, again in %.2f s.",
            type(error).__name__,
            error,
            len(self.outbox),
            pause,
            exc_info=None if isinstance(error, BackendError) else error,
        )
        if isinstance(error, BackendError) or not entries:
            return
        if not self._alone:  # one of them may be what the store chokes on: find out which
            self._alone = len(entries)
            self._failures_alone = 0
            return
        self._failures_alone += 1
        if self._failures_alone >= _GIVE_UP_AFTER:
            self._let_go(entries[0], error)

    def _single_out(self, refusal: _Refusal) -> None:
        """Find the change that the store will not have, by sending them alone; nothing is gained by waiting."""
        if len(refusal.entries) > 1:
            self._alone = len(refusal.entries)
        else:
            self._let_go(refusal.entries[0], refusal.error)

    def _let_go(self, entry: Entry, error: Exception) -> None:
        """Take out a change that the store cannot take, so that it does not hold up the others.

        What it brought is left out and the task fails with the store's words; if not even that can be stored, its
        lease is left to lapse.
        """
        self.outbox.popleft()
        self._failures_alone = 0
        task = entry.held.task
        if entry.decision.change.event is Event.FAIL:
            self._holdings.drop(entry.held)
        else:
            failure = Failure(
                exception_type=f"{type(error).__module__}.{type(error).__qualname__}",
                message=f"The store cannot take its {entry.decision.change.event.value}: {str(error)[:1000]!a}",
            )
            self.outbox.appendleft(entry.failed(failure))
        _logger.error("The store cannot take the outcome of task %s (%s).", task.id, task.name, exc_info=error)
