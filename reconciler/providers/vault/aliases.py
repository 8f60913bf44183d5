"""Puts aliases on entities (as grant) and takes them off (as contain). Never takes one over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.errors import Refused, Rejected
from reconciler.model.resource import Resource
from reconciler.providers.protocol import Clients
from reconciler.providers.vault.ownership import aliases


class Aliases:
    """One for a run: a mount's accessor is asked for once. A mount made anew has another, and refuses the old."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._accessors: Mapping[str, str] = {}  # by mount

    def add(self, desired: Resource, entity: Mapping[str, Any]) -> None:
        """Post the desired aliases that the entity lacks. Raises `Refused` when another entity holds one."""
        held = aliases(entity)
        for alias in desired.fields["aliases"]:
            if alias in held:
                continue
            mount, name = alias.split(":", 1)
            accessor = self._accessor(mount)
            grant = self._clients("grant")
            # Posting an alias that another entity holds would silently move it: ask first, refuse.
            question = {"alias_name": name, "alias_mount_accessor": accessor}
            (found,) = grant.ask_many("identity/lookup/entity", [question])
            if found.status not in (200, 204):
                raise Rejected(f"whether another entity holds alias {alias} cannot be asked ({found.status})")
            owner = found.data.get("id")
            if owner not in (None, entity["id"]):
                raise Refused(
                    f"alias {alias} is held by another entity, {owner}",
                    remedy="find out who gave it away; an alias is never taken over",
                )
            body = {"name": name, "canonical_id": entity["id"], "mount_accessor": accessor}
            grant.write("identity/entity-alias", body)

    def drop(self, desired: Resource, entity: Mapping[str, Any]) -> None:
        """Delete the entity's aliases that are not desired."""
        for alias, id_ in aliases(entity).items():
            if alias not in desired.fields["aliases"]:
                self._clients("contain").delete(f"identity/entity-alias/id/{id_}")

    def _accessor(self, mount: str) -> str:
        if mount not in self._accessors:
            mounts = self._clients("plan").read("sys/auth").data
            shown = {path.rstrip("/"): about for path, about in mounts.items() if isinstance(about, Mapping)}
            self._accessors = {
                path: str(about["accessor"]) for path, about in shown.items() if "accessor" in about
            }
        if mount not in self._accessors:
            raise Rejected(f"the server has no login method {mount}", remedy="run `idac bootstrap`")
        return self._accessors[mount]
