"""Where an estate's engines and login methods are mounted."""

from __future__ import annotations

from functools import lru_cache

from pydantic import StrictStr

from reconciler.model.strict import Strict

TOKENS = "-jwt-"  # before an issuer's name, in the name of its login mount


class Mounts(Strict):
    """Mount paths without slashes. `cert`, `run` and those of issuers of tokens stand under `auth/`."""

    root: StrictStr  # PKI engine of the root CA
    pki: StrictStr  # PKI engine of the issuing CA
    kv: StrictStr  # KV v2: certificates, revocations, holds, the lock, used plans
    cert: StrictStr  # cert auth of the subjects
    run: StrictStr  # AppRole auth of the runners
    workloads: StrictStr  # begins the name of every JWT auth, of workloads and of people

    def workload(self, issuer: str) -> str:
        """JWT auth of one issuer of tokens: of workloads, or of people."""
        return f"{self.workloads}{issuer}"


# Not kept in the estate itself: pydantic would copy them into an estate of another name.
@lru_cache(maxsize=16)
def mounts_of(prefix: str) -> Mounts:
    """The mounts of the estate whose things' names begin so."""
    return Mounts(
        root=f"{prefix}root",
        pki=f"{prefix}pki",
        kv=f"{prefix}kv",
        cert=f"{prefix}cert",
        run=f"{prefix}run",
        workloads=f"{prefix}jwt-",
    )
