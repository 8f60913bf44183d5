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


@dataclass(frozen=True, slots=True)
class Change:
    """One step. `before` and `after` are public facts: exactly what a reviewer sees and the digest covers.

    `desired` and `actual` are the whole resources, for the writer; they are never serialised.
    `needs` names addresses whose change in the same plan must have succeeded first.
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
