"""Certificate signing requests: the proof that a subject holds the key it names."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from reconciler.errors import CryptoError
from reconciler.x509.keys import spki
from reconciler.x509.spelling import join_pem

LARGEST_PEM = 65_536  # characters; an RSA-8192 certificate with a long chain stays below


@dataclass(frozen=True, slots=True)
class Csr:
    """A certificate signing request whose self-signature verified. Nothing else in it is trusted."""

    pem: str
    spki: str
    key_type: str  # "ec", "rsa", "ed25519"
    key_bits: int  # 256 for ed25519


_accepted: dict[str, Csr] = {}  # PEM -> what `ReadAhead` found, until it is asked for


def accept(pem: str, key: str, key_type: str, key_bits: int) -> None:
    """Spare the next `read_csr` of this very text, which `read_csr` has accepted in another process."""
    _accepted[pem] = Csr(join_pem(pem), key, key_type, key_bits)


def read_csr(pem: str) -> Csr:
    """A CSR (RFC 2986). Its self-signature must verify: that is the proof of possession of the key."""
    known = _accepted.pop(pem, None)
    return known if known is not None else _read(pem)


def _read(pem: str) -> Csr:
    if len(pem) > LARGEST_PEM or pem.count("-----BEGIN") != 1:
        raise CryptoError("the file is not exactly one PEM certificate request", remedy="give one CSR a file")
    try:
        csr = x509.load_pem_x509_csr(pem.encode())
        key = csr.public_key()
        valid = csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        raise CryptoError(
            "the file is not a readable PKCS#10 certificate request",
            remedy="make it with `openssl req -new` on the holder's own device",
        ) from None
    if not valid:
        raise CryptoError(
            "the request's signature does not verify", remedy="it was altered, or signed with another key"
        )
    key_type, bits = _key(key)
    return Csr(join_pem(pem), spki(key), key_type, bits)


def _key(key: object) -> tuple[str, int]:
    if isinstance(key, ec.EllipticCurvePublicKey):
        # The curve itself, not its size: a P-256 profile must not take secp256k1 or a Brainpool curve.
        if not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1):
            return key.curve.name, key.key_size
        return "ec", key.key_size
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa", key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519", 256
    raise CryptoError(f"a key of type {type(key).__name__} is not supported", remedy="use P-256, P-384 or RSA")
