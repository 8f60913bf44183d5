"""Finding an entity's tokens and ending them. The server has no index by entity, so every accessor is asked."""

from __future__ import annotations

from threading import Lock

from reconciler.errors import Rejected
from reconciler.model.resource import Fields
from reconciler.providers.protocol import Clients

GONE = (400, 403, 404)  # what the server says of an accessor it does not know


class Tokens:
    """One sweep over all accessors serves a whole run: whoever is contained was disabled before it began."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._swept: dict[str, list[str]] | None = None
        self._lock = Lock()

    def revoke(self, entity_id: str, *, fresh: bool = False) -> Fields:
        """Revoke every token of one entity. `_accessors` names them for the prover and goes nowhere else.

        Raises `Rejected` when one of them still answers afterwards.
        """
        accessors = self._of(entity_id, fresh=fresh)
        contain = self._clients("contain")
        for accessor in accessors:
            contain.write("auth/token/revoke-accessor", {"accessor": accessor})
        asked = contain.ask_many("auth/token/lookup-accessor", ({"accessor": a} for a in accessors))
        left = sum(1 for answer in asked if answer.status not in GONE)
        if left:
            raise Rejected(f"{left} tokens of entity {entity_id} still stand after they were revoked")
        return {"revoked": len(accessors), "_accessors": accessors}

    def _of(self, entity_id: str, *, fresh: bool) -> list[str]:
        with self._lock:
            if self._swept is None or fresh:
                self._swept = self._sweep()
            return self._swept.get(entity_id, [])

    def _sweep(self) -> dict[str, list[str]]:
        contain = self._clients("contain")
        accessors = contain.list("auth/token/accessors").keys
        answers = contain.ask_many("auth/token/lookup-accessor", ({"accessor": a} for a in accessors))
        found: dict[str, list[str]] = {}
        for accessor, answer in zip(accessors, answers, strict=True):
            owner = answer.data.get("entity_id") if answer.status == 200 else ""
            if owner:
                found.setdefault(owner, []).append(accessor)
        return found
