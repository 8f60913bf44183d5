"""The estate's own hold: nothing is granted to anybody until somebody thaws it."""

from __future__ import annotations

from reconciler.errors import Refused
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual


def freeze(estate: SubjectRef, reason: str, by: str, actual: Actual) -> tuple[Change, ...]:
    """The change that freezes the estate, or freezes it anew with another reason."""
    before = {"hold": actual.freeze.reason if actual.freeze is not None else None}
    after = {"hold": reason, "by": by}
    return (Change(f"vault.freeze/{estate}", estate, "hold", "contain", reason, before, after),)


def thaw(estate: SubjectRef, reason: str, actual: Actual) -> tuple[Change, ...]:
    """The change that ends it. Raises `Refused` when the estate is not frozen."""
    standing = actual.freeze
    if standing is None:
        raise Refused(f"{estate} is not frozen", remedy="`idac plan` shows what withholds grants")
    before, after = {"hold": standing.reason, "since": standing.at}, {"hold": None}
    return (Change(f"vault.freeze/{estate}", estate, "release", "grant", reason, before, after),)
