"""Outcomes and proofs: what was done, and what was seen afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Fields

Status = Literal["applied", "failed", "not-attempted"]
ProofStatus = Literal["proved", "failed", "told", "not-covered"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change. `evidence` holds public facts: serials, fingerprints, versions, counts."""

    change: Change
    status: Status
    evidence: Fields = field(default_factory=dict)
    error: str = ""
    started_at: str = ""
    ended_at: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """One question asked of a live system after containment, and its answer.

    `proved`: asked afresh and the power is gone. `failed`: asked, and it is not (or no answer came).
    `told`: another system was notified and answered. `not-covered`: nobody asked, and the name says of what.
    """

    subject: SubjectRef
    system: str  # such as "vault.entity", "ca.crl", "ca.ocsp", "open connections"
    status: ProofStatus
    detail: str
    evidence: Fields = field(default_factory=dict)
