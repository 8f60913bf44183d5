"""Changes -> Plan: order and digest. Pure. (The guards' verdicts come from `rules`.)"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from reconciler.canonical import digest as canonical_digest
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding, Tree
from reconciler.model.plan import FORMAT_VERSION, Guard, Plan
from reconciler.model.resource import Actual

SCOPE_ALL = {"all": True}


def plan(
    changes: Iterable[Change],
    actual: Actual,
    estate: Estate,
    tree: Tree,
    findings: Sequence[Finding],
    guards: Sequence[Guard],
) -> Plan:
    """Order the changes, withhold grants from subjects that a finding bars, and take the digest."""
    barred = {f.subject for f in findings if f.severity == "error" and f.subject is not None}
    kept = [
        c for c in sorted(changes, key=lambda c: c.order) if not (c.phase == "grant" and str(c.subject) in barred)
    ]
    reviewed = tuple(c for c in kept if not c.routine)
    routine = tuple(c for c in kept if c.routine)
    made = Plan(
        estate=estate.name,
        target=actual.target,
        scope=SCOPE_ALL,
        manifests={"commit": tree.commit, "tree": tree.digest, "dirty": tree.dirty},
        policy=estate.policy_digest,
        configuration=estate.configuration_digest,
        changes=reviewed,
        routine=routine[: estate.spec.policy.routine_cap],
        unmanaged=actual.unmanaged,
        findings=tuple(findings),
        guards=tuple(guards),
        pending=actual.unavailable,
    )
    return replace(made, digest=plan_digest(made))


def plan_digest(made: Plan) -> str:
    """SHA-256 over the RFC 8785 form of everything that decides what would happen.

    Format version, estate, target, configuration and policy digests, scope, and the ordered changes with
    the managed fields observed at each address. No clock, no random value, no commit.
    """
    return canonical_digest(
        {
            "formatVersion": FORMAT_VERSION,
            "estate": made.estate,
            "target": made.target,
            "configuration": made.configuration,
            "policy": made.policy,
            "scope": made.scope,
            "changes": [_digested(c) for c in made.changes],
        }
    )


def _digested(change: Change) -> dict[str, Any]:
    return {
        "address": change.address,
        "subject": str(change.subject) if change.subject else None,
        "action": change.action,
        "phase": change.phase,
        "reason": change.reason,
        "before": change.before,
        "after": change.after,
        "observed": change.actual.fields if change.actual is not None else None,
    }
