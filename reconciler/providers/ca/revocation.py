"""Revocation lists: what the CA publishes, what cert auth refuses, and bringing the two into step.

Cert auth believes whatever it is given and shows serials only, so sets of serials are what is compared.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime

from reconciler.errors import CryptoError, Rejected
from reconciler.model.estate import Estate
from reconciler.model.resource import Fields, Resource
from reconciler.providers.ca.authority import Inventory
from reconciler.providers.protocol import Client, Clients
from reconciler.x509 import Crl, colons, read_crl

FULL, DELTA = "idac", "idac-delta"  # names of the lists in cert auth
_MEANWHILE = 5  # times that lists are pushed again because the CA revoked more


@dataclass(frozen=True, slots=True)
class Published:
    """The CA's lists, fetched afresh, their signatures checked."""

    full_pem: bytes
    delta_pem: bytes
    full: Crl
    delta: Crl

    @property
    def serials(self) -> frozenset[str]:
        """What the two lists together revoke."""
        return self.full.serials | self.delta.serials

    @property
    def times(self) -> dict[str, str]:
        """When each of them was revoked, RFC 3339 UTC."""
        return {**self.full.times, **self.delta.times}


def published(client: Client, estate: Estate, authority: str) -> Published:
    """Fetch the full and the delta list. Raises `CryptoError` when one is not the issuer's."""
    pki = estate.mounts.pki
    full, delta = client.fetch(f"{pki}/crl/pem"), client.fetch(f"{pki}/crl/delta/pem")
    return Published(full, delta, read_crl(full, authority), read_crl(delta, authority))


def accepted(client: Client, estate: Estate) -> dict[str, frozenset[str]]:
    """The serials that cert auth refuses, by list of ours. What somebody else pushed may go as it came."""
    base = f"auth/{estate.mounts.cert}/crls"
    names = [name for name in client.list(base).keys if name in (FULL, DELTA)]
    answers = client.read_many(f"{base}/{name}" for name in names)
    return {
        name: frozenset(colons(int(serial)) for serial in answer.data.get("serials") or {})
        for name, (_, answer) in zip(names, answers, strict=True)
    }


def strange_lists(client: Client, estate: Estate) -> tuple[str, ...]:
    """Paths of the lists in cert auth that are not ours; we neither trust nor touch them."""
    base = f"auth/{estate.mounts.cert}/crls"
    return tuple(f"{base}/{name}" for name in client.list(base).keys if name not in (FULL, DELTA))


def readable(client: Client, estate: Estate, authority: str) -> Published | None:
    """The CA's lists; None when one does not verify."""
    try:
        return published(client, estate, authority)
    except CryptoError:
        return None


def crl_resource(lists: Published | None, at_login: frozenset[str], there: Inventory, now: str) -> Resource:
    """The `ca.crl` resource. A list that does not verify is neither fresh nor in step."""
    refused = there.refused(now)
    extra = at_login & there.live(now)
    if lists is None:
        facts: Fields = {"number": None, "this_update": None, "next_update": None}
        return Resource("ca.crl", None, {"fresh": False, "in_step": False}, facts)
    missing = refused - (at_login & lists.serials)
    fields = {"fresh": _fresh(lists.full, now), "in_step": not missing and not extra}
    facts = {
        "number": max(lists.full.number, lists.delta.number),
        "this_update": lists.full.this_update,
        "next_update": lists.full.next_update,
        "missing": sorted(missing),
        "extra": sorted(extra),
    }
    return Resource("ca.crl", None, fields, facts)


def _fresh(crl: Crl, now: str) -> bool:
    """Whether more than half of its life is left: the CA rebuilds it long before that."""
    begin, end, here = (datetime.fromisoformat(t) for t in (crl.this_update, crl.next_update, now))
    return end - here > (end - begin) / 2


class CrlKeeper:
    """Rotates the CA's lists and pushes them to cert auth, as contain. One at a time."""

    def __init__(self, clients: Clients, estate: Estate) -> None:
        self._clients, self._estate, self._lock = clients, estate, threading.Lock()

    def refresh(self, authority: str, *, full: bool = True) -> Fields:
        """Make cert auth refuse all that the CA has revoked, and read that back. Returns public evidence.

        The delta goes first, for speed. Rotating the full list empties the delta, so the new full one is
        pushed before the emptied delta: the other way round, cert auth would forget for a moment. For the
        same reason a delta that lacks something only the old delta refuses is not pushed before the full one.
        """
        with self._lock:
            before = accepted(self._clients("plan"), self._estate)
            self._rotate("rotate-delta")
            lists = published(self._clients("plan"), self._estate, authority)
            safe = before.get(DELTA, frozenset()) <= before.get(FULL, frozenset()) | lists.delta.serials
            if safe:
                self._push(DELTA, lists.delta_pem)
            if full or not safe:
                self._rotate("rotate")
                lists = published(self._clients("plan"), self._estate, authority)
                self._push_both(lists)
            return self._checked(self._newest(lists, authority))

    def _newest(self, pushed: Published, authority: str) -> Published:
        """What the CA publishes after the push, pushed too where another run has revoked meanwhile.

        Of two runs one may push a list that it fetched before the other's revocations, and after the other's push.
        """
        for _ in range(_MEANWHILE):
            newest = published(self._clients("plan"), self._estate, authority)
            if newest.serials <= pushed.serials:
                return pushed
            self._push_both(newest)
            pushed = newest
        return pushed

    def _push_both(self, lists: Published) -> None:
        self._push(FULL, lists.full_pem)
        self._push(DELTA, lists.delta_pem)

    def _rotate(self, which: str) -> None:
        # The engine rotates on GET, and on nothing else.
        self._clients("contain").write(f"{self._estate.mounts.pki}/crl/{which}", {}, method="GET")

    def _push(self, name: str, pem: bytes) -> None:
        path = f"auth/{self._estate.mounts.cert}/crls/{name}"
        self._clients("contain").write(path, {"crl": pem.decode()})

    def _checked(self, lists: Published) -> Fields:
        after = accepted(self._clients("plan"), self._estate)
        missing = lists.serials - after.get(FULL, frozenset()) - after.get(DELTA, frozenset())
        if missing:
            raise Rejected(
                f"cert auth does not refuse {len(missing)} revoked certificates after the push",
                remedy="plan again; see whether something else writes its revocation lists",
            )
        return {
            "number": lists.full.number,
            "delta_number": lists.delta.number,
            "next_update": lists.full.next_update,
            "revoked": len(lists.serials),
        }
