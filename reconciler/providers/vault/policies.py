"""ACL policy documents of the four identities, as typed data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations as choose
from typing import Any

from reconciler.model.estate import Estate


def grant_document(estate: Estate, combinations: Iterable[Iterable[str]]) -> Mapping[str, Any]:
    """What the grant login may do; `combinations` are sets of Role names, to which all subsets are added."""
    path = f"identity/entity/name/{estate.prefix}*"
    rule = {
        "capabilities": ["create", "read", "update"],
        "allowed_parameters": {
            "policies": policy_lists(estate, combinations),
            "metadata": [],
            "disabled": ["true", "false"],
        },
    }
    return {"path": {path: rule}}


def policy_lists(estate: Estate, combinations: Iterable[Iterable[str]]) -> list[str]:
    """Every value that an entity's `policies` may be written with: sorted, comma-joined policy names."""
    every: set[str] = {""}
    for roles in combinations:
        names = sorted({f"{estate.prefix}role-{role}" for role in roles})
        every |= {",".join(part) for size in range(len(names) + 1) for part in choose(names, size)}
    return sorted(every)
