"""What of a login role says who may come in by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Of cert auth and of JWT auth. The other fields are the same for every login, whatever the manifests say.
WHO = (
    "allowed_common_names",
    "allowed_uri_sans",
    "bound_audiences",
    "bound_claims",
    "bound_subject",
    "trusted",
)


def rebound(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields by which one login lets in somebody else than another; those that only a run will know do not
    count."""
    return tuple(n for n in WHO if before.get(n) != after.get(n) and not _unknown(after.get(n)))


def _unknown(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"ref"}
