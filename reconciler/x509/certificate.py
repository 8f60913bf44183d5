"""What a certificate says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from reconciler.clock import rfc3339
from reconciler.errors import CryptoError
from reconciler.x509.keys import spki
from reconciler.x509.spelling import colons


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says of itself. Nothing here was verified."""

    serial: str
    fingerprint: str
    spki: str
    common_name: str
    uri_sans: tuple[str, ...]
    not_before: str
    not_after: str
    subject: str  # RFC 4514


def read_certificate(pem: str) -> Certificate:
    """A certificate (RFC 5280) in PEM. Raises `CryptoError` for what is none, or cannot be read."""
    certificate = parse(pem)
    try:
        return _read(certificate)
    except (ValueError, UnsupportedAlgorithm):
        raise CryptoError("the certificate cannot be read") from None


def _read(certificate: x509.Certificate) -> Certificate:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Certificate(
        serial=colons(certificate.serial_number),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        spki=spki(certificate.public_key()),
        common_name=str(names[0].value) if len(names) == 1 else "",
        uri_sans=_uris(certificate),
        not_before=rfc3339(certificate.not_valid_before_utc),
        not_after=rfc3339(certificate.not_valid_after_utc),
        subject=certificate.subject.rfc4514_string(),
    )


def parse(pem: str) -> x509.Certificate:
    """The library's own object, for this package alone."""
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise CryptoError("that is not a PEM certificate") from None


def _uris(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return tuple(names.get_values_for_type(x509.UniformResourceIdentifier))
    except x509.ExtensionNotFound:
        return ()
    except ValueError:
        raise CryptoError("the certificate's extensions cannot be read") from None
