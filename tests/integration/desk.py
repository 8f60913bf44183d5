"""One subject of an estate, and a writer that reaches the real server through the weather."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.clock import stamp
from reconciler.model.change import Action, Change, Phase
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Fields, Resource
from reconciler.providers.vault.login import Logins
from reconciler.providers.vault.ownership import aliases
from reconciler.providers.vault.policies import grant_document
from reconciler.providers.vault.reader import VaultReader
from reconciler.providers.vault.resources import document, entity
from reconciler.providers.vault.seen import entity_fields
from reconciler.providers.vault.writer import VaultWriter
from tests.openbao import Raw, Server, fresh_estate
from tests.weather import Weather


def with_roles(server: Server, root: Path) -> Estate:
    """An estate with the roles `a` and `b`, which the grant login may put on entities."""
    made, raw = fresh_estate(server, root), server.raw()
    policy = document(grant_document(made, {"trader": [["a", "b"]]}))
    raw.ok("POST", f"sys/policies/acl/{made.prefix}grant", {"policy": policy})
    raw.close()
    return made


@dataclass(slots=True)
class Desk:
    """One subject, and a writer that reaches the server through the weather."""

    estate: Estate
    admin: Raw
    sky: Weather
    logins: Logins
    subject: SubjectRef
    id: str = ""  # of the entity, once it was made

    @property
    def writer(self) -> VaultWriter:
        return VaultWriter(self.logins.client, self.estate, "run-1", stamp)

    @property
    def name(self) -> str:
        return f"{self.estate.prefix}{self.subject.principal}"

    @property
    def path(self) -> str:
        return f"identity/entity/name/{self.name}"

    def wanted(self, *roles: str) -> Resource:
        return entity(self.estate, self.subject, roles)

    def shown(self) -> dict[str, Any]:
        return self.admin.ok("GET", self.path).data

    def seen(self) -> Resource:
        """The entity as the reader sees it now, among all others."""
        found = VaultReader(self.logins.client("plan"), self.estate).observe().resources
        return next(r for r in found if r.address == f"vault.entity/{self.subject}")

    def actual(self) -> Resource:
        """The same, read alone: by its id, since somebody may have renamed it."""
        shown = self.admin.ok("GET", f"identity/entity/id/{self.id}").data
        facts = {"id": self.id, "alias_ids": aliases(shown)}
        return Resource(f"vault.entity/{self.subject}", self.subject, entity_fields(shown), facts)

    def change(self, action: Action, phase: Phase, **more: Any) -> Change:
        return Change(f"vault.entity/{self.subject}", self.subject, action, phase, "because", **more)

    def create(self, *roles: str) -> Fields:
        made = self.writer.apply(self.change("create", "grant", desired=self.wanted(*roles)), {})
        self.id = str(made["id"])
        return made

    def disabling(self, actual: Resource, state: str = "containing") -> Change:
        return self.change("update", "contain", after={"disabled": True, "state": state}, actual=actual)

    def emergency(self) -> None:
        """Somebody disables the entity behind our back."""
        self.admin.ok("POST", self.path, {"disabled": True})

    def token(self, **more: Any) -> dict[str, Any]:
        """A token of the entity, as somebody who logged in has it."""
        role = f"for-{self.name}"
        body = {"allowed_entity_aliases": [self.name], "allowed_policies": ["default"], "orphan": True, **more}
        self.admin.ok("POST", f"auth/token/roles/{role}", body)
        accessor = self.admin.ok("GET", "sys/auth").data["token/"]["accessor"]
        alias = {"name": self.name, "canonical_id": self.shown()["id"], "mount_accessor": accessor}
        self.admin.ok("POST", "identity/entity-alias", alias)
        made = self.admin.ok("POST", f"auth/token/create/{role}", {"entity_alias": self.name, "ttl": "5m"})
        found: dict[str, Any] = made.body["auth"]
        return found
