"""The change record: what an auditor reads years later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from reconciler.model.outcome import Outcome, Proof
from reconciler.model.plan import Plan, PlanTicket
from reconciler.model.resource import Fields

RunStatus = Literal["complete", "partial", "interrupted", "noop", "denied", "failed"]


@dataclass(frozen=True, slots=True)
class Run:
    """One apply from its first intent to its close. Times are RFC 3339, UTC."""

    run_id: str
    purpose: Literal["apply", "contain", "release", "routine"]
    applied_by: Fields  # who and where: user, host, pid, login display names; public
    started_at: str


@dataclass(frozen=True, slots=True)
class RunResult:
    """Everything the record is made from."""

    run: Run
    plan: Plan
    ticket: PlanTicket
    status: RunStatus
    outcomes: tuple[Outcome, ...]
    proofs: tuple[Proof, ...] = ()
    ended_at: str = ""
    entities: Fields = field(default_factory=dict)  # subject -> entity id, so that the server's log stays readable
