"""What of a plan may be done by itself, on a schedule, without anybody's review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from reconciler.diff.certificates import when
from reconciler.diff.estate import refresh_lists
from reconciler.model.change import Change
from reconciler.model.resource import Actual, Resource


def routine_part(
    changes: Sequence[Change], lists: Resource | None, actual: Actual, now: datetime
) -> tuple[Change, ...]:
    """Renewals, overlaps that are over, and a refresh of the revocation lists where these revoke or it is due.

    An overlap that ends early, because a rotation that needs review comes after it, waits for that. Lists that are
    out of step wait for review too, unless they are refreshed for one of these anyhow. `lists` is the desired
    `ca.crl`.
    """
    due = [c for c in changes if c.routine and c.type != "ca.crl"]
    renewed = {c.address for c in due if c.action in ("rotate", "create")}
    part = [c for c in due if c.action != "revoke" or c.address in renewed or c.type == "hsm.key" or _over(c, now)]
    revokes = any(c.action == "revoke" for c in part)
    refreshed = refresh_lists(lists, actual, part) if lists is not None else ()
    return (*part, *(replace(c, routine=True) for c in refreshed if c.routine or revokes))


def _over(change: Change, now: datetime) -> bool:
    until = change.actual.facts.get("previous_until") if change.actual is not None else None
    return until is not None and now >= when(str(until))
