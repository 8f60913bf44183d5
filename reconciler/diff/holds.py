"""Telling an emergency from drift: who contained this subject, we or somebody else?"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.errors import Refused
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual, Resource


def foreign_containment(resources: Sequence[Resource], *, all_seen: bool) -> str:
    """Why an active subject must be put on hold; empty when nobody contained it behind our back.

    Our own containment leaves marks before it acts: the entity's `state` is written with `disabled`, a
    revocation is noted in KV before the CA is told, a KV entry goes before its entity. What lacks the
    mark was done by somebody else. `all_seen` is false when a system did not answer: then a missing
    entity means nothing.
    """
    entity = next((r for r in resources if r.type == "vault.entity"), None)
    certificates = [r for r in resources if r.type == "ca.certificate" and "/orphan/" not in r.address]
    if entity is not None and entity.fields.get("disabled") and entity.fields.get("state") == "active":
        return "its entity was disabled by somebody else"
    revoked = sorted(c.facts["serial"] for c in certificates if c.facts.get("revoked") == "foreign")
    if revoked:
        return f"its certificate {', '.join(revoked)} was revoked by somebody else"
    if entity is None and certificates and all_seen:
        return "its entity was deleted by somebody else while its certificates were in force"
    return ""


def lift(subject: SubjectRef, reason: str, actual: Actual) -> Change:
    """The change that releases a subject. Raises `Refused` when nobody holds it."""
    standing = actual.holds.get(subject)
    if standing is None:
        raise Refused(f"{subject} is not on hold", remedy="`idac plan` shows what is held")
    address = f"vault.entity/{subject}"
    return Change(
        address,
        subject,
        "release",
        "grant",
        reason,
        before={"hold": standing.reason, "since": standing.at},
        after={"hold": None},
        actual=actual.resources.get(address),
    )
