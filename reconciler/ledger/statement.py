"""RunResult -> in-toto Statement v1: the change record. Pure.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md. The predicate is ours
(docs/schemas/record-v1.schema.json). Every number is a string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from reconciler.canonical import canonical
from reconciler.ledger.journal import Written
from reconciler.ledger.plain import plain
from reconciler.model.change import Change
from reconciler.model.outcome import Outcome, Proof
from reconciler.model.plan import FORMAT_VERSION, Plan, PlanTicket
from reconciler.model.record import RecordRef, Run, RunResult

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:idac:predicate:change:v1"
SHA256 = re.compile(r"\A[0-9a-f]{64}\Z")
_CERTIFICATE_FACTS = (
    "serial", "fingerprint", "spki", "issuer_spki", "profile", "profile_digest", "not_before", "not_after"
)  # fmt: skip


def header(run: Run, plan: Plan, ticket: PlanTicket) -> dict[str, Any]:
    """What is known before the run begins: the journal opens with it, and the record repeats it."""
    return {
        "runId": run.run_id,
        "purpose": run.purpose,
        "appliedBy": run.applied_by,
        "startedAt": run.started_at,
        "estate": plan.estate,
        "target": plan.target,
        "plan": {
            "formatVersion": FORMAT_VERSION,
            "planId": ticket.plan_id,
            "sha256": plan.digest,
            "createdAt": ticket.created_at,
            "expiresAt": ticket.expires_at,
            "scope": plan.scope,
            "summary": plan.summary,
        },
        "manifests": plan.manifests,
        "policy": {"sha256": plan.policy},
        "configuration": {"sha256": plan.configuration},
        "guards": [{"code": g.code, "status": g.status, "message": g.message} for g in plan.guards],
        "pending": plan.pending,
        "tool": {"name": "idac", "version": version("idac")},
        "clock": {"source": "system", "offsetMs": "unknown"},
    }


def completed(result: RunResult, opened: Mapping[str, Any], journal: Written) -> dict[str, Any]:
    """The body of a record whose run came to its end."""
    return {
        **opened,
        "status": result.status,
        "endedAt": result.ended_at,
        "actions": [_action(n, o, result.plan.digest) for n, o in enumerate(result.outcomes)],
        "certificates": list(_certificates(result.outcomes)),
        "proofs": [_proof(p) for p in result.proofs],
        "entities": result.entities,
        "journal": journal_reference(journal),
    }


def journal_reference(journal: Written) -> dict[str, Any]:
    """Binds a record to its journal's exact bytes."""
    return {
        "name": f"journal/{journal.name}",
        "sha256": journal.sha256,
        "lines": journal.lines,
        "torn": journal.torn,
        "closedAs": journal.closed_as,
    }


def payload(body: Mapping[str, Any], seq: int, previous: RecordRef | None) -> bytes:
    """The bytes to sign: the whole statement in RFC 8785 form, at its place in the chain."""
    before = None if previous is None else {"seq": previous.seq, "sha256": previous.sha256}
    predicate = {"seq": seq, "previous": before, **body}
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": list(_subjects(body)),
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }
    return canonical(plain(statement))


def _subjects(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What the record is about, so that it is found by any of these digests. The journal is always there."""
    named = {
        body["journal"]["name"]: body["journal"]["sha256"],
        "plan": body["plan"].get("sha256"),
        "manifests": body["manifests"].get("tree"),
        **{
            f"certificate/{c['fingerprint']}": c["fingerprint"] for c in body["certificates"] if "fingerprint" in c
        },
    }
    for name, sha256 in named.items():
        if SHA256.match(str(sha256)):  # other verifiers refuse a subject whose digest is none
            yield {"name": name, "digest": {"sha256": sha256}}


def _action(n: int, outcome: Outcome, plan_digest: str) -> dict[str, Any]:
    change = outcome.change
    return {
        "n": n,
        "idempotencyKey": f"{plan_digest}:{n}",
        "address": change.address,
        "type": change.type,
        "subject": _name(change),
        "action": change.action,
        "phase": change.phase,
        "routine": change.routine,
        "reason": change.reason,
        "before": change.before,
        "after": change.after,
        "result": outcome.status,
        "error": outcome.error,
        "startedAt": outcome.started_at,
        "endedAt": outcome.ended_at,
        "evidence": outcome.evidence,
    }


def _name(change: Change) -> str | None:
    return None if change.subject is None else str(change.subject)


def _certificates(outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    """Who got, kept or lost which certificate: the answer to "who held serial X at time T"."""
    for outcome in outcomes:
        change = outcome.change
        if change.type != "ca.certificate" or outcome.status != "applied":
            continue
        facts = _facts(change, outcome)
        serials = _serials(change, facts)
        for serial in serials:
            current = serial == facts.get("serial") or len(serials) == 1
            yield {
                **({k: facts[k] for k in _CERTIFICATE_FACTS if k in facts} if current else {}),
                "serial": serial,
                "subject": _name(change),
                "address": change.address,
                "action": change.action,
                "reason": change.reason,
                "replaces": facts.get("previous") if change.action == "rotate" else None,
            }


def _facts(change: Change, outcome: Outcome) -> dict[str, Any]:
    """What is known of the certificate: as asked for, or, for a revocation, as it stood; then the evidence."""
    known = change.actual if change.action == "revoke" else change.desired
    return {**(known.fields if known else {}), **(known.facts if known else {}), **outcome.evidence}


def _serials(change: Change, facts: Mapping[str, Any]) -> tuple[str, ...]:
    if change.action == "revoke":
        return tuple((change.before or {}).get("serials") or facts.get("serials") or ())
    return (facts["serial"],) if facts.get("serial") else ()


def _proof(proof: Proof) -> dict[str, Any]:
    return {
        "subject": str(proof.subject),
        "system": proof.system,
        "status": proof.status,
        "detail": proof.detail,
        "evidence": proof.evidence,
    }
