"""The door to `cryptography`: CSRs, certificates, CRLs, OCSP and signatures. We compose, we invent nothing.

Everything that is not what it must be raises `CryptoError`. PEM texts end in a newline (the PKI engine's do
not, and naive concatenation breaks PEM). Serials are lower-case hex with colons; SPKI and fingerprints are
lower-case hex SHA-256; times are RFC 3339 UTC with `Z`, whole seconds.
"""

from reconciler.x509.ahead import ReadAhead
from reconciler.x509.certificate import Certificate, read_certificate
from reconciler.x509.comparison import Expected, deviations
from reconciler.x509.crl import Crl, read_crl
from reconciler.x509.csr import Csr, read_csr
from reconciler.x509.jwks import read_jwks
from reconciler.x509.keys import new_key_and_csr, new_signing_key, public_spki
from reconciler.x509.loopback import LoopbackTls, loopback_tls
from reconciler.x509.ocsp import OcspAnswer, ocsp_request, read_ocsp
from reconciler.x509.signing import Signer, key_id, verify
from reconciler.x509.spelling import colons, join_pem

__all__ = [
    "Certificate",
    "Crl",
    "Csr",
    "Expected",
    "LoopbackTls",
    "OcspAnswer",
    "ReadAhead",
    "Signer",
    "colons",
    "deviations",
    "join_pem",
    "key_id",
    "loopback_tls",
    "new_key_and_csr",
    "new_signing_key",
    "ocsp_request",
    "public_spki",
    "read_certificate",
    "read_crl",
    "read_csr",
    "read_jwks",
    "read_ocsp",
    "verify",
]
