"""A plan as a document: what `plan --out` writes, `apply --plan` and reviewers read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.errors import InvalidInput
from reconciler.model.change import Change
from reconciler.model.manifest import Finding
from reconciler.model.plan import FORMAT_VERSION, Plan, PlanTicket
from reconciler.model.record import RunResult
from reconciler.model.resource import Hold

LARGEST = 256 * 1024 * 1024  # bytes; a plan of 100,000 changes stays well below


def plan_document(plan: Plan, ticket: PlanTicket) -> dict[str, Any]:
    """The JSON form (docs/schemas/plan-v1.schema.json). Public facts only."""
    return {
        "formatVersion": FORMAT_VERSION,
        "planId": ticket.plan_id,
        "digest": plan.digest,
        "estate": plan.estate,
        "target": dict(plan.target),
        "scope": dict(plan.scope),
        "createdAt": ticket.created_at,
        "expiresAt": ticket.expires_at,
        "manifests": dict(plan.manifests),
        "policy": plan.policy,
        "summary": dict(plan.summary),
        "changes": [change_document(c) for c in plan.changes],
        "routine": [change_document(c) for c in plan.routine],
        "unmanaged": list(plan.unmanaged),
        "findings": [finding_document(f) for f in plan.findings],
        "guards": [{"code": g.code, "status": g.status, "message": g.message} for g in plan.guards],
        "pending": dict(plan.pending),
        "holds": [hold_document(h) for h in plan.holds],
    }


def change_document(change: Change) -> dict[str, Any]:
    """One change as reviewers and the digest see it."""
    return {
        "address": change.address,
        "subject": str(change.subject) if change.subject is not None else None,
        "action": change.action,
        "phase": change.phase,
        "reason": change.reason,
        "before": change.before,
        "after": change.after,
    }


def hold_document(hold: Hold) -> dict[str, Any]:
    """One hold: who, why, who put it there, and since when."""
    return {"subject": str(hold.subject), "reason": hold.reason, "by": hold.by, "since": hold.at}


def finding_document(finding: Finding) -> dict[str, Any]:
    """One finding; `file` and `line` are null where it has no place."""
    return {
        "code": finding.code,
        "severity": finding.severity,
        "subject": finding.subject,
        "message": finding.message,
        "file": finding.origin.path if finding.origin else None,
        "line": finding.origin.line if finding.origin else None,
        "column": finding.origin.column if finding.origin else None,
    }


def result_document(result: RunResult) -> dict[str, Any]:
    """What `apply --format json` prints: every outcome and every proof."""
    return {
        "runId": result.run.run_id,
        "planId": result.ticket.plan_id,
        "digest": result.plan.digest,
        "status": result.status,
        "startedAt": result.run.started_at,
        "endedAt": result.ended_at,
        "findings": [finding_document(f) for f in result.plan.findings],
        "guards": [{"code": g.code, "status": g.status, "message": g.message} for g in result.plan.guards],
        "holds": [hold_document(h) for h in result.plan.holds],
        "outcomes": [
            {
                "address": o.change.address,
                "subject": str(o.change.subject) if o.change.subject is not None else None,
                "action": o.change.action,
                "phase": o.change.phase,
                "routine": o.change.routine,
                "status": o.status,
                "error": o.error,
                "evidence": dict(o.evidence),
            }
            for o in result.outcomes
        ],
        "proofs": [
            {
                "subject": str(p.subject),
                "system": p.system,
                "status": p.status,
                "detail": p.detail,
                "evidence": dict(p.evidence),
            }
            for p in result.proofs
        ],
    }


def read_plan(text: bytes, name: str) -> Mapping[str, Any]:
    """A reviewed plan, from its file. Only its identity is used: apply never executes a stored plan.

    Raises `InvalidInput` for what is not a plan of this format version.
    """
    if len(text) > LARGEST:
        raise InvalidInput(
            f"{name} is {len(text)} bytes, more than any plan", remedy="name the file `idac plan` wrote"
        )
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise InvalidInput(
            f"{name} is not JSON, or says something twice", remedy="name the file that `idac plan --out` wrote"
        ) from None
    if not isinstance(document, dict) or document.get("formatVersion") != FORMAT_VERSION:
        raise InvalidInput(
            f"{name} is not a plan of format {FORMAT_VERSION}", remedy="make it anew with this version"
        )
    for field in ("planId", "digest", "createdAt", "expiresAt", "estate"):
        if not isinstance(document.get(field), str):
            raise InvalidInput(f"{name} has no {field}", remedy="make the plan anew")
    if not isinstance(document.get("changes"), list):
        raise InvalidInput(f"{name} has no list of changes", remedy="make the plan anew")
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names differ: of two values under one name a reviewer may see the other one."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice")
    return made
