"""The short way: one subject contained, or all grants stopped: no manifests, git, validation, budgets, waiting.

It takes the run lock where that is free, and does without where it is not (docs/decisions/0012): a hold is written
before anything else, every run looks for holds before it grants, and all that is done here only takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.diff import contain_now, contain_rest, freeze
from reconciler.errors import IdacError, TargetError
from reconciler.expand import no_manifests
from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding, SubjectRef, Tree
from reconciler.model.plan import PlanTicket
from reconciler.model.record import RecordRef, Run, RunResult
from reconciler.model.words import did_you_mean
from reconciler.observe import observe_subject
from reconciler.pipeline import Sight, Workshop, carry_out, estate_ref
from reconciler.plan import plan
from reconciler.providers.protocol import Reader
from reconciler.rules.guards import ownership


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it. `beside` says why it was done without the lock: another run may be going on; or ""."""

    result: RunResult
    record: RecordRef
    beside: str
    forked: bool  # the ledger here is not the one that the last run wrote

    def with_finding(self, finding: Finding) -> Done:
        """The same, with something to tell that was found out afterwards."""
        fresh = replace(self.result.plan, findings=(*self.result.plan.findings, finding))
        return replace(self, result=replace(self.result, plan=fresh))


def plan_containment(
    estate: Estate, readers: Sequence[Reader], subject: SubjectRef, reason: str, by: str, *, again: bool = False
) -> Sight:
    """The plan that holds one subject and takes all it has. Raises `TargetError` when no system answers.

    `again`: only what another run gave it since it was held; often nothing.
    """
    desired, actual = no_manifests(), observe_subject(readers, subject)
    lists = desired.resources["ca.crl"]
    if again:
        changes = contain_rest(subject, reason, lists, actual)
    else:
        changes = contain_now(subject, reason, by, lists, actual)
    scope = {"contain": {"subject": str(subject), "reason": reason}}
    guard = ownership(actual)
    return Sight(plan(changes, actual, estate, Tree(()), actual.foreign, (guard,), scope), actual, desired)


def nothing_stands(subject: SubjectRef, sight: Sight) -> bool:
    """Whether the plan only holds a name: nothing was seen under it, so nothing is taken from anybody."""
    bears = any(r.subject == subject for r in sight.actual.resources.values())
    return not bears and all(c.action == "hold" or c.type == "ca.crl" for c in sight.plan.changes)


def nothing_taken(subject: SubjectRef, known: Mapping[SubjectRef, str], *, meant: bool, pending: bool) -> Finding:
    """H04: a hold on a name under which nothing stands. `known` says of every name here where it is known.

    An error, unless the name is known or it is `meant` to be one that nobody here knows yet. `pending`: not every
    system answered.
    """
    seen = "was seen" if pending else "stands"
    first = f"nothing {seen} under the name {subject}: nothing was taken from anybody"
    if subject in known:
        return Finding("H04", "warning", f"{first}. It is on hold, and known: {known[subject]}", str(subject))
    end = f"it is on hold all the same, until `idac release {subject}`"
    if meant:
        return Finding("H04", "warning", f"{first}, and nobody here knows it; {end}", str(subject))
    hint = did_you_mean(subject, known) or "see that the name is right."
    remedy = f"{hint} For a name that is yet to come say --unknown; {end}"
    return Finding("H04", "error", f"{first}, and nobody here knows it — {remedy}", str(subject))


def plan_freeze(estate: Estate, readers: Sequence[Reader], reason: str, by: str) -> Sight:
    """The plan that puts the estate's own hold on, and does nothing else. Raises `TargetError`."""
    frozen, desired = estate_ref(estate), no_manifests()
    actual = observe_subject(readers, frozen)
    changes = freeze(frozen, reason, by, actual)
    return Sight(plan(changes, actual, estate, Tree(()), (), (), {"freeze": {"reason": reason}}), actual, desired)


def carry_out_now(sight: Sight, ticket: PlanTicket, run: Run, workshop: Workshop) -> Done:
    """Carry it out, prove it, and sign the record. Raises `LedgerError` where nothing can be written down.

    Journals of runs that were killed are left to the next `apply`: nothing may stand in the way here.
    """
    connection, beside = workshop.connection, ""
    lock = connection.lock(run.run_id)
    try:
        lock.acquire()
    except IdacError as busy:  # held, or damaged, or taken this moment: whatever it is, it does not matter now
        beside = str(busy)
    try:
        forked = _forked(workshop)
        alive = _anyhow if beside else lock.alive
        result, record = carry_out(sight, ticket, run, workshop, alive)
        if (
            not beside and not forked
        ):  # else the ledger of the other run, or the estate's own, would be called a copy
            connection.note_ledger_head(record.seq, record.sha256)
        return Done(result, record, beside, forked)
    finally:
        lock.release()


def _anyhow() -> None:
    """Without a lock there is none to lose."""


def _forked(workshop: Workshop) -> bool:
    try:
        noted = workshop.connection.ledger_head()
    except TargetError:
        return True
    return noted is not None and not workshop.ledger.holds(*noted)
