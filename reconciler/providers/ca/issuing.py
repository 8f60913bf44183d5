"""Signing a certificate, and comparing it with what was asked before anybody gets it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from reconciler.clock import rfc3339
from reconciler.errors import Refused, Rejected
from reconciler.model.estate import Estate
from reconciler.model.resource import Resource
from reconciler.providers.ca.authority import PEM, revoked_at
from reconciler.providers.ca.revoker import Revoker
from reconciler.providers.protocol import Clients
from reconciler.x509 import Certificate, Expected, deviations, join_pem, read_certificate

MARGIN = 60  # seconds by which a certificate ends before the end of employment: clocks differ
JITTER = 1.1  # the renewal window is widened by up to a tenth, by serial (diff/certificates.py)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that is exactly what was asked, with its chain (PEM, without the root)."""

    certificate: Certificate
    pem: str
    chain: str


class Issuing:
    """Signs as grant. What deviates is revoked at once, and never stored."""

    def __init__(self, clients: Clients, estate: Estate, revoker: Revoker, clock: Callable[[], str]) -> None:
        self._clients, self._estate, self._revoker, self._clock = clients, estate, revoker, clock

    def sign(self, desired: Resource, csr: str, authority: str) -> Issued:
        """A new certificate for this request, whose key must be the desired one.

        Raises `Refused` when employment ends before a certificate could, `Rejected` when the CA made
        something else than was asked (already revoked then).
        """
        fields = desired.fields
        body = {
            "csr": csr,
            "common_name": fields["common_name"],
            "uri_sans": fields["uri_san"],
            "ttl": f"{self._ttl(desired)}s",
            "exclude_cn_from_sans": "true",  # text: an ACL compares texts only
            "format": "pem",
        }
        path = f"{self._estate.mounts.pki}/sign/{fields['profile']}"
        pem = join_pem(str(self._clients("grant").write(path, body).data["certificate"]))
        made = read_certificate(pem)
        faults = (*deviations(pem, authority, expected(desired)), *self._traps(desired, made))
        if faults:
            self._discard(desired, pem, faults)
            raise Rejected(
                f"the CA made a certificate for {desired.address} that is not what its profile says:"
                f" {'; '.join(faults)}; it was revoked and not delivered",
                remedy=f"plan again, and see what changed the PKI role {fields['profile']}",
            )
        return Issued(made, pem, authority)

    def require_good(self, address: str, serial: str) -> None:
        """Raises `Rejected` when the observed certificate was revoked since: that is not undone with a new one."""
        answer = self._clients("plan").read(f"{self._estate.mounts.pki}/cert/{serial}")
        if answer.found and revoked_at(answer):
            what = f"{address}: certificate {serial} was revoked since it was observed"
            raise Rejected(what, remedy="run `idac plan` again")

    def reuse(self, desired: Resource, serial: str, authority: str) -> Issued | None:
        """A certificate that already exists, if it is good and exactly what is desired.

        None when it is revoked, ended or gone; one that deviates is revoked too.
        """
        answer = self._clients("plan").read(f"{self._estate.mounts.pki}/cert/{serial}")
        if not answer.found or revoked_at(answer):
            return None
        pem = join_pem(str(answer.data[PEM]))
        certificate = read_certificate(pem)
        if certificate.not_after <= self._clock():
            return None
        faults = deviations(pem, authority, replace(expected(desired), not_after=""))
        if faults:
            self._discard(desired, pem, faults)
            return None
        return Issued(certificate, pem, authority)

    def _traps(self, desired: Resource, made: Certificate) -> Iterator[str]:
        """What a role can do to a new certificate that the certificate itself does not show."""
        if not self._clients("plan").read(f"{self._estate.mounts.pki}/cert/{made.serial}").found:
            yield "the CA did not keep it (no_store), so nothing could list or revoke it"
        begin, end, now = (datetime.fromisoformat(t) for t in (made.not_before, made.not_after, self._clock()))
        # Born due for renewal, it would be issued again at every run.
        if end - now <= min(timedelta(seconds=desired.facts["renew_before"]), (end - begin) / 3) * JITTER:
            yield "it is already due for renewal"

    def _discard(self, desired: Resource, pem: str, faults: tuple[str, ...]) -> None:
        reason = f"it deviates from its profile: {'; '.join(faults)}"
        self._revoker.revoke(read_certificate(pem).serial, str(desired.subject), reason, lost=lambda: pem)

    def _ttl(self, desired: Resource) -> int:
        end = _last_moment(desired.facts)
        if end is None:
            return int(desired.facts["ttl"])
        left = int((end - datetime.fromisoformat(self._clock())).total_seconds()) - MARGIN
        if left <= 0:
            raise Refused(
                f"{desired.address}: employment ends {desired.facts['end']}, so no certificate is issued",
                remedy="correct `employment.end`, or let the next plan offboard the subject",
            )
        return min(int(desired.facts["ttl"]), left)


def expected(desired: Resource) -> Expected:
    """What the certificate of a desired resource must be, extension by extension."""
    profile, end = desired.facts["profile"], _last_moment(desired.facts)
    return Expected(
        spki=desired.fields["spki"],
        common_name=desired.fields["common_name"],
        uri_san=desired.fields["uri_san"],
        key_usages=tuple(profile["key_usages"]),
        ext_key_usages=tuple(profile["ext_key_usages"]),
        policy_oids=tuple(profile["policy_oids"]),
        longest=profile["longest"],
        subject={name: tuple(values) for name, values in profile["subject"].items()},
        not_after=rfc3339(end) if end is not None else "",
    )


def _last_moment(facts: Mapping[str, Any]) -> datetime | None:
    """The end of the last day of employment, UTC."""
    end = facts.get("end")
    return datetime.fromisoformat(f"{end}T00:00:00+00:00") + timedelta(days=1) if end else None
