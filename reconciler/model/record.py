"""The change record: what an auditor reads years later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from reconciler.model.manifest import Finding
from reconciler.model.outcome import Outcome, Proof
from reconciler.model.plan import Plan, PlanTicket
from reconciler.model.resource import Fields

Purpose = Literal["apply", "contain", "release", "freeze", "thaw", "routine"]
RunStatus = Literal["complete", "partial", "interrupted", "noop", "denied", "failed"]


@dataclass(frozen=True, slots=True)
class Run:
    """One apply from its first intent to its close. Times are RFC 3339, UTC."""

    run_id: str
    purpose: Purpose
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


@dataclass(frozen=True, slots=True)
class RecordRef:
    """Where a record is. `seq` is its place in the ledger, from 0 (the leaf's index in the tree to come)."""

    seq: int
    path: str  # relative to the ledger's directory
    sha256: str  # of the file's exact bytes


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One record as it was read. `statement` is what is inside; `key_id` claims who signed it."""

    ref: RecordRef
    statement: Fields
    key_id: str


@dataclass(frozen=True, slots=True)
class PolicyThen:
    """The policy of an earlier run: its digest, and what it said where the ledger still has that."""

    sha256: str
    document: Fields | None


@dataclass(frozen=True, slots=True)
class Verification:
    """What checking a ledger found. `limits` says what these files alone can never show."""

    records: int
    journals: int
    head: RecordRef | None  # the newest record: compare it with one kept elsewhere
    findings: tuple[Finding, ...]
    limits: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """No error was found; `limits` still holds."""
        return not any(f.severity == "error" for f in self.findings)
