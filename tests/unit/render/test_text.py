"""What people read: whole output against a golden file, and nothing that could steer a terminal."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.diff import diff
from reconciler.model.change import Change
from reconciler.model.manifest import Finding, Origin, SubjectRef, Tree
from reconciler.model.outcome import Outcome, Proof
from reconciler.model.plan import Guard, Plan, PlanTicket
from reconciler.model.resource import Hold
from reconciler.plan import plan
from reconciler.providers.vault.resources import PINNED_LOGIN
from reconciler.render.findings import findings_text
from reconciler.render.text import outcome_text, plan_text
from tests.unit.test_plan import estate
from tests.unit.world import NOW, actual, certificate, desired, entity, issued, login, policy

ANNA, BOB, CARL = (SubjectRef("trader", n) for n in ("anna", "bob", "carl"))
GOLDEN = Path(__file__).parent / "plan.txt"
TICKET = PlanTicket("0b9f4f0e", "2026-11-24T12:00:00Z", "2026-11-25T12:00:00Z")


def story(reason: str = "its manifest was deleted") -> Plan:
    """Anna joins, Bob leaves, Carl moves from one role to another; a policy changes."""
    reader, writer = "idac-t-role-reader", "idac-t-role-writer"
    before = '{"path":{"desk/data/a":{"capabilities":["read"]},"desk/data/b":{"capabilities":["read"]}}}'
    after = '{"path":{"desk/data/a":{"capabilities":["read","update"]},"desk/data/b":{"capabilities":["read"]}}}'
    standing = [
        entity(BOB),
        login(BOB),
        issued(certificate(BOB), serial="0a:0a", serials=["0a:0a"]),
        entity(CARL, [reader]),
        login(CARL),
        issued(certificate(CARL), serial="0b:0b", serials=["0b:0b"]),
        policy("reader", before),
    ]
    wanted = [
        *(entity(ANNA, [reader], id=None), login(ANNA), certificate(ANNA)),
        *(entity(CARL, [writer], id=None), login(CARL), certificate(CARL)),
        policy("reader", after),
    ]
    changes = diff(desired(wanted, {ANNA: "active", CARL: "active"}, reasons={BOB: reason}), actual(standing), NOW)
    guards = (Guard("G01", "refused", "6 of 9 subjects would be removed; the budget is 5"),)
    findings = (
        Finding("R11", "warning", "employment ends soon", "trader/carl", Origin("traders/carl.yaml", 9, 3)),
    )
    made = plan(changes, actual(standing, unmanaged=("policy default",)), estate(), Tree(()), findings, guards)
    return replace(made, digest="d" * 64)


def test_the_whole_plan_reads_like_the_golden_file() -> None:
    assert plan_text(story(), TICKET) == GOLDEN.read_text()


def test_containment_is_shown_before_rules_and_grants() -> None:
    text = plan_text(story(), TICKET)
    assert text.index("Contain —") < text.index("Govern —") < text.index("Grant —")


HOSTILE = st.text(alphabet=st.characters(), min_size=1, max_size=30)


def harmless(text: str) -> bool:
    return all(
        unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") or c == "\n" for c in text
    )


@given(HOSTILE.filter(lambda t: t.isascii() or t.encode(errors="ignore").decode() == t))
def test_no_text_from_outside_can_steer_the_terminal(hostile: str) -> None:
    made = story(hostile)
    twisted = [
        replace(
            c, address=f"{c.address}{hostile}", before=_twist(c.before, hostile), after=_twist(c.after, hostile)
        )
        for c in made.changes
    ]
    finding = Finding("R01", "error", hostile, hostile, Origin(hostile, 1, 1))
    guard = Guard("G01", "refused", hostile)
    made = replace(
        made,
        changes=tuple(twisted),
        findings=(finding,),
        guards=(guard,),
        unmanaged=(hostile,),
        pending={"ca": hostile},
        holds=(Hold(BOB, hostile, hostile, hostile),),
    )
    outcomes = [Outcome(c, "failed", error=hostile) for c in twisted]
    proofs = [Proof(BOB, hostile, "proved", hostile)]
    said = plan_text(made, TICKET) + plan_text(replace(made, changes=()), None) + outcome_text(outcomes, proofs)
    said += findings_text(hostile, Tree((), absence_is_intent=False, why_not=hostile), [finding])
    assert harmless(said)


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        ({"holds": (Hold(BOB, "lost laptop", "", "2026-11-24T12:00:00Z"),)}, "1 on hold"),
        ({"findings": (Finding("R05", "error", "m"), Finding("R11", "warning", "m"))}, "1 error found"),
        ({"guards": (Guard("G04", "refused", "m", "nothing"),)}, "refused by G04"),
        ({"pending": {"ca": "sealed"}}, "not seen: ca"),
    ],
)
def test_a_plan_without_changes_says_in_what_the_manifests_do_not_stand(apart: Any, words: str) -> None:
    nothing = replace(story(), changes=(), findings=(), guards=())
    assert "What stands is what the manifests say." in plan_text(nothing, None)
    said = plan_text(replace(nothing, **apart), None)
    assert "No changes. But what stands is not what the manifests say:" in said and words in said


def _twist(fields: Any, hostile: str) -> dict[str, Any]:
    return {
        **(fields or {}),
        "document": f'{{"path":{{"{hostile}":{{}}}}}}',
        "policies": [hostile],
        "x": {"ref": hostile},
    }


def test_colours_are_only_there_when_asked_for() -> None:
    assert "\x1b[" in plan_text(story(), TICKET, colour=True)
    assert "\x1b[" not in plan_text(story(), TICKET)


def test_outcomes_name_what_was_not_done_and_every_proof() -> None:
    change = Change("vault.entity/trader/bob", BOB, "delete", "contain", "left")
    outcomes = [Outcome(change, "failed", error="no answer"), Outcome(change, "applied")]
    proofs = [Proof(BOB, "vault.entity", "proved", "it is gone"), Proof(BOB, "venues", "not-covered", "passwords")]
    text = outcome_text(outcomes, proofs)
    assert "failed: delete vault.entity/trader/bob: no answer" in text
    assert "proved       vault.entity: it is gone" in text
    assert "not-covered  venues: passwords" in text
    assert "Applied 1 of 2 changes." in text


def test_routine_changes_are_counted_and_those_nobody_reviewed_are_named() -> None:
    change = Change("ca.certificate/trader/bob/mtls", BOB, "rotate", "grant", "due", routine=True)
    text = outcome_text([Outcome(change, "applied")], [], ("rotate ca.certificate/trader/bob/mtls",))
    assert "Applied 1 of 1 changes, 1 of them routine." in text
    assert "Due since the review, and allowed by policy without one: 1 routine: rotate ca.certificate" in text


def test_what_one_fault_holds_up_is_said_once() -> None:
    changes = [Change(f"vault.entity/trader/p{n}", None, "create", "grant", "joins") for n in range(5)]
    waiting = [Outcome(change, "not-attempted", error="G03 stops grants") for change in changes]
    text = outcome_text([*waiting, Outcome(changes[0], "not-attempted", error="an earlier step failed")], [])
    assert text.splitlines()[:2] == [
        "  not attempted: 5 changes (vault.entity/trader/p0, vault.entity/trader/p1, vault.entity/trader/p2 "
        "and 2 more): G03 stops grants",
        "  not attempted: create vault.entity/trader/p0: an earlier step failed",
    ]


def test_what_is_the_same_in_every_login_is_counted_unless_it_differs_or_is_asked_for() -> None:
    after = {**PINNED_LOGIN, "allowed_common_names": ["trader.anna"], "token_period": 60}
    change = Change("vault.login/trader/anna/mtls", ANNA, "create", "grant", "new", None, after)
    made = plan((change,), actual([]), estate(), Tree(()), (), ())
    short, long = (plan_text(made, None, verbose=verbose) for verbose in (False, True))
    for text in (short, long):
        assert "allowed_common_names = [trader.anna]" in text and "token_period = 60" in text
    assert "token_type" not in short and "token_type = service" in long
    assert "and 5 fields that are the same in each (-v shows them)" in short and "-v shows" not in long
    shown = plan_text(replace(made, changes=(replace(change, action="update"),)), None)
    assert "token_type → service" in shown  # a change is shown whole
