"""The conformance kit: every fact that must hold of a backend, as a check that needs no test framework.

With pytest, this is all that a backend's author writes::

    @pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.name)
    def test_my_backend_conforms(check, tmp_path):
        check(lambda clock: MyBackend(tmp_path / "queue", clock=clock))

A check calls the function once for a fresh, empty backend. A check of a backend that others can open too
(``Capability.CROSS_PROCESS``, ``DURABLE``) calls it again for a second opening of the same store; if the function makes
up a new place each time, give it an attribute ``reopen`` that opens the last one again.
"""

from taskcore.testing.conformance import (
    adding,
    circles,
    claims,
    crashes,
    dependencies,
    doors,
    empty_groups,
    expiry,
    faults,
    finding,
    groups,
    items,
    listing,
    moments,
    openings,
    operators,
    propagation,
    purging,
    refusals,
    runs,
    schedules,
    sealing,
    settling,
    suspects,
    table,
    threads,
    unique,
    waiting,
    workers,
)
from taskcore.testing.conformance._check import Check, MakeBackend, checks_of
from taskcore.testing.conformance._trial import CheckFailed

__all__ = ["CHECKS", "Check", "CheckFailed", "MakeBackend"]

CHECKS: tuple[Check, ...] = checks_of(
    (
        adding,
        doors,
        claims,
        suspects,
        settling,
        runs,
        table,
        crashes,
        expiry,
        operators,
        unique,
        dependencies,
        circles,
        propagation,
        groups,
        sealing,
        items,
        finding,
        listing,
        schedules,
        workers,
        purging,
        empty_groups,
        waiting,
        threads,
        faults,
        openings,
        refusals,
        moments,
    )
)
"""Every check, by subject."""
