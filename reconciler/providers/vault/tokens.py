"""Finding an entity's tokens and ending them. The server has no index by entity, so every accessor is asked."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

from reconciler.errors import Denied, Rejected
from reconciler.model.resource import Fields
from reconciler.providers.protocol import Answer, Clients
from reconciler.x509 import colons

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
    if answer.status == 400 and any(words in answer.said for words in _GONE):
        return True
    if answer.status == 403:
        raise Denied(f"{path} may not be asked, so it is not known which tokens stand")
    raise Rejected(f"{path} was answered with {answer.status}, so it is not known which tokens stand")


@dataclass(frozen=True, slots=True)
class Which:
    """Tokens got by logging in with one role, or with one of these certificates (serials)."""

    login: str
    serials: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Token:
    """A live token: its accessor, and what the server noted at its login: the role's name, the certificate."""

    accessor: str
    login: str
    serial: str

    def got_by(self, which: Which | None) -> bool:
        return which is None or (bool(self.login) and self.login == which.login) or self.serial in which.serials


class Tokens:
    """One sweep over all accessors serves all that is contained: whoever is was disabled before it began, and a
    credential that is taken was refused everywhere before. Whoever comes under an MFA tier later was not."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._swept: dict[str, list[_Token]] | None = None
        self._lock = Lock()

    def revoke(self, entity_id: str, which: Which | None = None, *, fresh: bool = False) -> Fields:
        """Revoke every token of one entity, or those that `which` names. `_accessors` names them for the prover
        and goes nowhere else.

        Raises `Rejected` when one of them still answers afterwards.
        """
        accessors = [token.accessor for token in self._of(entity_id, fresh=fresh) if token.got_by(which)]
        contain = self._clients("contain")
        for accessor in accessors:
            # A token ends with its parent, which may have been revoked a moment ago.
            contain.write("auth/token/revoke-accessor", {"accessor": accessor}, tolerate=("No token found",))
        asked = contain.ask_many(LOOKUP, ({"accessor": a} for a in accessors))
        left = sum(1 for answer in asked if not is_gone(answer, LOOKUP))
        if left:
            raise Rejected(f"{left} tokens of entity {entity_id} still stand after they were revoked")
        return {"revoked": len(accessors), "_accessors": accessors}

    def forget(self) -> None:
        """Sweep afresh for the next question: from this moment on a login needs more than it did."""
        with self._lock:
            self._swept = None

    def _of(self, entity_id: str, *, fresh: bool) -> list[_Token]:
        with self._lock:
            if self._swept is None or fresh:
                self._swept = self._sweep()
            return self._swept.get(entity_id, [])

    def _sweep(self) -> dict[str, list[_Token]]:
        contain = self._clients("contain")
        accessors = contain.list("auth/token/accessors").keys
        answers = contain.ask_many(LOOKUP, ({"accessor": a} for a in accessors))
        found: dict[str, list[_Token]] = {}
        for accessor, answer in zip(accessors, answers, strict=True):
            owner = "" if is_gone(answer, LOOKUP) else answer.data.get("entity_id")
            if not isinstance(owner, str):
                raise Rejected(f"{LOOKUP} does not say whose a token is")
            if owner:
                found.setdefault(owner, []).append(_token(accessor, answer))
        return found


def _token(accessor: str, answer: Answer) -> _Token:
    meta = answer.data.get("meta") or {}
    serial = str(meta.get("serial_number", ""))  # decimal
    role = str(meta.get("cert_name") or meta.get("role") or "")  # of cert auth, of JWT auth
    return _Token(accessor, role, colons(int(serial)) if serial.isdecimal() else "")
