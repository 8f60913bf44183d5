"""A certificate as it was delivered, and what the CA says of it now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reconciler.model.manifest import SubjectRef


@dataclass(frozen=True, slots=True)
class Delivery:
    """One credential's certificate. Times are RFC 3339 UTC; `chain` is PEM, its own certificate first."""

    subject: SubjectRef
    credential: str
    chain: str
    serial: str
    fingerprint: str
    not_before: str
    not_after: str
    state: Literal["good", "revoked", "expired"]
