"""Revoking certificates, as contain: the mark first, then the CA, then its answer read back."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.errors import Rejected
from reconciler.model.estate import Estate
from reconciler.providers.ca import store
from reconciler.providers.ca.authority import parsed, revoked_at
from reconciler.providers.protocol import Answer, Clients
from reconciler.x509 import Certificate, read_certificate


class Revoker:
    """Revokes serials one by one. `clock` gives RFC 3339 UTC."""

    def __init__(self, clients: Clients, estate: Estate, run_id: str, clock: Callable[[], str]) -> None:
        self._clients, self._estate, self._run, self._clock = clients, estate, run_id, clock

    def revoke(self, serial: str, subject: str, reason: str, *, lost: Callable[[], str] = str) -> bool:
        """Revoke one serial; False when it had ended by itself, so that nothing need be revoked.

        `lost` gives the PEM, or "", of a certificate that the CA did not keep (`no_store`): such a one it
        revokes by PEM only. Raises `Rejected` when the CA does not say afterwards that it is revoked.
        """
        standing = self._read(serial)
        if _is_revoked(standing):
            return True
        certificate = self._certificate(serial, standing, lost)
        said = {"subject": subject, "reason": reason, "run": self._run, "at": self._clock()}
        contain = self._clients("contain")
        store.mark(contain, self._estate, serial, said | {"not_after": certificate.not_after})
        if certificate.not_after <= self._clock():
            return False
        body = {"serial_number": serial} if standing.found else {"certificate": lost()}
        said_so = contain.write(f"{self._estate.mounts.pki}/revoke", body)
        if _is_revoked(self._read(serial) if standing.found else said_so):
            return True
        raise Rejected(f"the CA does not say that {serial} is revoked", remedy="plan again")

    def is_revoked(self, serial: str) -> bool:
        """Whether the CA says so."""
        return _is_revoked(self._read(serial))

    def _certificate(self, serial: str, standing: Answer, lost: Callable[[], str]) -> Certificate:
        if standing.found:
            return parsed(standing)
        pem = lost()
        if pem and read_certificate(pem).serial == serial:
            return read_certificate(pem)
        raise Rejected(
            f"the CA has no certificate {serial}, so it cannot revoke it",
            remedy="revoke it by its PEM if the holder can produce it, and keep its login role away until it ends",
        )

    def _read(self, serial: str) -> Answer:
        return self._clients("plan").read(f"{self._estate.mounts.pki}/cert/{serial}")


def _is_revoked(answer: Answer) -> bool:
    return revoked_at(answer) > 0
