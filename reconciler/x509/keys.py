"""Keys by their SPKI, and the keys that are made here: the probe's, the record key, the demo's. No subject's."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

from reconciler.errors import CryptoError
from reconciler.model.secret import Secret


def spki(key: CertificatePublicKeyTypes) -> str:
    """SHA-256, in hex, of the SubjectPublicKeyInfo: the name of a key."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def public_spki(pem: str) -> str:
    """The SPKI (as `spki`) of an elliptic-curve or RSA public key in PEM."""
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise CryptoError("that is not a public key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise CryptoError("that is neither an elliptic-curve nor an RSA key")
    return spki(key)


def new_key_and_csr(common_name: str) -> tuple[Secret, str]:
    """A P-256 key (PKCS#8 PEM) and its CSR: for the probe, the demo and the tests; never for a subject."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return pkcs8(key), csr.public_bytes(serialization.Encoding.PEM).decode()


def new_signing_key() -> Secret:
    """A P-256 key for signing records, as PKCS#8 PEM."""
    return pkcs8(ec.generate_private_key(ec.SECP256R1()))


def pkcs8(key: ec.EllipticCurvePrivateKey) -> Secret:
    """A private key as unencrypted PKCS#8 PEM."""
    form = serialization.PrivateFormat.PKCS8
    return Secret(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode())
