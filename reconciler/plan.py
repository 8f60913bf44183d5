"""Changes -> Plan: order and digest. Pure. (The guards' verdicts come from `rules`.)"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reconciler.canonical import digest as canonical_digest
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding, Tree
from reconciler.model.plan import Guard, Plan
from reconciler.model.resource import Actual, Fields

SCOPE_ALL: Fields = {"all": True}


def plan(
    changes: Iterable[Change],
    actual: Actual,
    estate: Estate,
    tree: Tree,
    findings: Sequence[Finding],
    guards: Sequence[Guard],
    scope: Fields = SCOPE_ALL,
) -> Plan:
    """Order the changes, withhold what is given to subjects that a finding bars, and take the digest."""
    barred = {f.subject for f in findings if f.severity == "error" and f.subject is not None}
    kept = [
        c for c in sorted(changes, key=lambda c: c.order) if c.phase == "contain" or str(c.subject) not in barred
    ]
    reviewed = tuple(c for c in kept if not c.routine)
    routine = tuple(c for c in kept if c.routine)
    made = Plan(
        estate=estate.name,
        target=actual.target,
        scope=scope,
        manifests={"commit": tree.commit, "tree": tree.digest, "dirty": tree.dirty},
        policy=estate.policy_digest,
        policy_document=estate.policy_document,
        configuration=estate.configuration_digest,
        changes=reviewed,
        routine=_capped(routine, estate.spec.policy.routine_cap),
        unmanaged=actual.unmanaged,
        findings=tuple(findings),
        guards=tuple(guards),
        pending=actual.unavailable,
        holds=tuple(hold for _, hold in sorted(actual.holds.items())),
    )
    return replace(made, digest=canonical_digest(made.digested))


def _capped(routine: Sequence[Change], cap: int) -> tuple[Change, ...]:
    """The first of them, and the refresh of the revocation lists, without which a revocation is not done."""
    counted = [c for c in routine if c.type != "ca.crl"][:cap]
    return tuple(c for c in routine if c.type == "ca.crl" or c in counted)
