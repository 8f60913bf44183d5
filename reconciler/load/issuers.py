"""What the workload issuers of `idac.yaml` name by file: public keys, and authorities of their servers."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.errors import CryptoError, InvalidInput
from reconciler.load.files import Root, Unreadable
from reconciler.model.workload import WorkloadIssuer
from reconciler.x509 import join_pem, read_certificate, read_jwks

LARGEST = 64 * 1024  # bytes of a key set


def referred_by(
    issuers: Sequence[WorkloadIssuer], root: Root
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Public keys and authorities (PEM), by the issuer's name. Raises `InvalidInput`, naming issuer and file."""
    keys: dict[str, tuple[str, ...]] = {}
    authorities: dict[str, str] = {}
    for issuer in issuers:
        try:
            if issuer.jwks_file is not None:
                keys[issuer.name] = read_jwks(root.read(issuer.jwks_file, LARGEST))
            if issuer.ca_cert is not None:
                pem = root.read(issuer.ca_cert, LARGEST).decode("ascii", errors="replace")
                read_certificate(pem)
                authorities[issuer.name] = join_pem(pem)
        except (Unreadable, CryptoError) as error:
            file = issuer.jwks_file or issuer.ca_cert
            raise InvalidInput(
                f"workload issuer {issuer.name}: {file}: {error}",
                remedy="give a file below the directory of idac.yaml: a JSON Web Key Set of public keys, or PEM",
            ) from None
    return keys, authorities


__all__ = ["referred_by"]
