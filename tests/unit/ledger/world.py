"""Runs to record: a joiner and a leaver, applied and proved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from reconciler.ledger.store import Ledger
from reconciler.ledger.trust import ensure_record_key
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Outcome, Proof
from reconciler.model.plan import Guard, Plan, PlanTicket
from reconciler.model.record import RecordRef, Run, RunResult, RunStatus
from tests.unit.test_plan import joiners_and_leaver, make

BOB = SubjectRef("trader", "bob")
FINGERPRINT = "ab" * 32
TICKET = PlanTicket("plan-1", "2026-11-24T11:00:00Z", "2026-11-25T11:00:00Z")
ISSUED = {
    "serial": "1a:2b",
    "fingerprint": FINGERPRINT,
    "not_before": "2026-11-24T12:00:00Z",
    "not_after": "2026-11-25T12:00:00Z",
}


class Clock:
    """Ticks a second a call."""

    def __init__(self, start: int = 0) -> None:
        self._seconds = count(start)

    def __call__(self) -> str:
        hours, rest = divmod(next(self._seconds), 3600)
        return f"2026-11-24T{hours % 24:02}:{rest // 60:02}:{rest % 60:02}Z"


def the_plan() -> Plan:
    made = make(joiners_and_leaver())
    return replace(made, manifests={"commit": "c1", "tree": "cd" * 32, "dirty": False}, guards=(GUARD,))


GUARD = Guard("G02", "passed", "1 of 2 subjects is removed, 5 allowed")


def evidence(change: Change) -> dict[str, Any]:
    issued = change.type == "ca.certificate" and change.phase == "grant"
    return dict(ISSUED) if issued else {"version": 3}


def the_run(run_id: str, **more: Any) -> Run:
    by = {"user": "ops", "host": "runner-1", "pid": 4711}
    return Run(run_id, more.get("purpose", "apply"), by, "2026-11-24T12:00:00Z")


def the_result(run_id: str, clock: Clock, status: RunStatus = "complete") -> RunResult:
    plan = the_plan()
    outcomes = tuple(Outcome(c, "applied", evidence(c), "", clock(), clock()) for c in plan.changes)
    proofs = (
        Proof(BOB, "vault.entity", "proved", "entity absent", {"id": "e-1"}),
        Proof(BOB, "open connections", "not-covered", "sessions already open are not ended"),
    )
    return RunResult(the_run(run_id), plan, TICKET, status, outcomes, proofs, clock(), {"trader/anna": "e-2"})


def new_ledger(root: Path, clock: Clock | None = None) -> Ledger:
    ticking = clock or Clock()
    signer = ensure_record_key(root / ".idac", root / "plans", "2026-11-24T00:00:00Z")
    return Ledger(root / "plans", signer, ticking)


def record(
    ledger: Ledger, run_id: str, clock: Clock, status: RunStatus = "complete", changes: int = 99
) -> RecordRef:
    """One whole run: opened, every change (or the first so many) and call written down, closed."""
    plan = the_plan()
    journal = ledger.open(the_run(run_id), plan, TICKET)
    for n, change in enumerate(plan.changes[:changes]):
        journal.intent(n, change.address, change.action, f"{plan.digest}:{n}")
        journal.before_write("POST", f"some/path/{n}")
        journal.after_write("POST", f"some/path/{n}", 200)
        journal.outcome(n, "applied", evidence(change), "")
    return ledger.close(journal, the_result(run_id, clock, status))


def some_records(root: Path, names: Sequence[str] = ("run-a", "run-b", "run-c")) -> Ledger:
    clock = Clock()
    ledger = new_ledger(root, clock)
    for name in names:
        record(ledger, name, clock)
    return ledger
