"""The plan: what would happen, in order, and what stands in its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from reconciler.model.change import ACTIONS, Action, Change
from reconciler.model.manifest import Finding
from reconciler.model.resource import Fields

FORMAT_VERSION = "idac.plan/v1"


@dataclass(frozen=True, slots=True)
class Guard:
    """The verdict of one guard. `message` gives subject, figure, limit and remedy.

    A refusal stops everything, or govern and grant changes only (containment goes on), or nothing more than
    what the message names.
    """

    code: str
    status: Literal["passed", "refused"]
    message: str
    stops: Literal["everything", "grants", "nothing"] = "grants"


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
    digest: str = ""

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
