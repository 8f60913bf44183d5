"""Which fields of a new resource are the same in every one of its sort: they say nothing about this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.change import Change
from reconciler.providers.ca.roles import PINNED_ROLE
from reconciler.providers.vault.resources import PINNED_LOGIN, PINNED_TOKEN_LOGIN

_PINNED: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "ca.profile": (PINNED_ROLE,),
    "ca.issuer": (PINNED_ROLE,),
    "vault.login": (PINNED_LOGIN, PINNED_TOKEN_LOGIN),
}


def usual(change: Change) -> frozenset[str]:
    """The fields of what is created whose values no manifest decides: not one that has another value than usual,
    nor one that says nothing: those are not shown anyhow.
    """
    if change.action != "create":
        return frozenset()
    after = change.after or {}
    kinds = (pinned for pinned in _PINNED.get(change.type, ()) if pinned.keys() <= after.keys())
    same = ((name, value) for pinned in kinds for name, value in pinned.items() if after[name] == value)
    return frozenset(name for name, value in same if value not in (None, "", [], False))


__all__ = ["usual"]
