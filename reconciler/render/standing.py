"""What stands as it is: a plan without changes, and who is on hold."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.plan import Plan
from reconciler.model.resource import Hold
from reconciler.render.paint import Paint
from reconciler.render.safe import safe


def unchanged_line(plan: Plan, paint: Paint) -> str:
    """What it means that there is nothing to do."""
    apart = list(_apart(plan))
    if not apart:
        return paint("green", "No changes.") + " What stands is what the manifests say."
    if apart == [_FROZEN]:
        return (
            paint("yellow", "No changes.")
            + " The estate is frozen; otherwise what stands is what the manifests say."
        )
    return paint("yellow", "No changes.") + f" But what stands is not what the manifests say: {', '.join(apart)}."


_FROZEN = "refused by G12"


def _apart(plan: Plan) -> Iterator[str]:
    if plan.holds:
        yield f"{len(plan.holds)} on hold"
    yield from against(plan)
    yield from unseen(plan)


def against(plan: Plan) -> Iterator[str]:
    """What stands against the plan, counted and named: errors, guards."""
    errors = sum(1 for f in plan.findings if f.severity == "error")
    if errors:
        yield f"{errors} error{'s' * (errors > 1)} found"
    if plan.refused:
        yield f"refused by {', '.join(sorted({g.code for g in plan.refused}))}"


def unseen(plan: Plan) -> Iterator[str]:
    """The systems that did not answer."""
    if plan.pending:
        yield f"not seen: {', '.join(safe(name) for name in sorted(plan.pending))}"


def hold_lines(plan: Plan, paint: Paint) -> Iterator[str]:
    """Who is on hold, since when, why, by whom, and how it ends; without those whom this plan releases."""
    released = {change.subject for change in plan.changes if change.action == "release"}
    holds = [hold for hold in plan.holds if hold.subject not in released]
    if holds:
        yield from ["", paint("bold", "On hold — contained, and granted nothing until released")]
        for hold in holds:
            yield from ["", f"  {paint('magenta', '!')} {paint('bold', safe(hold.subject))} {since(hold)}"]
            yield paint("dim", f'      idac release {safe(hold.subject)} --reason "…" --out release.json')


def since(hold: Hold) -> str:
    """Since when, why, and by whom."""
    who = hold.by if hold.by.startswith("operator ") else f"run {hold.by}"
    by = f", put on hold by {safe(who)}" if hold.by else ""
    when = f"since {safe(hold.at)}" if hold.at else "since nobody knows when"
    return f"{when}: {safe(hold.reason) or 'no reason is written down'}{by}"
