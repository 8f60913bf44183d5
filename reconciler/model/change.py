"""Changes: the difference between desired and actual, one step each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Address, Fields, Resource, resource_type

Action = Literal["create", "update", "rotate", "revoke", "delete", "hold", "release"]
Phase = Literal["contain", "govern", "grant"]
ACTIONS: tuple[Action, ...] = ("create", "update", "rotate", "revoke", "delete", "hold", "release")
PHASES: tuple[Phase, ...] = ("contain", "govern", "grant")

# Within a phase, every change of a lower step is finished before one of a higher step begins.
_CONTAIN_STEPS = {
    "vault.login": 2,
    "ca.issuer": 3,
    "ca.certificate": 4,
    "ca.crl": 5,
    "vault.token": 6,
    "hsm.key": 7,
}
_GRANT_STEPS = {
    "vault.entity": 0,
    "hsm.key": 1,
    "vault.mfa": 1,
    "ca.certificate": 2,
    "vault.token": 2,
    "vault.login": 3,
}


@dataclass(frozen=True, slots=True)
class Change:
    """One step. `before` and `after` are public facts: exactly what a reviewer sees and the digest covers.

    `desired` and `actual` are the whole resources, for the writer; they are never serialised.
    """

    address: Address
    subject: SubjectRef | None
    action: Action
    phase: Phase
    reason: str
    before: Fields | None = None
    after: Fields | None = None
    desired: Resource | None = None
    actual: Resource | None = None
    routine: bool = False

    @property
    def type(self) -> str:
        """The resource's type, such as `vault.entity`."""
        return resource_type(self.address)

    @property
    def group(self) -> str:
        """Changes of one group stand and fall together: a subject, or one object that has no subject."""
        return str(self.subject) if self.subject is not None else self.address.split("/", 1)[-1]

    @property
    def closes(self) -> bool:
        """Whether this ends a containment (deletes or seals the entity): it waits for every proof."""
        sealed = self.action == "delete" or (self.after or {}).get("state") == "contained"
        return self.type == "vault.entity" and self.phase == "contain" and sealed

    @property
    def whole(self) -> bool:
        """Whether it is about all that its subject has, not about one credential of somebody who stays."""
        return self.type == "vault.entity" or self.address == f"vault.token/{self.group}"

    @property
    def tier(self) -> str:
        """The MFA tier that must be shown to hold for this: the tier itself, or a login's; empty for none."""
        if self.type == "vault.mfa":
            taken = self.action == "delete" or "leaves" in (self.after or {})
            return "" if taken else self.address.partition("/")[2]
        making = self.type == "vault.login" and self.action == "create" and self.desired is not None
        return str(self.desired.facts.get("tier", "")) if making and self.desired is not None else ""

    @property
    def signs_in(self) -> str:
        """The MFA tier whose claims ID tokens must carry to log in by what this makes; empty for none."""
        making = self.type == "vault.login" and self.action == "create"
        return str(self.desired.facts.get("signs_in", "")) if making and self.desired is not None else ""

    @property
    def asks(self) -> bool:
        """Whether a probe must show that what it gives is held to an MFA tier."""
        return bool(self.tier or self.signs_in)

    @property
    def step(self) -> int:
        """Its place within its phase (DESIGN, Plan: contain, then govern, then grant)."""
        if self.phase == "govern":
            return 1 if self.action == "delete" else 0
        if self.phase == "grant" and self.type == "vault.mfa" and "joins" not in (self.after or {}):
            return 5 if self.action == "delete" else 4  # whoever moves is under the new tier by then
        if self.phase == "grant":
            return _GRANT_STEPS.get(self.type, 0)
        if self.type == "vault.entity":
            return 9 if self.closes else 0 if self.action == "hold" else 1
        return _CONTAIN_STEPS.get(self.type, 2)

    @property
    def order(self) -> tuple[int, int, str, str]:
        """Sorts a plan."""
        return PHASES.index(self.phase), self.step, self.address, self.action
