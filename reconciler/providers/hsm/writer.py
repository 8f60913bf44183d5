"""Makes, renews, deactivates and destroys keys, one change at a time. Everything is read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.errors import Refused, Rejected
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Fields
from reconciler.providers.hsm.backend import StoredKey, Token
from reconciler.providers.hsm.resources import FOR_GOOD, key_name
from reconciler.providers.hsm.seen import facts, resource
from reconciler.providers.protocol import Known, actual_of, desired_of
from reconciler.x509 import read_csr

CHANGED = "it changed since it was observed"
REPLAN = "run `idac plan` again"
_EVIDENCE = ("spki", "version", "created", "custody", "versions")


class HsmWriter:
    """Reads as plan, gives as grant, takes as contain. Thread-safe."""

    def __init__(self, tokens: Mapping[str, Token], estate: Estate) -> None:
        self._tokens, self._estate = tokens, estate

    def apply(self, change: Change, known: Known) -> Fields:
        """Do it, read it back, and say with which key. Raises `IdacError`."""
        doing: Mapping[tuple[str, str], Callable[[Change], Fields]] = {
            ("grant", "create"): self._create,
            ("grant", "rotate"): self._rotate,
            ("grant", "update"): self._update,
            ("contain", "revoke"): self._revoke,
            ("contain", "delete"): self._destroy,
        }
        act = doing.get((change.phase, change.action))
        if change.type != "hsm.key" or act is None:
            raise Rejected(f"the HSM provider cannot {change.action} {change.address}")
        return act(change)

    def request(self, address: str, spki: str) -> str:
        """A certificate request for the newest version of a standing key, which must be that of `spki`.

        Raises `Rejected` when it is another, and `CryptoError` when the token's signature does not verify.
        """
        token = self._token(address)
        key = token.read(self._name(address))
        if key is None or not key.versions or key.versions[-1].spki != spki:
            raise Rejected(f"{address}: {CHANGED}", remedy=REPLAN)
        csr = read_csr(token.request(key.name, key.versions[-1].name))
        if csr.spki != spki:
            raise Rejected(f"{address}: the token signed the request with another key", remedy=REPLAN)
        return csr.pem

    # -- giving ------------------------------------------------------------------------------------------

    def _create(self, change: Change) -> Fields:
        """A key that is there already is one that a killed run made, or none of ours."""
        desired, token = desired_of(change), self._token(change.address)
        name = str(desired.fields["name"])
        standing = token.read(name)
        if standing is None:
            token.make(name, str(desired.fields["algorithm"]))
        elif resource(self._estate, token, standing).fields != desired.fields:
            raise Rejected(f"{change.address}: {CHANGED}", remedy=REPLAN)
        return self._check(change, token, name)

    def _rotate(self, change: Change) -> Fields:
        actual, token = actual_of(change), self._token(change.address)
        key = self._unchanged(change, token)
        if key.versions[-1].name == actual.facts["version"]:  # else an earlier attempt did it
            token.renew(key.name)
        made = self._check(change, token, key.name)
        if made["spki"] == actual.facts["spki"]:
            raise Rejected(f"{change.address} has no new version after it was told to", remedy=REPLAN)
        return made

    def _update(self, change: Change) -> Fields:
        token = self._token(change.address)
        key = self._unchanged(change, token)
        if not key.active:
            token.activate(key.name)
        wanted = desired_of(change).fields
        if any(key.posture[n] != wanted[n] for n in key.posture.keys() - FOR_GOOD[token.backend]):
            token.mend(key.name)
        return self._check(change, token, key.name)

    def _check(self, change: Change, token: Token, name: str) -> Fields:
        """What then stands, which must be what was asked."""
        key = token.read(name)
        if key is None:
            raise Rejected(f"{change.address} is not there after it was made", remedy=REPLAN)
        shown, wanted = resource(self._estate, token, key).fields, desired_of(change).fields
        wrong = sorted(n for n, value in wanted.items() if shown.get(n) != value)
        if wrong:
            raise Rejected(f"{change.address} is not as it was asked for: {', '.join(wrong)}", remedy=REPLAN)
        return _evidence(token, key)

    def _unchanged(self, change: Change, token: Token) -> StoredKey:
        """The key as it is now, if that is what was observed, or what an earlier attempt made of it."""
        actual = actual_of(change)
        key = token.read(str(actual.fields["name"]))
        shown = resource(self._estate, token, key).fields if key is not None else None
        if key is None or shown not in (actual.fields, desired_of(change).fields):
            raise Rejected(f"{change.address}: {CHANGED}", remedy=REPLAN)
        return key

    # -- taking ------------------------------------------------------------------------------------------

    def _revoke(self, change: Change) -> Fields:
        """Deactivate the key; or retire the versions that its certificates have left behind."""
        token, name = self._token(change.address), str(actual_of(change).fields["name"])
        newest = (change.after or {}).get("version")
        key = token.read(name)
        if key is None:
            return {"key": name, "state": "absent"}
        if newest is not None:
            return self._retire(change, token, key, str(newest))
        if key.active:
            token.deactivate(name)
        left = token.read(name)
        if left is not None and left.active:
            raise Rejected(f"{change.address} still signs after it was deactivated", remedy=REPLAN)
        return _evidence(token, key)

    def _retire(self, change: Change, token: Token, key: StoredKey, newest: str) -> Fields:
        older = [version.name for version in key.versions if version.name != newest]
        if key.versions and key.versions[-1].name == newest and older:
            token.retire(key.name, newest)
        left = token.read(key.name)
        if left is None or [version.name for version in left.versions] != [newest]:
            raise Rejected(f"{change.address} still has other versions than {newest}", remedy=REPLAN)
        return _evidence(token, left)

    def _destroy(self, change: Change) -> Fields:
        token, name = self._token(change.address), str(actual_of(change).fields["name"])
        token.destroy(name)
        if token.read(name) is not None:
            raise Rejected(f"{change.address} is still there after it was destroyed", remedy=REPLAN)
        return {"key": name, "state": "destroyed"}

    # -- parts -------------------------------------------------------------------------------------------

    def _token(self, address: str) -> Token:
        name = address.rsplit("/", 1)[-1]
        if name not in self._tokens:
            raise Refused(f"{address}: there is no HSM token {name}", remedy="see `hsmTokens` in idac.yaml")
        return self._tokens[name]

    def _name(self, address: str) -> str:
        """The name in its token of the key at an address that we gave."""
        _, kind, name, credential, _ = address.split("/")
        return key_name(self._estate, SubjectRef(kind, name), credential)


def _evidence(token: Token, key: StoredKey) -> Fields:
    shown = facts(token, key)
    return {name: shown[name] for name in _EVIDENCE}


__all__ = ["HsmWriter"]
