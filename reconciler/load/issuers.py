"""What the issuers of tokens in `idac.yaml` name by file: public keys, and authorities of their servers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reconciler.errors import CryptoError
from reconciler.load.files import Root, Unreadable
from reconciler.model.issuers import TokenIssuer
from reconciler.x509 import join_pem, read_certificate, read_jwks

LARGEST = 64 * 1024  # bytes of a key set
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")  # RFC 7468


def referred_by(
    issuers: Sequence[TokenIssuer], root: Root
) -> tuple[dict[str, tuple[str, ...]], dict[str, str], dict[str, str]]:
    """Public keys and authorities (PEM), and what is wrong with a file, each by the issuer's name.

    Nothing is raised: a file that is lost or garbled is its issuer's fault, and must stop no emergency.
    """
    keys: dict[str, tuple[str, ...]] = {}
    authorities: dict[str, str] = {}
    faults: dict[str, str] = {}
    for issuer in issuers:
        try:
            if issuer.jwks_file is not None:
                keys[issuer.name] = read_jwks(root.read(issuer.jwks_file, LARGEST))
            if issuer.ca_cert is not None:
                authorities[issuer.name] = _certificates(root.read(issuer.ca_cert, LARGEST))
        except (Unreadable, CryptoError) as error:
            faults[issuer.name] = f"{issuer.jwks_file or issuer.ca_cert}: {error}"
    return keys, authorities, faults


def _certificates(data: bytes) -> str:
    """The certificates of a PEM file. A key beside them would be sent to the server, and shown: it is refused."""
    pem = data.decode("ascii", errors="replace")
    found = _CERTIFICATE.findall(pem)
    for one in found or [pem]:
        read_certificate(one)
    if _CERTIFICATE.sub("", pem).strip():
        raise CryptoError("it holds something else beside certificates: leave those alone in it")
    return join_pem(*found)


__all__ = ["referred_by"]
