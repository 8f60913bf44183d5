"""The policy itself: a change of what the estate allows must not hide among the changes it allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding
from reconciler.model.record import PolicyThen

ABSENT = "nothing"


def policy_changes(then: PolicyThen | None, estate: Estate) -> tuple[Finding, ...]:
    """P01: what of the policy is another than when something was last applied. Always worth a reviewer's look."""
    if then is None or then.sha256 == estate.policy_digest:
        return ()
    if then.document is None:
        words = f"policy sha256:{then.sha256[:16]}… has become sha256:{estate.policy_digest[:16]}…"
    else:
        before, after = dict(_flat(then.document)), dict(_flat(estate.policy_document))
        names = [n for n in sorted(before.keys() | after.keys()) if before.get(n) != after.get(n)]
        words = ", ".join(f"{n} {before.get(n, ABSENT)} → {after.get(n, ABSENT)}" for n in names)
    message = f"the policy changed since the last applied plan: {words} — this plan is judged by the new one"
    return (Finding("P01", "warning", message),)


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """`{"removals": {"absolute": 5}}` -> `("removals.absolute", "5")`."""
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value).lower() if isinstance(value, bool) else str(value)
