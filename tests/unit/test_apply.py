"""apply: order, isolation, and what stops what. Writers and provers here are in memory: the engine alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.apply import Execution, Hands, apply
from reconciler.errors import IdacError, LedgerError, Refused, Rejected, Unreachable
from reconciler.model.change import PHASES, Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Outcome, Proof, ProofStatus
from reconciler.model.plan import Guard, Plan
from reconciler.model.resource import Fields
from reconciler.providers.protocol import Known
from tests.unit.test_plan import joiners_and_leaver, make

ANNA, BOB = SubjectRef("trader", "anna"), SubjectRef("trader", "bob")
PLAN = make(joiners_and_leaver())
CLOSE = "vault.entity/trader/bob"
WHERE = list[tuple[str, str]]


@dataclass
class Diary:
    """Journal, writers and provers in one, so that the order of everything is one list."""

    fail: Mapping[str, IdacError] = field(default_factory=dict)  # address -> what its writer raises
    answers: Mapping[str, ProofStatus] = field(default_factory=dict)  # system -> proof
    evidence: Mapping[str, Fields] = field(default_factory=dict)
    prover_raises: IdacError | None = None
    events: list[tuple[str, str]] = field(default_factory=list)
    rounds: list[list[Change]] = field(default_factory=list)
    seen: dict[str, Fields] = field(default_factory=dict)
    lines: list[Any] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, what: str) -> None:
        with self.lock:
            self.events.append((kind, what))

    def intent(self, n: int, address: str, action: str, idempotency_key: str) -> None:
        self.note("intent", f"{action} {address}")
        self.lines.append([n, address, action, idempotency_key])

    def outcome(self, n: int, status: str, evidence: Mapping[str, Any], error: str) -> None:
        self.note("outcome", str(n))
        self.lines.append([n, status, dict(evidence), error])

    def apply(self, change: Change, known: Known) -> Fields:
        self.note("write", f"{change.action} {change.address}")
        self.seen[f"{change.action} {change.address}"] = {
            a: dict(f) for a, f in dict(known).items()
        }  # others write
        if change.address in self.fail:
            raise self.fail[change.address]
        return self.evidence.get(change.address, {})

    def prove(self, contained: Sequence[Change], known: Known) -> tuple[Proof, ...]:
        self.note("prove", ",".join(sorted({c.address for c in contained})))
        self.rounds.append(list(contained))
        if self.prover_raises is not None:
            raise self.prover_raises
        subjects = sorted({c.subject for c in contained if c.subject is not None})
        return tuple(Proof(s, system, status, "") for s in subjects for system, status in self.answers.items())

    def written(self) -> list[str]:
        return [what for kind, what in self.events if kind == "write"]


def hands(diary: Diary, **more: Any) -> Hands:
    more.setdefault("writers", {"vault": diary, "ca": diary})
    return Hands(provers=[diary], journal=diary, clock=lambda: "t", **more)


def run(diary: Diary, plan: Plan = PLAN, **more: Any) -> Execution:
    return apply(plan, hands(diary, **more), {})


def proving(**more: Any) -> Diary:
    return Diary(answers={"vault.entity": "proved", "ca.crl": "proved", "open connections": "not-covered"}, **more)


def statuses(execution: Execution) -> dict[str, str]:
    return {f"{o.change.phase} {o.change.action} {o.change.address}": o.status for o in execution.outcomes}


def test_everything_is_done_in_the_plan_s_order_and_reported_in_it() -> None:
    diary = proving()
    found = run(diary)
    assert [o.change for o in found.outcomes] == list(PLAN.changes)
    assert {o.status for o in found.outcomes} == {"applied"}
    assert len(diary.written()) == len(PLAN.changes)


@given(st.sets(st.sampled_from(sorted({c.address for c in PLAN.changes}))), st.integers(1, 8))
def test_whatever_fails_steps_never_overlap_and_never_run_out_of_order(failing: set[str], workers: int) -> None:
    diary = proving(fail={a: Rejected("no") for a in failing})
    found = run(diary, workers=workers)
    places = {f"{c.action} {c.address}": c.order[:2] for c in PLAN.changes}
    done = [places[what] for what in diary.written()]
    assert done == sorted(done)
    assert [o.change for o in found.outcomes] == list(PLAN.changes)
    attempted = {f"{o.change.action} {o.change.address}" for o in found.outcomes if o.status != "not-attempted"}
    assert attempted == set(diary.written())
    contained = [o for o in found.outcomes if o.change.phase == "contain" and not o.change.closes]
    assert all(o.status != "not-attempted" for o in contained)  # containment goes on through failures


@given(st.permutations(PLAN.changes))
def test_the_order_in_which_changes_were_listed_decides_nothing(changes: list[Change]) -> None:
    assert run(proving(), replace(PLAN, changes=tuple(changes))).outcomes == run(proving()).outcomes


def test_an_intent_precedes_each_write_and_an_outcome_follows() -> None:
    diary = proving()
    run(diary, workers=1)
    kinds = [kind for kind, _ in diary.events if kind != "prove"]
    assert kinds == ["intent", "write", "outcome"] * len(PLAN.changes)
    keys = [row[3] for row in diary.lines if isinstance(row[3], str) and ":" in row[3]]
    assert keys == [f"{PLAN.digest}:{n}" for n in range(len(PLAN.changes))]


def many(*names: str) -> Plan:
    """A plan in which each of these subjects gets a login of its own."""
    changes = joiners_and_leaver()
    return make(
        tuple(
            replace(c, subject=SubjectRef("trader", name), address=c.address.replace("anna", name))
            for c in changes
            if c.subject == ANNA
            for name in names
        )
    )


@given(st.sets(st.sampled_from("abcdef")), st.sampled_from(["vault.entity", "ca.certificate"]))
def test_one_subject_s_failure_never_stops_another_s(broken: set[str], where: str) -> None:
    tail = "" if where == "vault.entity" else "/mtls"
    diary = Diary(fail={f"{where}/trader/{n}{tail}": Unreachable("gone") for n in broken})
    found = run(diary, many(*"abcdef"))
    for outcome in found.outcomes:
        assert outcome.change.subject is not None
        if outcome.change.subject.name not in broken:
            assert outcome.status == "applied"
    ends = [o for o in found.outcomes if o.change.type == "vault.login"]
    assert {o.change.subject.name for o in ends if o.status == "not-attempted" and o.change.subject} == broken
    assert all("earlier step" in o.error for o in ends if o.status == "not-attempted")


def test_two_changes_of_one_subject_in_one_step_do_not_hinder_each_other() -> None:
    first = next(c for c in PLAN.changes if c.type == "ca.certificate" and c.phase == "grant")
    twins = tuple(replace(first, address=f"{first.address}-{i}") for i in range(9))
    diary = Diary(fail={twins[0].address: Rejected("no")})
    found = run(diary, replace(PLAN, changes=twins), workers=1)
    assert [o.status for o in found.outcomes] == ["failed"] + ["applied"] * 8


def test_a_failed_govern_change_stops_every_grant_but_no_containment() -> None:
    diary = proving(fail={"vault.policy/role/p": Rejected("no")})
    found = statuses(run(diary))
    assert {s for n, s in found.items() if n.startswith("contain")} == {"applied"}
    assert found["govern create vault.policy/role/p"] == "failed"
    assert {s for n, s in found.items() if n.startswith("grant")} == {"not-attempted"}


@pytest.mark.parametrize(
    ("stops", "done"),
    [("grants", {"contain"}), ("everything", set()), ("nothing", set(PHASES))],
)
def test_a_refusing_guard_stops_what_it_says(stops: Any, done: set[str]) -> None:
    diary = proving()
    found = run(diary, replace(PLAN, guards=(Guard("G09", "refused", "because", stops),)))
    assert {o.change.phase for o in found.outcomes if o.status == "applied"} == done
    assert all("G09: because" in o.error for o in found.outcomes if o.status == "not-attempted")
    assert bool(found.proofs) == ("contain" in done)


def test_a_passed_guard_stops_nothing() -> None:
    passed = Guard("G01", "passed", "fine", "everything")
    assert {o.status for o in run(proving(), replace(PLAN, guards=(passed,))).outcomes} == {"applied"}


def test_the_entity_goes_last_and_only_after_it_was_proved_powerless() -> None:
    diary = proving()
    run(diary)
    proofs = [i for i, (kind, _) in enumerate(diary.events) if kind == "prove"]
    closing = diary.events.index(("write", f"delete {CLOSE}"))
    assert len(proofs) == 2
    assert proofs[0] < closing < proofs[1]
    assert not any(c.closes for c in diary.rounds[0])
    assert {c.address for c in diary.rounds[1] if c.closes} == {CLOSE}


@pytest.mark.parametrize(
    ("diary", "why"),
    [
        (Diary(answers={"ca.crl": "failed", "vault.entity": "proved"}), "not proved: ca.crl"),
        (Diary(answers={"open connections": "not-covered"}), "no system was asked"),
        (Diary(), "no system was asked"),
        (Diary(prover_raises=Unreachable("sealed")), "not proved: Diary"),
        (proving(fail={"vault.login/trader/bob/mtls": Rejected("no")}), "an earlier step"),
        (proving(fail={"ca.crl": Rejected("no")}), "an earlier step"),
    ],
)
def test_a_containment_that_is_not_proved_stays_open(diary: Diary, why: str) -> None:
    found = run(diary)
    (closing,) = [o for o in found.outcomes if o.change.closes]
    assert (closing.status, why in closing.error) == ("not-attempted", True)
    assert f"delete {CLOSE}" not in diary.written()
    assert statuses(found)["grant create vault.entity/trader/anna"] == "applied"


def test_a_proof_of_one_subject_says_nothing_about_another() -> None:
    class OnlyBob(Diary):
        def prove(self, contained: Sequence[Change], known: Known) -> tuple[Proof, ...]:
            return tuple(p for p in super().prove(contained, known) if p.subject == BOB)

    leavers = make(
        tuple(
            replace(c, subject=SubjectRef("trader", n), address=c.address.replace("bob", n))
            for c in PLAN.changes
            if c.subject == BOB
            for n in ("bob", "carl")
        )
    )
    found = run(OnlyBob(answers={"vault.entity": "proved"}), leavers)
    assert {o.change.address for o in found.outcomes if o.status == "not-attempted"} == {
        "vault.entity/trader/carl"
    }


def test_a_later_proof_replaces_an_earlier_one() -> None:
    class Changing(Diary):
        def prove(self, contained: Sequence[Change], known: Known) -> tuple[Proof, ...]:
            return (
                Proof(BOB, "vault.entity", "proved", f"round {len(self.rounds)}"),
                *super().prove(contained, known),
            )

    found = run(Changing())
    assert [(p.system, p.detail) for p in found.proofs] == [("vault.entity", "round 1")]


@pytest.mark.parametrize("order", [("proved", "failed"), ("failed", "proved")])
def test_of_several_answers_about_one_system_the_worst_counts(order: tuple[ProofStatus, ...]) -> None:
    class Twice(Diary):
        def prove(self, contained: Sequence[Change], known: Known) -> tuple[Proof, ...]:
            return tuple(Proof(BOB, "vault.entity", status, status) for status in order)

    found = run(Twice())
    assert [p.status for p in found.proofs] == ["failed"]
    assert statuses(found)[f"contain delete {CLOSE}"] == "not-attempted"


def test_what_is_taken_and_given_anew_is_proved_in_between_and_once() -> None:
    address = "vault.login/trader/anna/mtls"
    gone = Change(address, ANNA, "delete", "contain", "")
    anew = Change(address, ANNA, "create", "grant", "")
    diary = proving()
    found = run(diary, make((gone, anew)))
    events = [(kind, what) for kind, what in diary.events if kind in ("write", "prove")]
    assert events == [("write", f"delete {address}"), ("prove", address), ("write", f"create {address}")]
    assert {p.status for p in found.proofs} == {"proved", "not-covered"}


def test_without_anything_taken_away_nobody_is_asked() -> None:
    diary = Diary()
    assert run(diary, many("a")).proofs == ()
    assert diary.rounds == []


def test_evidence_with_an_underscore_reaches_later_changes_but_neither_journal_nor_outcome() -> None:
    diary = proving(evidence={"vault.entity/trader/anna": {"id": "e-1", "_accessors": ["canary"]}})
    found = run(diary)
    later = diary.seen["create vault.login/trader/anna/mtls"]
    assert later["vault.entity/trader/anna"] == {"id": "e-1", "_accessors": ["canary"]}
    assert found.known["vault.entity/trader/anna"] == {"id": "e-1"}
    assert "canary" not in json.dumps(diary.lines)
    assert all("canary" not in str(o.evidence) for o in found.outcomes)


def dying(after: int) -> Callable[[], None]:
    """A lock that is lost after so many looks at it."""
    looks = iter(range(after))
    guard = threading.Lock()

    def alive() -> None:
        with guard:
            if next(looks, None) is None:
                raise Refused("the lock was lost")

    return alive


@given(st.integers(0, 18), st.integers(1, 4))
def test_once_the_lock_is_lost_nothing_is_attempted(after: int, workers: int) -> None:
    diary = proving()
    with pytest.raises(Refused, match="lock was lost"):
        run(diary, alive=dying(after), workers=workers)
    assert len(diary.written()) <= after
    assert "create vault.login/trader/anna/mtls" not in diary.written()


@pytest.mark.parametrize("method", ["intent", "outcome"])
def test_a_journal_that_cannot_be_written_ends_the_run(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    diary = proving()

    def full(*_: Any) -> None:
        raise LedgerError("no room")

    monkeypatch.setattr(diary, method, full)
    with pytest.raises(LedgerError):
        run(diary)
    assert len(diary.written()) == (1 if method == "outcome" else 0)


def test_a_call_that_could_not_be_written_down_ends_the_run() -> None:
    diary = proving(fail={CLOSE: LedgerError("no room")})
    with pytest.raises(LedgerError):
        run(diary)
    assert len(diary.written()) == 1


def test_when_whoever_watches_breaks_off_nothing_more_begins() -> None:
    diary = Diary()

    def interrupt(outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(diary, many(*[f"s{i}" for i in range(100)]), progress=interrupt, workers=1)
    assert len(diary.written()) < 100


def test_a_provider_that_is_not_configured_fails_its_own_changes_only() -> None:
    diary = proving()
    found = run(diary, writers={"vault": diary})
    assert {o.change.type for o in found.outcomes if o.status == "failed"} == {"ca.certificate", "ca.crl"}
    assert "vault.policy/role/p" in {o.change.address for o in found.outcomes if o.status == "applied"}


def test_facts_known_at_plan_time_reach_the_writers_and_are_not_changed() -> None:
    known = {"vault.entity/trader/bob": {"id": "e-0"}}
    diary = proving(evidence={"vault.entity/trader/bob": {"version": 2}})
    apply(PLAN, hands(diary), known)
    assert diary.seen["delete vault.entity/trader/bob"]["vault.entity/trader/bob"] == {"id": "e-0", "version": 2}
    assert known == {"vault.entity/trader/bob": {"id": "e-0"}}


def test_progress_is_told_of_every_outcome_once() -> None:
    told: list[Outcome] = []
    found = run(proving(), progress=told.append)
    assert told == list(found.outcomes)
