"""What was reviewed is what is applied, or nothing is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from reconciler.errors import Refused, Stale
from reconciler.model.plan import Plan, PlanTicket

REPLAN = "run `idac plan --out` again and have the new plan reviewed"


def require_same(reviewed: Mapping[str, Any], fresh: Plan, now: datetime) -> PlanTicket:
    """The reviewed plan's ticket, if that plan is unexpired and exactly what would happen now.

    `reviewed` is the document `idac plan --out` wrote. Raises `Stale` with the difference otherwise. Single
    use is not decided here but by the server, when the plan is noted as used.
    """
    if reviewed["estate"] != fresh.estate:
        raise Stale(f"the plan is for estate {reviewed['estate']!r}, not {fresh.estate!r}", remedy=REPLAN)
    try:
        expires = datetime.fromisoformat(reviewed["expiresAt"])
        expired = now >= expires
    except (ValueError, TypeError):
        raise Stale("the plan's expiry is not a time with a zone", remedy=REPLAN) from None
    if expired:
        raise Stale(f"the plan expired {reviewed['expiresAt']}", remedy=REPLAN)
    if reviewed["digest"] != fresh.digest:
        lines = "\n".join(f"  {line}" for line in difference(reviewed, fresh))
        raise Stale(f"the reviewed plan is not what would happen now:\n{lines}\n", remedy=REPLAN)
    return PlanTicket(reviewed["planId"], str(reviewed.get("createdAt", "")), reviewed["expiresAt"])


def require_allowed(fresh: Plan) -> None:
    """Raises `Refused` when a guard stops the whole plan."""
    for guard in fresh.refused:
        if guard.stops == "everything":
            raise Refused(
                f"{guard.code}: {guard.message}", remedy="plan again once that is settled; nothing was changed"
            )


def without_review(fresh: Plan) -> Plan:
    """Only the routine part: renewals and refreshes that policy allows without anybody's approval."""
    return replace(fresh, changes=())


def difference(reviewed: Mapping[str, Any], fresh: Plan) -> Iterator[str]:
    """Lines that say in what a stored plan and a fresh one differ."""
    then = _by_step(c for c in reviewed["changes"] if isinstance(c, dict))
    now = _by_step(
        {"address": c.address, "action": c.action, "phase": c.phase, "before": c.before, "after": c.after}
        for c in fresh.changes
    )
    for key in sorted(then.keys() - now.keys()):
        yield f"no longer needed: {key[1]} {key[0]} ({key[2]})"
    for key in sorted(now.keys() - then.keys()):
        yield f"new: {key[1]} {key[0]} ({key[2]})"
    for key in sorted(then.keys() & now.keys()):
        if any(_plain(then[key].get(side)) != _plain(now[key].get(side)) for side in ("before", "after")):
            yield f"differs: {key[1]} {key[0]} ({key[2]})"
    for name in ("policy", "target", "scope"):
        if _plain(reviewed.get(name)) != _plain(getattr(fresh, name)):
            yield f"the {name} is another"
    if then.keys() == now.keys():
        yield "what was observed at these addresses, or the configuration, has changed since the review"


def _by_step(changes: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    return {(str(c.get("address")), str(c.get("action")), str(c.get("phase"))): c for c in changes}


def _plain(value: Any) -> Any:
    """Tuples and lists alike, so that a stored value compares with a live one."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value
