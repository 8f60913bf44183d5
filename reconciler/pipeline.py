"""The whole story on one page: what is desired, what stands, what differs, what may be done, what was done.

    manifests --load--> Tree --expand--> Desired --.
                                                    diff --> Changes --plan--> Plan --apply--> Outcomes --> record
    Vault, CA, HSM --observe--> Actual ------------'

Planning holds readers only: it cannot write. Applying never executes a stored plan: it is handed a fresh one,
compares it with what was reviewed, and stops if they are not the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.apply import Execution, Hands, apply
from reconciler.barrier import Barrier
from reconciler.diff import diff, lift, routine_part, thaw
from reconciler.errors import Refused
from reconciler.expand import expand
from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding, SubjectRef, Tree
from reconciler.model.outcome import Outcome, Proof
from reconciler.model.plan import Guard, Plan, PlanTicket
from reconciler.model.record import PolicyThen, RecordRef, Run, RunResult, RunStatus
from reconciler.model.resource import ESTATE, Actual, Address, Desired, Fields
from reconciler.observe import observe
from reconciler.plan import plan
from reconciler.providers.protocol import Connection, Reader
from reconciler.review import release_scope, require_allowed
from reconciler.rules.emergencies import aftermath
from reconciler.rules.estate import check
from reconciler.rules.groups import outside_power
from reconciler.rules.guards import judge
from reconciler.rules.policy import policy_changes

if TYPE_CHECKING:
    from reconciler.ledger.store import Ledger


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the manifests ask for, and what is wrong with them. `tree` is without the manifests."""

    desired: Desired
    findings: tuple[Finding, ...]
    tree: Tree


@dataclass(frozen=True, slots=True)
class Sight:
    """A plan and the state it was made from."""

    plan: Plan
    actual: Actual
    desired: Desired


@dataclass(frozen=True, slots=True)
class Workshop:
    """What applying needs: the target's writers, the ledger, the time, and somebody who watches."""

    connection: Connection
    ledger: Ledger
    clock: Callable[[], str]  # RFC 3339 UTC
    progress: Callable[[Outcome], None] = lambda outcome: None


def validate(estate: Estate, tree: Tree, now: datetime) -> tuple[Finding, ...]:
    """Everything that can be said about the manifests without asking any system."""
    return want(estate, tree, now).findings


def want(estate: Estate, tree: Tree, now: datetime, last_policy: PolicyThen | None = None) -> Wanted:
    """What the manifests ask for on that day. Whoever holds on to nothing else lets go of the manifests.

    `last_policy` is the one under which something was last applied: a change of it is a finding.
    """
    desired = expand(tree, estate, now.date())
    findings = (
        *policy_changes(last_policy, estate),
        *tree.findings,
        *check(tree, estate, now.date()),
        *desired.findings,
    )
    return Wanted(desired, findings, tree.without_manifests())


def make_plan(estate: Estate, wanted: Wanted, readers: Sequence[Reader], now: datetime) -> Sight:
    """Compare what is wanted with what stands. Raises `TargetError` only when no system answered at all."""
    desired, tree = wanted.desired, wanted.tree
    actual = observe(readers)
    changes = diff(desired, actual, now)
    findings = (*wanted.findings, *actual.foreign, *outside_power(actual))
    findings += aftermath(changes, desired, actual)
    guards = judge(changes, desired, actual, estate, tree, findings)
    return Sight(plan(changes, actual, estate, tree, findings, guards), actual, desired)


def only_routine(estate: Estate, wanted: Wanted, whole: Sight, now: datetime) -> Sight:
    """Of that plan what policy allows without review, as a plan of its own.

    It is judged as what it is: how much the rest would remove or issue stands in nobody's way here.
    """
    desired, actual, fresh = whole.desired, whole.actual, whole.plan
    part = routine_part((*fresh.changes, *fresh.routine), desired.resources.get("ca.crl"), actual, now)
    judged = judge(part, desired, actual, estate, wanted.tree, fresh.findings)
    guards = tuple(guard for guard in judged if guard.code != "G01")  # it counts what is not done here
    scope = {"routine": True}
    return Sight(plan(part, actual, estate, wanted.tree, fresh.findings, guards, scope), actual, desired)


def plan_release(
    estate: Estate, tree: Tree, readers: Sequence[Reader], subject: SubjectRef, reason: str, now: datetime
) -> Sight:
    """The plan that lifts the hold on one subject, under all its names, and does nothing else; its scope says so.

    The estate's own hold is that of `estate_ref`. Raises `Refused` when nobody holds the subject.
    """
    desired = expand(tree, estate, now.date())
    actual = observe(readers)
    if subject.kind == ESTATE:
        subject = estate_ref(estate)
        changes = thaw(subject, reason, actual)
    else:
        changes = lift(subject, reason, desired, actual)
    scope = release_scope(subject, reason)
    return Sight(plan(changes, actual, estate, tree, (), (), scope), actual, desired)


