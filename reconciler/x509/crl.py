"""Certificate revocation lists, complete and delta (RFC 5280 §5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.clock import rfc3339
from reconciler.errors import CryptoError
from reconciler.x509.certificate import parse
from reconciler.x509.spelling import colons


@dataclass(frozen=True, slots=True)
class Crl:
    """A revocation list whose signature was checked. `base` is the number a delta is relative to, else None."""

    number: int
    base: int | None
    this_update: str
    next_update: str
    serials: frozenset[str]
    times: Mapping[str, str] = field(default_factory=dict)  # serial -> when it was revoked, RFC 3339 UTC


def read_crl(data: bytes, issuer_pem: str) -> Crl:
    """A complete or delta CRL (RFC 5280 §5), DER or PEM, signed by this issuer."""
    try:
        pem = data.lstrip().startswith(b"-----BEGIN")
        crl = x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)
        key = parse(issuer_pem).public_key()
        valid = isinstance(key, ec.EllipticCurvePublicKey) and crl.is_signature_valid(key)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound):
        raise CryptoError("that is not a readable CRL with a number") from None
    if not valid or crl.issuer != parse(issuer_pem).subject:
        raise CryptoError("the CRL is not signed by the estate's issuer")
    if crl.next_update_utc is None:
        raise CryptoError("the CRL has no nextUpdate (RFC 5280 §5.1.2.5)")
    base: int | None = None
    try:
        base = crl.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number
    except x509.ExtensionNotFound:
        base = None
    times = {colons(revoked.serial_number): rfc3339(revoked.revocation_date_utc) for revoked in crl}
    ends = rfc3339(crl.last_update_utc), rfc3339(crl.next_update_utc)
    return Crl(number, base, *ends, frozenset(times), times)
