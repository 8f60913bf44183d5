"""Plan, Writers, Journal -> Outcomes. One failure never stops another subject; what was not done is said.

Phases and steps run in order. Within a step, changes run side by side. Containment goes on through
failures; a subject's containment is closed (entity deleted or sealed) only when every proof about it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol

from reconciler.errors import IdacError, LedgerError, Refused
from reconciler.model.change import Change
from reconciler.model.outcome import Outcome, Proof, Status
from reconciler.model.plan import Plan
from reconciler.model.resource import Address, Fields
from reconciler.providers.protocol import Prover, Writer


class Journal(Protocol):
    """The write-ahead journal of one run. Both raise `LedgerError` when nothing can be written down."""

    def intent(self, n: int, address: str, action: str, idempotency_key: str) -> None:
        """Write down what is about to be done; durable before the first writing call it leads to is sent."""
        ...

    def outcome(self, n: int, status: str, evidence: Mapping[str, Any], error: str) -> None:
        """Write down what came of it."""
        ...


@dataclass(frozen=True, slots=True)
class Execution:
    """Everything one apply did, left undone and proved, in the plan's order."""

    outcomes: tuple[Outcome, ...]
    proofs: tuple[Proof, ...]
    known: Mapping[Address, Fields]


@dataclass(slots=True)
class Hands:
    """What apply works with: writers by provider name, provers, the journal, and the ways to watch it."""

    writers: Mapping[str, Writer]
    provers: Sequence[Prover]
    journal: Journal
    clock: Callable[[], str]  # RFC 3339 UTC
    alive: Callable[[], None] = lambda: None  # raises when the run's lock was lost
    barred: Callable[[Change], str] = lambda change: ""  # why nothing may be given any more
    progress: Callable[[Outcome], None] = lambda outcome: None
    workers: int = 8


@dataclass(slots=True)
class _State:
    plan: Plan
    hands: Hands
    known: dict[Address, dict[str, Any]]
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    proofs: dict[tuple[str, str], Proof] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)  # groups in which something failed
    rules_broken: bool = False  # a govern change failed: nothing may be granted under rules that do not stand


def apply(plan: Plan, hands: Hands, known: Mapping[Address, Fields]) -> Execution:
    """Carry out the plan. Returns failures as outcomes instead of raising, so that the record is always written.

    `known` holds the facts observed at plan time; evidence of each change joins them. Raises only when
    the run itself cannot go on (its lock is lost, its journal cannot be written); nothing is begun after that.
    """
    numbered = list(enumerate(sorted([*plan.changes, *plan.routine], key=lambda c: c.order)))
    state = _State(plan, hands, {a: dict(f) for a, f in known.items()})
    contained = [c for _, c in numbered if c.phase == "contain" and not plan.stopped(c)]
    remade = _made_again(contained, plan)
    with ThreadPoolExecutor(max_workers=hands.workers, thread_name_prefix="apply") as pool:
        for _, batch in groupby(numbered, key=lambda item: item[1].order[:2]):
            hands.alive()
            work = list(batch)
            if remade and work[0][1].phase != "contain":
                _prove(state, _still_unproved(state, remade))
                remade = []
            if any(c.closes for _, c in work):
                _prove(state, [c for c in contained if not c.closes])
            _step(state, pool, work)
            _after(state, [c for _, c in work])
    tiered = [c for _, c in numbered if c.asks and not plan.stopped(c)]
    _prove(state, [*_still_unproved(state, contained), *tiered])
    public = {address: _public(fields) for address, fields in state.known.items()}
    return Execution(tuple(state.outcomes[n] for n, _ in numbered), tuple(state.proofs.values()), public)


def _step(state: _State, pool: Executor, work: Sequence[tuple[int, Change]]) -> None:
    """One step's changes side by side. What hinders a change is settled before any of them begins."""
    hindered = {n: why for n, change in work if (why := _hindrance(state, change))}
    begun = {n: pool.submit(_one, state, n, change) for n, change in work if n not in hindered}
    try:
        for n, change in work:
            _note(state, n, begun[n].result() if n in begun else _undone(change, hindered[n]))
    finally:
        for future in begun.values():
            future.cancel()  # when the run breaks off: what has not begun never begins


