"""Finding an entity's tokens and ending them. The server has no index by entity, so every accessor is asked."""

from __future__ import annotations

from threading import Lock

from reconciler.errors import Denied, Rejected
from reconciler.model.resource import Fields
from reconciler.providers.protocol import Answer, Clients

LOOKUP = "auth/token/lookup-accessor"
# What the server says (400) of an accessor it does not know, and of a token whose entity is disabled or deleted.
_GONE = ("invalid accessor", "invalid token")


def is_gone(answer: Answer, path: str) -> bool:
    """Whether a token is dead, by the answer to a question about its accessor.

    Only the server's own words for that count. A refusal of the question (403) says nothing about the token:
    raises `Denied`. Any other refusal raises `Rejected`.
    """
    if answer.status == 200:
        return False
    said = "; ".join(str(e) for e in answer.body.get("errors") or ())
    if answer.status == 400 and any(words in said for words in _GONE):
        return True
    if answer.status == 403:
        raise Denied(f"{path} may not be asked, so it is not known which tokens stand")
    raise Rejected(f"{path} was answered with {answer.status}, so it is not known which tokens stand")


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
            # A token ends with its parent, which may have been revoked a moment ago.
            contain.write("auth/token/revoke-accessor", {"accessor": accessor}, tolerate=("No token found",))
        asked = contain.ask_many(LOOKUP, ({"accessor": a} for a in accessors))
        left = sum(1 for answer in asked if not is_gone(answer, LOOKUP))
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
        answers = contain.ask_many(LOOKUP, ({"accessor": a} for a in accessors))
        found: dict[str, list[str]] = {}
        for accessor, answer in zip(accessors, answers, strict=True):
            owner = "" if is_gone(answer, LOOKUP) else answer.data.get("entity_id")
            if not isinstance(owner, str):
                raise Rejected(f"{LOOKUP} does not say whose a token is")
            if owner:
                found.setdefault(owner, []).append(accessor)
        return found
