"""Plans and outcomes for people at a terminal. Reads like Terraform's; containment comes first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import groupby
from typing import Any

from reconciler.model.change import PHASES, Change
from reconciler.model.outcome import Outcome, Proof
from reconciler.model.plan import Plan, PlanTicket
from reconciler.model.resource import ESTATE
from reconciler.model.words import few
from reconciler.render.findings import finding_lines
from reconciler.render.paint import Paint, painter
from reconciler.render.policies import document_lines, role_words
from reconciler.render.safe import safe
from reconciler.render.standing import hold_lines, unchanged_line
from reconciler.render.usual import usual
from reconciler.render.values import value_words

SIGNS = {"create": "+", "update": "~", "rotate": "±", "revoke": "×", "delete": "-", "hold": "!", "release": "○"}
COLOURS = {"+": "green", "~": "yellow", "±": "yellow", "×": "red", "-": "red", "!": "magenta", "○": "green"}
VERBS = {"hold": "is put on hold", "release": "is released"}
VERBS_OF_ESTATES = {"hold": "is frozen", "release": "is thawed"}
HEADS = {
    "contain": "Contain — power taken away, before anything is given",
    "govern": "Govern — the rules themselves change",
    "grant": "Grant — what the rules already allow",
}


def plan_text(plan: Plan, ticket: PlanTicket | None, *, colour: bool = False, verbose: bool = False) -> str:
    """The whole plan. Everything that came from a manifest or a server is made harmless first.

    `verbose`: of what is created also the fields that are the same in every one of its sort.
    """
    return "\n".join(_plan_lines(plan, ticket, painter(colour), verbose)) + "\n"


def _plan_lines(plan: Plan, ticket: PlanTicket | None, paint: Paint, verbose: bool) -> Iterator[str]:
    yield from finding_lines(plan.findings, paint)
    for provider, why in sorted(plan.pending.items()):
        yield paint("red", f"Not seen: {provider}: {safe(why)}")
    if plan.empty:
        yield unchanged_line(plan, paint)
    else:
        yield _opening(plan)
    for phase in PHASES:
        changes = [c for c in plan.changes if c.phase == phase]
        if changes:
            yield from ["", paint("bold", HEADS[phase])]
            yield from _phase_lines(plan, changes, paint, verbose)
    if plan.routine:
        yield from ["", paint("bold", "Routine — allowed without review, outside the digest")]
        yield from _phase_lines(plan, plan.routine, paint, verbose)
    yield from hold_lines(plan, paint)
    if plan.unmanaged:
        yield from ["", paint("dim", f"Not ours, never touched: {_unmanaged(plan.unmanaged)}")]
    yield from _guard_lines(plan, paint)
    if not plan.empty or plan.routine:
        yield from ["", paint("bold", _totals(plan))]
    if not plan.empty and ticket is not None:
        yield paint("dim", f"Digest sha256:{plan.digest}")
        yield paint("dim", f"Plan {ticket.plan_id}, good until {ticket.expires_at}")


def _unmanaged(names: Sequence[str], shown: int = 6) -> str:
    """The first few by name; JSON names them all."""
    more = f" and {len(names) - shown} more (--format json names them)" if len(names) > shown else ""
    return f"{safe(', '.join(names[:shown]))}{more}"


def _opening(plan: Plan) -> str:
    withheld = _withheld(plan)
    if not withheld:
        return "idac will do the following, in this order:"
    every = withheld == len(plan.changes) + len(plan.routine)
    return (
        "idac will do nothing of the following, all of which is withheld:"
        if every
        else f"idac will do the following, in this order, but for {withheld} withheld:"
    )


def _withheld(plan: Plan) -> int:
    return sum(1 for c in (*plan.changes, *plan.routine) if plan.stopped(c))


def _phase_lines(plan: Plan, changes: Sequence[Change], paint: Paint, verbose: bool) -> Iterator[str]:
    for group, members in groupby(
        sorted(changes, key=lambda c: (c.subject is None, c.group)), key=lambda c: c.group
    ):
        several = list(members)
        if several[0].subject is not None:
            yield from ["", f"  {paint('bold', safe(group))} {_meaning(several)}"]
        else:
            yield ""
        for change in sorted(several, key=lambda c: c.order):
            hidden = frozenset[str]() if verbose else usual(change)
            yield from _change_lines(change, paint, hidden, withheld=bool(plan.stopped(change)))


def _meaning(changes: Sequence[Change]) -> str:
    """What a group of changes means for its subject, in words a risk officer reads."""
    if any(c.closes for c in changes):
        verb = "leaves" if any(c.action == "delete" and c.closes for c in changes) else "is contained"
        return f"{verb} and loses everything: {safe(_shown_reason(changes))}"
    gained = _list_change(changes, "policies", gained=True)
    lost = _list_change(changes, "policies", gained=False)
    words = [f"gains {', '.join(gained)}"] * bool(gained) + [f"loses {', '.join(lost)}"] * bool(lost)
    said = safe(changes[0].reason)
    if not words and changes[0].action in VERBS:  # the reason is what somebody typed
        subject = changes[0].subject
        verbs = VERBS_OF_ESTATES if subject is not None and subject.kind == ESTATE else VERBS
        said = f"{verbs[changes[0].action]}: {said}"
    return "; ".join(words) if words else said


def _shown_reason(changes: Sequence[Change]) -> str:
    return next((c.reason for c in changes if not c.closes), changes[0].reason)


def _list_change(changes: Sequence[Change], name: str, *, gained: bool) -> list[str]:
    found: set[str] = set()
    for change in changes:
        before, after = set((change.before or {}).get(name) or ()), set((change.after or {}).get(name) or ())
        found |= (after - before) if gained else (before - after) if name in (change.after or {}) else set()
    return [role_words(v) for v in sorted(found)]


def _change_lines(change: Change, paint: Paint, hidden: Set[str], *, withheld: bool) -> Iterator[str]:
    sign = SIGNS[change.action]
    why = "" if change.subject is not None and change.action != "rotate" else f"  # {change.reason}"
    mark = paint("yellow", "  (withheld)") if withheld else ""
    yield f"  {paint(COLOURS[sign], sign)} {safe(change.address)}{mark}{paint('dim', safe(why))}"
    before, after = change.before or {}, change.after or {}
    if change.action == "delete" or change.closes:
        return
    for name in sorted((before.keys() | after.keys()) - hidden):
        if name == "document":
            yield from (
                f"      {paint(COLOURS[s], s)} {words}"
                for s, words in document_lines(before.get(name), after.get(name))
            )
        else:
            yield from _field_lines(name, before, after, change)
    if hidden:
        yield paint("dim", f"      and {len(hidden)} fields that are the same in each (-v shows them)")


def _field_lines(name: str, before: Mapping[str, Any], after: Mapping[str, Any], change: Change) -> Iterator[str]:
    old, new = before.get(name), after.get(name)
    if old == new or (new in (None, "", [], False) and change.action in ("create", "release") and not old):
        return
    if change.action == "create":
        yield f"      {name} = {value_words(new)}"
    elif name in after and name in before:
        yield f"      {name}: {value_words(old)} → {value_words(new)}"
    elif name in after:
        yield f"      {name} → {value_words(new)}"
    else:
        yield f"      {name}: {value_words(old)}"


def _totals(plan: Plan) -> str:
    parts = [
        f"{count} to {action}" for action, count in plan.summary.items() if count or action in ("create", "delete")
    ]
    text = f"Plan: {', '.join(parts)}." + (f" {len(plan.routine)} routine." if plan.routine else "")
    withheld = _withheld(plan)
    return text + (f" {withheld} of these withheld." if withheld else "")


def _guard_lines(plan: Plan, paint: Paint) -> Iterator[str]:
    for guard in plan.refused:
        yield from ["", f"{paint('red', f'Refused {guard.code}')}: {safe(guard.message)}"]


def outcome_text(
    outcomes: Sequence[Outcome], proofs: Sequence[Proof], unreviewed: Sequence[str] = (), *, colour: bool = False
) -> str:
    """What was done, what was not, what is proved dead; `unreviewed` routine changes no reviewer was shown."""
    lines = [*_outcome_lines(outcomes, proofs, painter(colour))]
    if unreviewed:
        names = few(map(safe, unreviewed), len(unreviewed))
        lines.append(
            f"Due since the review, and allowed by policy without one: {len(unreviewed)} routine: {names}."
        )
    return "\n".join(lines) + "\n"


def _outcome_lines(outcomes: Sequence[Outcome], proofs: Sequence[Proof], paint: Paint) -> Iterator[str]:
    for outcome in outcomes:
        if outcome.status == "failed":
            yield f"  {paint('red', 'failed')}: {_which([outcome])}: {safe(outcome.error)}"
    waiting: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.status == "not-attempted":
            waiting.setdefault(outcome.error, []).append(outcome)
    for error, several in waiting.items():  # one fault may hold up ten thousand changes
        yield f"  {paint('red', 'not attempted')}: {_which(several)}: {safe(error)}"
    for subject, group in groupby(
        sorted(proofs, key=lambda p: (str(p.subject), p.system)), key=lambda p: p.subject
    ):
        yield from ["", f"  {paint('bold', safe(subject))}"]
        for proof in group:
            status = paint(_PROOF_COLOURS[proof.status], f"{proof.status:<12}")
            yield f"    {status} {safe(proof.system)}: {safe(proof.detail)}"
    done = sum(1 for o in outcomes if o.status == "applied")
    routine = sum(1 for o in outcomes if o.change.routine)
    count = f"Applied {done} of {len(outcomes)} changes" + (f", {routine} of them routine." if routine else ".")
    yield from ["", paint("bold", count)]


def _which(outcomes: Sequence[Outcome], shown: int = 3) -> str:
    """One change by its action and address; of several, how many and the first few addresses."""
    first = outcomes[0].change
    if len(outcomes) == 1:
        return f"{first.action} {safe(first.address)}"
    addresses = [safe(o.change.address) for o in outcomes[:shown]]
    more = f" and {len(outcomes) - shown} more" if len(outcomes) > shown else ""
    return f"{len(outcomes)} changes ({', '.join(addresses)}{more})"


_PROOF_COLOURS = {"proved": "green", "failed": "red", "told": "yellow", "not-covered": "dim"}
