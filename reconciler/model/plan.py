"""The plan: what would happen, in order, and what stands in its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from reconciler.model.change import ACTIONS, Action, Change
from reconciler.model.manifest import Finding, SubjectRef
from reconciler.model.resource import Fields, Hold

FORMAT_VERSION = "idac.plan/v1"


@dataclass(frozen=True, slots=True)
class Guard:
    """The verdict of one guard. `message` gives subject, figure, limit and remedy.

    A refusal stops everything, or govern and grant changes only (containment goes on), or nothing more than
    what the message names. `subjects` are those whose containment it stops as well.
    """

    code: str
    status: Literal["passed", "refused"]
    message: str
    stops: Literal["everything", "grants", "nothing"] = "grants"
    subjects: frozenset[SubjectRef] = frozenset()

    def forbids(self, change: Change) -> bool:
        """Whether a refusal of this guard stops that change."""
        by_phase = self.stops == "grants" and change.phase != "contain"
        return self.status == "refused" and (
            self.stops == "everything"
            or by_phase
            or (change.subject is not None and change.subject in self.subjects)
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordered changes with their digest. Pure: no clock and no random value went into `digest`."""

    estate: str
    target: Fields
    scope: Fields
    manifests: Fields  # commit, tree
    policy: str  # SHA-256 of the policy in force
    configuration: str  # SHA-256 of the estate's configuration
    changes: tuple[Change, ...]
    routine: tuple[Change, ...] = ()
    unmanaged: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    guards: tuple[Guard, ...] = ()
    pending: Mapping[str, str] = field(default_factory=dict)  # provider -> why it could not be seen
    holds: tuple[Hold, ...] = ()  # who is held as this plan is made: nothing is granted to them
    digest: str = ""
    policy_document: Fields = field(default_factory=dict)  # what `policy` is the digest of

    @property
    def digested(self) -> Fields:
        """What `digest` is taken over, and what the ledger keeps under that name: all that would happen.

        Format version, estate, target, configuration and policy digests, scope, and the ordered changes with
        the managed fields observed at each address. No clock, no random value, no commit.
        """
        return {
            "formatVersion": FORMAT_VERSION,
            "estate": self.estate,
            "target": self.target,
            "configuration": self.configuration,
            "policy": self.policy,
            "scope": self.scope,
            "changes": [_digested(c) for c in self.changes],
        }

    @property
    def summary(self) -> dict[Action, int]:
        """How many changes of each action, routine ones excluded."""
        return {a: sum(1 for c in self.changes if c.action == a) for a in ACTIONS}

    @property
    def refused(self) -> tuple[Guard, ...]:
        """The guards that forbid this plan."""
        return tuple(g for g in self.guards if g.status == "refused")

    def stopped(self, change: Change) -> str:
        """Which guard forbids this change; empty for none."""
        for guard in self.refused:
            if guard.forbids(change):
                what = f"{change.subject} is" if change.phase == "contain" else "grants are"
                what = "everything is" if guard.stops == "everything" else what
                return f"{what} stopped by {guard.code}: {guard.message}"
        return "no revocation is carried out that it would publish" if self._idle(change) else ""

    def _idle(self, change: Change) -> bool:
        """Whether it is a CRL refresh for the sake of revocations, all of which a guard stops."""
        if change.type != "ca.crl" or change.desired is None or change.actual is None:
            return False
        if change.actual.fields != change.desired.fields:
            return False
        revoking = [
            c for c in (*self.changes, *self.routine) if c.type == "ca.certificate" and c.action == "revoke"
        ]
        return bool(revoking) and all(any(g.forbids(c) for g in self.refused) for c in revoking)

    @property
    def empty(self) -> bool:
        """Nothing to change, not even a routine renewal."""
        return not self.changes and not self.routine


@dataclass(frozen=True, slots=True)
class PlanTicket:
    """What makes a plan single-use and short-lived. Outside the digest. Times are RFC 3339, UTC."""

    plan_id: str
    created_at: str
    expires_at: str


def _digested(change: Change) -> Fields:
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