def estate_ref(estate: Estate) -> SubjectRef:
    """Under which name the estate's own hold stands."""
    return SubjectRef(ESTATE, estate.name)


def apply_plan(sight: Sight, ticket: PlanTicket, run: Run, workshop: Workshop) -> tuple[RunResult, RecordRef]:
    """Carry out the plan under the estate's lock, prove what was contained, and sign the record.

    Raises `Refused` (a guard stops everything, another run is going on, or this is not the ledger that the last
    run wrote and there is nothing to contain) and `Stale` (the plan was used) before anything is written. What
    fails later is in the result. If the run itself cannot go on, its journal stays open, and the next run seals
    it as interrupted.
    """
    fresh, ledger, connection = sight.plan, workshop.ledger, workshop.connection
    require_allowed(fresh)
    if fresh.empty and not ledger.unsealed():
        _the_same_ledger(fresh, workshop)
        journal = ledger.open(run, fresh, ticket)
        result = RunResult(run, fresh, ticket, status(fresh, (), ()), (), ended_at=workshop.clock())
        return result, ledger.close(journal, result)
    lock = connection.lock(run.run_id)
    lock.acquire()
    try:
        fresh = _the_same_ledger(fresh, workshop)
        ledger.seal_interrupted(_facts(sight.actual))
        connection.use_plan(ticket.plan_id, run.run_id)
        result, record = carry_out(replace(sight, plan=fresh), ticket, run, workshop, lock.alive)
        connection.note_ledger_head(record.seq, record.sha256)
        return result, record
    finally:
        lock.release()


def carry_out(
    sight: Sight, ticket: PlanTicket, run: Run, workshop: Workshop, alive: Callable[[], None]
) -> tuple[RunResult, RecordRef]:
    """From the first line of the journal to the signed record. `alive` raises when nothing more may be written."""
    fresh, ledger, connection = sight.plan, workshop.ledger, workshop.connection
    journal = ledger.open(run, fresh, ticket)
    hands = Hands(
        writers=connection.writers(journal.before_write, journal.after_write),
        provers=connection.provers(),
        journal=journal,
        clock=workshop.clock,
        alive=alive,
        barred=Barrier(
            sight.desired,
            sight.actual,
            connection.holds,
            connection.second_factor,
            connection.sign_in,
            workshop.clock,
        ),
        progress=workshop.progress,
    )
    done = apply(fresh, hands, _facts(sight.actual))
    how = status(fresh, done.outcomes, done.proofs)
    result = RunResult(run, fresh, ticket, how, done.outcomes, done.proofs, workshop.clock(), entities(done))
    return result, ledger.close(journal, result)


def _facts(actual: Actual) -> dict[Address, Fields]:
    return {r.address: r.facts for r in actual.resources.values()}


def _the_same_ledger(fresh: Plan, workshop: Workshop) -> Plan:
    """The plan, with a guard against its grants when the ledger here is not the one that the last run wrote.

    Containment does not wait for a ledger. Raises `Refused` where there is none.
    """
    noted = workshop.connection.ledger_head()
    if noted is None or workshop.ledger.holds(*noted):
        return fresh
    message = (
        f"the ledger here lacks record {noted[0]} (sha256:{noted[1]}), the newest that a run noted on the server"
    )
    remedy = (
        "fetch the newest ledger; if it is lost for good, an administrator deletes plans/head in the estate's KV"
    )
    if not any(change.phase == "contain" for change in (*fresh.changes, *fresh.routine)):
        raise Refused(f"{message}: it was cut back, or another copy of it was written on", remedy=remedy)
    return replace(fresh, guards=(*fresh.guards, Guard("G11", "refused", f"{message} — {remedy}")))


def status(fresh: Plan, outcomes: Sequence[Outcome], proofs: Sequence[Proof]) -> RunStatus:
    """`complete` or `noop` only when every change was applied, every proof holds, every system was seen, and
    nothing was refused or withheld; `denied` when that alone is why nothing was done. Exit codes follow it."""
    applied = [o for o in outcomes if o.status == "applied"]
    proved = not any(p.status == "failed" for p in proofs)
    if len(applied) == len(outcomes) and proved and not fresh.pending and not fresh.refused:
        return "complete" if outcomes else "noop"
    if applied or fresh.pending or any(o.status == "failed" for o in outcomes):
        return "partial"
    return "denied"


def entities(done: Execution) -> dict[str, str]:
    """Entity ids by subject, for those a change was about: so that the server's own audit log stays readable."""
    addresses = {f"vault.entity/{o.change.subject}" for o in done.outcomes if o.change.subject is not None}
    return {
        a.partition("/")[2]: str(done.known[a]["id"]) for a in sorted(addresses) if "id" in done.known.get(a, {})
    }
