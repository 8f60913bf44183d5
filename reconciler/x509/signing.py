"""Signatures over records: ECDSA P-256 with SHA-256, what DSSE verifiers of other makes accept."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.errors import CryptoError
from reconciler.model.secret import Secret
from reconciler.x509.keys import spki

P256 = ec.ECDSA(hashes.SHA256())


class Signer:
    """Signs with ECDSA P-256 and SHA-256, DER signatures: what DSSE verifiers of other makes accept."""

    def __init__(self, key: Secret) -> None:
        try:
            loaded = serialization.load_pem_private_key(key.reveal().encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise CryptoError("the record key is not an unencrypted PKCS#8 PEM key") from None
        if not isinstance(loaded, ec.EllipticCurvePrivateKey) or not isinstance(loaded.curve, ec.SECP256R1):
            raise CryptoError("the record key is not a P-256 key", remedy="make one with `idac bootstrap`")
        self.__key = loaded
        public = loaded.public_key()
        self.key_id = spki(public)
        self.public_pem = public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()

    def sign(self, data: bytes) -> bytes:
        """The signature over these bytes."""
        return self.__key.sign(data, P256)


def key_id(public_pem: str) -> str:
    """SHA-256 of the SPKI of a P-256 public key in PEM."""
    return spki(_public(public_pem))


def verify(public_pem: str, signature: bytes, data: bytes) -> None:
    """Raise `CryptoError` unless this is the key's ECDSA P-256/SHA-256 signature over these bytes."""
    try:
        _public(public_pem).verify(signature, data, P256)
    except InvalidSignature:
        raise CryptoError("the signature does not verify") from None


def _public(public_pem: str) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_pem_public_key(public_pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise CryptoError("that is not a public key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CryptoError("that is not a P-256 public key")
    return key
