"""Asking an OCSP responder about one certificate, and believing only the issuer's own answer (RFC 6960)."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp

from reconciler.clock import rfc3339
from reconciler.errors import CryptoError
from reconciler.x509.certificate import parse


@dataclass(frozen=True, slots=True)
class OcspAnswer:
    """An OCSP answer whose signature was checked. RFC 6960 §2.2."""

    status: str  # "good", "revoked", "unknown"
    revoked_at: str
    this_update: str
    next_update: str


def ocsp_request(certificate_pem: str, issuer_pem: str) -> bytes:
    """A DER OCSP request (RFC 6960 §4.1) for one certificate."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(parse(certificate_pem), parse(issuer_pem), hashes.SHA256())
    return builder.build().public_bytes(serialization.Encoding.DER)


def read_ocsp(der: bytes, certificate_pem: str, issuer_pem: str) -> OcspAnswer:
    """An OCSP response (RFC 6960 §4.2) about this very certificate, signed by the issuer itself."""
    issuer = parse(issuer_pem)
    try:
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise CryptoError(f"OCSP answered {answer.response_status.name}")
        algorithm = answer.signature_hash_algorithm
        key = issuer.public_key()
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            raise CryptoError("the OCSP answer is signed with an algorithm the issuer does not have")
        serial = answer.serial_number
    except InvalidSignature:
        raise CryptoError("the OCSP answer is not signed by the estate's issuer") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CryptoError("that is not a readable OCSP answer") from None
    if serial != parse(certificate_pem).serial_number:
        raise CryptoError("the OCSP answer is about another certificate")
    return OcspAnswer(
        answer.certificate_status.name.lower(),
        rfc3339(answer.revocation_time_utc) if answer.revocation_time_utc else "",
        rfc3339(answer.this_update_utc),
        rfc3339(answer.next_update_utc) if answer.next_update_utc else "",
    )
