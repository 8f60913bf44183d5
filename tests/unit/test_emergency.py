"""Containing one subject at once: what is taken, in which order, and what is left alone."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reconciler.diff import contain_now, contain_rest
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual, Hold, Resource
from tests.unit.world import actual, advance, certificate, crl, entity, issued, login, orphan

ANNA, BOB = SubjectRef("trader", "anna"), SubjectRef("trader", "bob")
WHY, BY = "the desk called", "operator ops"


def now(state: Actual) -> list[Change]:
    return sorted(contain_now(ANNA, WHY, BY, crl(), state), key=lambda c: c.order)


def standing() -> list[Resource]:
    made = entity(ANNA)
    person = replace(made, facts={**made.facts, "person": "E1"})
    return [person, login(ANNA), issued(certificate(ANNA)), orphan(certificate(ANNA, spki="short-lived"))]


def test_the_hold_comes_first_and_then_everything_goes_in_the_order_of_every_containment() -> None:
    changes = now(actual(standing()))
    assert [(c.action, c.type) for c in changes] == [
        ("hold", "vault.entity"),
        ("update", "vault.entity"),
        ("delete", "vault.login"),
        ("revoke", "ca.certificate"),
        ("revoke", "ca.certificate"),
        ("update", "ca.crl"),
        ("revoke", "vault.token"),
        ("update", "vault.entity"),
    ]
    assert {c.phase for c in changes} == {"contain"}
    assert changes[0].after == {"hold": WHY, "by": BY, "person": "E1", "keys": ["key-anna-mtls", "short-lived"]}


def test_afterwards_nothing_is_left_and_the_next_plan_agrees() -> None:
    state = actual(standing())
    state = advance(state, now(state))
    assert contain_rest(ANNA, WHY, crl(), state) == ()
    assert ANNA in state.holds
    assert state.holds[ANNA].person == "E1"


def test_what_another_run_gave_since_is_taken_without_a_new_hold() -> None:
    state = actual(standing())
    state = advance(state, now(state))
    late = issued(certificate(ANNA, "late"))
    state = replace(state, resources={**state.resources, late.address: late})
    assert [(c.action, c.type) for c in sorted(contain_rest(ANNA, WHY, crl(), state), key=lambda c: c.order)] == [
        ("revoke", "ca.certificate"),
        ("update", "ca.crl"),
        ("revoke", "vault.token"),
        ("update", "vault.entity"),
    ]


def test_told_again_the_hold_keeps_the_person_and_the_keys_known_before() -> None:
    before = Hold(ANNA, "a revocation", "run 1", "2026-11-24T11:00:00Z", "E1", frozenset({"gone"}))
    first = now(actual([entity(ANNA, disabled=True, state="contained")], [before]))[0]
    assert first.before == {"hold": "a revocation"}
    assert first.after == {"hold": WHY, "by": BY, "person": "E1", "keys": ["gone"]}


def test_of_nobody_a_hold_is_all_there_is() -> None:
    (only,) = now(actual([]))
    assert (only.action, only.actual) == ("hold", None)


def test_where_a_system_was_not_seen_nothing_is_sealed() -> None:
    changes = now(actual(standing(), unavailable={"hsm": "the token is locked"}))
    assert not [c for c in changes if c.closes]
    assert [c for c in changes if c.type == "vault.token"]


PARTS: dict[str, Resource] = {
    "entity": entity(ANNA),
    "login": login(ANNA),
    "another login": login(ANNA, "report"),
    "certificate": issued(certificate(ANNA)),
    "another certificate": issued(certificate(ANNA, "report")),
    "orphan": orphan(certificate(ANNA, spki="short-lived")),
}


@given(st.sets(st.sampled_from(sorted(PARTS))), st.booleans(), st.booleans(), st.booleans())
def test_whatever_stood_nothing_does_any_more_and_nobody_else_is_touched(
    parts: set[str], disabled: bool, sealed: bool, again: bool
) -> None:
    mine = [PARTS[part] for part in sorted(parts)]
    state_of = "contained" if sealed else "containing" if disabled else "active"
    mine = [r if r.type != "vault.entity" else entity(ANNA, disabled=disabled, state=state_of) for r in mine]
    others = [entity(BOB), login(BOB), issued(certificate(BOB))]
    state = actual([*mine, *others])
    for _ in range(2 if again else 1):
        state = advance(state, now(state))
    left = [r for r in state.resources.values() if r.subject == ANNA]
    assert all(r.type == "vault.entity" and r.fields["disabled"] for r in left)
    assert all(r.fields["state"] == "contained" for r in left)
    assert ANNA in state.holds and BOB not in state.holds
    assert contain_rest(ANNA, WHY, crl(), state) == ()
    assert {r.address: r for r in others}.items() <= dict(state.resources).items()
