"""What the PKI engine says: the issuing certificate, and every certificate it ever issued and still keeps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.errors import CryptoError, Rejected
from reconciler.model.estate import Estate
from reconciler.providers.ca.store import details, mark_name
from reconciler.providers.protocol import Answer, Client
from reconciler.x509 import Certificate, join_pem, read_certificate

PEM = "certificate"


@dataclass(frozen=True, slots=True)
class Inventory:
    """The end of every certificate in the store, by serial, and the serials that are revoked."""

    ends: Mapping[str, str]  # RFC 3339 UTC, whole seconds: they compare as text
    revoked: frozenset[str]
    named: frozenset[str] = frozenset()  # serials of the common name that was asked for

    def live(self, now: str) -> frozenset[str]:
        """Serials that are neither expired nor revoked."""
        return frozenset(serial for serial, end in self.ends.items() if end > now) - self.revoked

    def refused(self, now: str) -> frozenset[str]:
        """Revoked serials that would otherwise still be good. One whose end nobody knows counts."""
        return frozenset(serial for serial in self.revoked if self.ends.get(serial, "9") > now)


def default_issuer(client: Client, estate: Estate) -> Mapping[str, Any]:
    """What the server shows of the issuer. Raises `Rejected` when there is none."""
    answer = client.read(f"{estate.mounts.pki}/issuer/default")
    if not answer.found:
        raise Rejected(f"{estate.mounts.pki} has no default issuer", remedy="run `idac bootstrap`")
    return answer.data


def issuer(client: Client, estate: Estate) -> str:
    """PEM of the issuing certificate."""
    return join_pem(str(default_issuer(client, estate)[PEM]))


def inventory(client: Client, estate: Estate, common_name: str = "") -> Inventory:
    """Two requests on OpenBao; on a server without the detailed listing, one more a certificate."""
    pki = estate.mounts.pki
    # A page begins behind a serial as it is stored: told one as it is shown, the engine leaves some out.
    revoked = frozenset(client.list(f"{pki}/certs/revoked", stored=mark_name).keys)
    infos = details(client, f"{pki}/certs/detailed", mark_name)
    if infos is not None:
        ends = {serial: str(info["not_after"]) for serial, info in infos.items()}
        named = frozenset(s for s, info in infos.items() if common_name and info.get("common_name") == common_name)
        return Inventory(ends, revoked, named)
    ends, own = {}, set()
    for found in certificates(client, estate, client.list(f"{pki}/certs", stored=mark_name).keys):
        ends[found.serial] = found.not_after
        if common_name and found.common_name == common_name:
            own.add(found.serial)
    return Inventory(ends, revoked, frozenset(own))


def certificates(client: Client, estate: Estate, serials: Collection[str]) -> Iterator[Certificate]:
    """Each certificate as it is in the store, parsed once; the ones that are gone are left out."""
    paths = (f"{estate.mounts.pki}/cert/{serial}" for serial in serials)
    for _, answer in client.read_many(paths):
        if answer.found:
            yield parsed(answer)


def revoked_at(answer: Answer) -> int:
    """When the CA revoked the certificate in an answer of `cert/<serial>`, in seconds; 0 for not at all."""
    when = answer.data.get("revocation_time") or 0
    if not isinstance(when, int):
        raise Rejected("the CA does not say when that certificate was revoked")
    return when


def parsed(answer: Answer) -> Certificate:
    """The certificate in an answer of `cert/<serial>`. Raises `Rejected` when it is none."""
    try:
        return read_certificate(str(answer.data[PEM]))
    except (CryptoError, KeyError):
        raise Rejected("the CA answered with something that is no certificate") from None
