"""One delivered certificate, for whoever asks for it by name."""

from __future__ import annotations

from reconciler.errors import CryptoError, InvalidInput, Refused
from reconciler.model.delivery import Delivery
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.providers.ca import store
from reconciler.providers.ca.authority import PEM, parsed, revoked_at
from reconciler.providers.protocol import Client
from reconciler.x509 import join_pem, read_certificate


def delivery(client: Client, estate: Estate, subject: SubjectRef, credential: str, now: str) -> Delivery:
    """What was delivered, held against the CA's own copy. Two requests.

    Raises `InvalidInput` when nothing is delivered, and `Refused` when somebody altered it.
    """
    name = f"{subject}/{credential}"
    entry, data = store.whole(client, estate, store.key(subject, credential))
    if not data:
        raise InvalidInput(f"no certificate is delivered for {name}", remedy=f"`idac show {subject}` says why")
    foreign = Refused(
        f"what is delivered for {name} is not what was issued for it",
        remedy="do not use it; find out who wrote it, and run `idac plan`",
    )
    pem, chain = data.get(PEM), data.get("chain")
    if not isinstance(pem, str) or not isinstance(chain, str):
        raise foreign
    try:
        certificate = read_certificate(pem)
    except CryptoError:
        raise foreign from None
    standing = client.read(f"{estate.mounts.pki}/cert/{certificate.serial}")
    kept = parsed(standing) if standing.found else None
    altered = not entry.intact or entry.serial != certificate.serial or certificate != kept
    if altered or certificate.common_name != subject.principal:
        raise foreign
    revoked = revoked_at(standing) > 0
    expired = certificate.not_after <= now
    return Delivery(
        subject,
        credential,
        join_pem(pem, chain),
        certificate.serial,
        certificate.fingerprint,
        certificate.not_before,
        certificate.not_after,
        "revoked" if revoked else "expired" if expired else "good",
    )