def _one(state: _State, n: int, change: Change) -> Outcome:
    """One change from intent to outcome. Runs in a worker thread."""
    hands = state.hands
    if change.phase != "contain" and (barred := hands.barred(change)):
        return _undone(change, barred)
    hands.alive()
    started = hands.clock()
    hands.journal.intent(n, change.address, change.action, f"{state.plan.digest}:{n}")
    evidence: Fields = {}
    status: Status = "applied"
    error = ""
    try:
        evidence = _writer(hands, change).apply(change, state.known)
    except LedgerError:
        raise  # a call could not be written down beforehand, so it was not sent, and no other may be
    except IdacError as problem:
        status, error = "failed", str(problem)
    state.known.setdefault(change.address, {}).update(evidence)
    public = _public(evidence)
    hands.journal.outcome(n, status, public, error)
    return Outcome(change, status, public, error, started, hands.clock())


def _writer(hands: Hands, change: Change) -> Writer:
    provider = change.address.split(".", 1)[0]
    if provider not in hands.writers:
        raise Refused(f"no provider {provider!r} is configured", remedy="see `target` in idac.yaml")
    return hands.writers[provider]


def _public(evidence: Fields) -> dict[str, Any]:
    """Keys that begin with an underscore are for this run's own use and reach no journal and no record."""
    return {k: v for k, v in evidence.items() if not k.startswith("_")}


def _hindrance(state: _State, change: Change) -> str:
    """Why a change must not be attempted now; empty when nothing stands in its way."""
    if stopped := state.plan.stopped(change):
        return stopped
    if change.phase == "grant" and state.rules_broken:
        return "a change to the rules failed, and nothing is granted under rules that do not stand"
    if change.phase == "grant" and change.group in state.broken:
        return "an earlier step for the same subject failed"
    if change.phase != "contain" and (barred := state.hands.barred(change)):
        return barred
    if change.closes:
        return _open(state, change)
    return ""


def _open(state: _State, change: Change) -> str:
    """Why a containment cannot be closed yet: something failed, or is not proved."""
    if change.group in state.broken:
        return "an earlier step of this containment failed; the next run goes on from here"
    proofs = [p for (group, _), p in state.proofs.items() if group == change.group]
    failed = sorted(p.system for p in proofs if p.status == "failed")
    if failed:
        return f"not proved: {', '.join(failed)}; the next run tries again"
    if change.subject is not None and not any(p.status == "proved" for p in proofs):
        return "no system was asked whether the subject still has power; the next run tries again"
    return ""


def _note(state: _State, n: int, outcome: Outcome) -> None:
    state.outcomes[n] = outcome
    if outcome.status != "applied":
        state.broken.add(outcome.change.group)
        state.rules_broken |= outcome.change.phase == "govern"
    state.hands.progress(outcome)


def _undone(change: Change, why: str) -> Outcome:
    return Outcome(change, "not-attempted", error=why)


def _prove(state: _State, contained: Sequence[Change]) -> None:
    """Ask every system afresh about what was taken away; a later answer replaces an earlier one."""
    asked = [c for c in contained if c.closes or c.asks or _takes(c)]
    fresh: dict[tuple[str, str], Proof] = {}
    for prover in state.hands.provers if asked else ():
        try:
            proofs = prover.prove(asked, state.known)
        except IdacError as problem:  # it could ask about nobody: then nobody is proved
            name = type(prover).__name__
            subjects = {c.subject for c in asked if c.subject is not None}
            proofs = tuple(Proof(s, name, "failed", str(problem)) for s in sorted(subjects))
        for proof in proofs:
            key = str(proof.subject), proof.system
            if key not in fresh or fresh[key].status != "failed":  # of several answers the worst counts
                fresh[key] = proof
    state.proofs |= fresh


def _takes(change: Change) -> bool:
    """Whether this takes away power that a prover can look for."""
    disables = (change.after or {}).get("state") == "containing"
    return disables or (change.action in ("revoke", "delete") and not change.closes)


def _made_again(contained: Sequence[Change], plan: Plan) -> list[Change]:
    """What is taken from whoever is given the same anew: it can be proved only in between."""
    given = {c.address for c in plan.changes if c.phase == "grant" and c.action == "create"}
    groups = {c.group for c in contained if c.action == "delete" and c.address in given}
    return [c for c in contained if c.group in groups]


def _still_unproved(state: _State, contained: Sequence[Change]) -> list[Change]:
    """What the first round of proofs could not see: closed entities, and groups that nothing closes."""
    asked_before = {group for group, _ in state.proofs}
    return [c for c in contained if c.closes or c.group not in asked_before]


def _after(state: _State, changes: Sequence[Change]) -> None:
    """A failed CRL refresh breaks every subject whose revocation depended on it."""
    failed = any(c.type == "ca.crl" for c in changes) and "ca.crl" in state.broken
    if failed:
        state.broken |= {
            c.group for c in state.plan.changes if c.type == "ca.certificate" and c.action == "revoke"
        }


__all__ = ["Execution", "Hands", "Journal", "apply"]
