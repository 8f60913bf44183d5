"""diff is pure: what must change, in which phase, for whom, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.diff import diff, lift
from reconciler.errors import Refused
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual, Core, Desired, Hold, Resource, Revocation
from tests.unit import world
from tests.unit.world import (
    NOW,
    actual,
    advance,
    certificate,
    desired,
    entity,
    issued,
    login,
    orphan,
    policy,
    stamp,
)

ANNA, BOB = SubjectRef("trader", "anna"), SubjectRef("trader", "bob")


def wanted(*subjects: SubjectRef) -> list[Resource]:
    return [r for s in subjects for r in (entity(s, id=None), login(s), certificate(s))]


def standing(*subjects: SubjectRef) -> list[Resource]:
    return [r for s in subjects for r in (entity(s), login(s), issued(certificate(s)))]


def said(changes: tuple[Change, ...]) -> list[tuple[str, str, str]]:
    return [(c.phase, c.action, c.address) for c in sorted(changes, key=lambda c: c.order)]


def leaving(subject: SubjectRef) -> list[tuple[str, str, str]]:
    return [
        ("contain", "update", f"vault.entity/{subject}"),
        ("contain", "delete", f"vault.login/{subject}/mtls"),
        ("contain", "revoke", f"ca.certificate/{subject}/mtls"),
        ("contain", "update", "ca.crl"),
        ("contain", "revoke", f"vault.token/{subject}"),
        ("contain", "delete", f"vault.entity/{subject}"),
    ]


def suspending(subject: SubjectRef) -> list[tuple[str, str, str]]:
    return [*leaving(subject)[:-1], ("contain", "update", f"vault.entity/{subject}")]


def test_nothing_changes_when_desired_and_actual_agree() -> None:
    assert diff(desired(wanted(ANNA), {ANNA: "active"}), actual(standing(ANNA)), NOW) == ()


def test_a_joiner_gets_entity_then_certificate_then_login() -> None:
    changes = diff(desired(wanted(ANNA), {ANNA: "active"}), actual([]), NOW)
    assert said(changes) == [
        ("grant", "create", "vault.entity/trader/anna"),
        ("grant", "create", "ca.certificate/trader/anna/mtls"),
        ("grant", "create", "vault.login/trader/anna/mtls"),
    ]
    assert all(c.before is None for c in changes)


def test_what_is_learned_during_apply_is_shown_as_a_reference() -> None:
    changes = diff(desired(wanted(ANNA), {ANNA: "active"}), actual([]), NOW)
    issue = next(c for c in changes if c.type == "ca.certificate")
    assert issue.after is not None
    assert issue.after["entity"] == {"ref": "vault.entity/trader/anna#id"}


@pytest.mark.parametrize("why", ["deleted", "left"])
def test_a_leaver_is_contained_in_the_order_that_leaves_no_gap(why: str) -> None:
    target = desired([], {}) if why == "deleted" else desired([], {ANNA: "left"}, reasons={ANNA: "status: left"})
    changes = diff(target, actual(standing(ANNA)), NOW)
    assert said(changes) == leaving(ANNA)
    assert {c.reason for c in changes if c.subject} == {
        "its manifest was deleted" if why == "deleted" else "status: left"
    }


def test_deletion_removes_nothing_when_the_tree_is_not_whole_but_an_explicit_leaver_still_goes() -> None:
    target = desired([], {BOB: "left"}, absence_is_intent=False)
    assert said(diff(target, actual(standing(ANNA, BOB)), NOW)) == leaving(BOB)


def test_a_subject_with_an_invalid_manifest_is_left_alone() -> None:
    target = desired([], {}, frozen=frozenset({ANNA}))
    assert diff(target, actual(standing(ANNA)), NOW) == ()


def test_suspension_seals_the_entity_instead_of_deleting_it_and_is_done_once() -> None:
    target = desired([], {ANNA: "suspended"}, reasons={ANNA: "status: suspended"})
    state = actual(standing(ANNA))
    changes = diff(target, state, NOW)
    assert said(changes) == suspending(ANNA)
    assert diff(target, advance(state, changes), NOW) == ()


def test_a_suspension_whose_proof_failed_is_tried_again() -> None:
    target = desired([], {ANNA: "suspended"})
    halfway = actual([entity(ANNA, disabled=True, state="containing")])
    assert said(diff(target, halfway, NOW)) == [
        ("contain", "revoke", "vault.token/trader/anna"),
        ("contain", "update", "vault.entity/trader/anna"),
    ]


def test_a_contained_entity_that_somebody_enabled_is_disabled_again() -> None:
    target = desired([], {ANNA: "suspended"})
    changes = diff(target, actual([entity(ANNA, disabled=False, state="contained")]), NOW)
    assert said(changes)[0] == ("contain", "update", "vault.entity/trader/anna")


def test_the_end_of_a_suspension_is_a_grant() -> None:
    state = actual([entity(ANNA, disabled=True, state="contained")])
    changes = diff(desired(wanted(ANNA), {ANNA: "active"}), state, NOW)
    assert [c.phase for c in changes] == ["grant"] * 3
    assert "active again" in next(c.reason for c in changes if c.type == "vault.entity")


EMERGENCIES = {
    "disabled": [entity(ANNA, disabled=True), login(ANNA), issued(certificate(ANNA))],
    "revoked": [entity(ANNA), login(ANNA), issued(certificate(ANNA), revoked="foreign", serials=[])],
    "deleted": [login(ANNA), issued(certificate(ANNA))],
    "emptied": [replace(entity(ANNA, []), facts={"id": "id-trader.anna", "taken": 1}), login(ANNA)],
}


def emergency_at(name: str, *others: Resource, **more: Any) -> Actual:
    resources = EMERGENCIES[name]
    revocations = tuple(world.foreign(r) for r in resources if r.facts.get("revoked") == "foreign")
    return actual([*resources, *others], revocations=revocations, **more)


@pytest.mark.parametrize("emergency", EMERGENCIES)
def test_what_somebody_else_contained_becomes_a_hold_and_stays_one(emergency: str) -> None:
    target = desired(wanted(ANNA, BOB), {ANNA: "active", BOB: "active"})
    state = emergency_at(emergency, *standing(BOB))
    changes = diff(target, state, NOW)
    assert said(changes)[0] == ("contain", "hold", "vault.entity/trader/anna")
    assert "somebody else" in changes[0].reason
    assert not [c for c in changes if c.phase != "contain" or c.subject == BOB]
    after = advance(state, changes)
    assert diff(target, after, NOW) == ()
    assert ANNA in after.holds


def test_our_own_revocation_is_no_emergency() -> None:
    state = actual([entity(ANNA), login(ANNA), issued(certificate(ANNA), revoked="ours", serials=[])])
    changes = diff(desired(wanted(ANNA), {ANNA: "active"}), state, NOW)
    assert said(changes) == [("grant", "create", "ca.certificate/trader/anna/mtls")]


def test_a_missing_entity_means_nothing_when_a_system_did_not_answer() -> None:
    state = actual([issued(certificate(ANNA))], unavailable={"vault": "no answer"})
    assert diff(desired(wanted(ANNA), {ANNA: "active"}), state, NOW) == ()


def test_a_leaver_is_not_closed_while_a_system_does_not_answer() -> None:
    state = actual([entity(ANNA), login(ANNA)], unavailable={"ca": "sealed"})
    assert said(diff(desired([], {}), state, NOW)) == [c for c in leaving(ANNA)[:-1] if "ca." not in c[2]]


def test_a_hold_refuses_every_grant_until_it_is_released() -> None:
    hold = Hold(ANNA, "phished", "ops", "2026-11-24T10:00:00Z")
    target = desired(wanted(ANNA), {ANNA: "active"})
    state = actual([entity(ANNA, disabled=True, state="contained")], [hold])
    assert diff(target, state, NOW) == ()
    released = advance(state, lift(ANNA, "cleared", target, state))
    assert [c.phase for c in diff(target, released, NOW)] == ["grant"] * 3


def test_a_hold_contains_what_stands_and_follows_a_rename() -> None:
    hold = Hold(BOB, "phished", "ops", "2026-11-24T10:00:00Z")
    target = desired(wanted(ANNA), {ANNA: "active"}, previously={ANNA: BOB}, former={ANNA: (BOB,)})
    changes = diff(target, actual(standing(BOB), [hold]), NOW)
    assert said(changes) == [("contain", "hold", "vault.entity/trader/anna"), *leaving(BOB)]
    assert changes[0].reason == "it was trader/bob, which is on hold: phished"
    assert changes[1].reason == "renamed to trader/anna"
    both = [hold, replace(hold, subject=ANNA)]
    assert "on hold since" in diff(target, actual(standing(ANNA), both), NOW)[0].reason


def test_only_what_is_held_can_be_released() -> None:
    with pytest.raises(Refused, match="not on hold"):
        lift(ANNA, "why", desired([], {}), actual([]))


def test_a_mover_loses_before_gaining() -> None:
    target = desired([entity(ANNA, ["p2", "p3"], id=None)], {ANNA: "active"})
    changes = diff(target, actual([entity(ANNA, ["p1", "p2"])]), NOW)
    assert [(c.phase, c.before, c.after) for c in changes] == [
        ("contain", {"policies": ["p1", "p2"]}, {"policies": ["p2"]}),
        ("grant", {"policies": ["p2"]}, {"policies": ["p2", "p3"]}),
    ]
    assert "p1" in changes[0].reason
    assert "p3" in changes[1].reason


@pytest.mark.parametrize("name", ["name", "estate", "subject"])
def test_a_changed_mark_is_restored(name: str) -> None:
    there = entity(ANNA)
    state = actual([replace(there, fields={**there.fields, name: "other"})])
    changes = diff(desired([entity(ANNA, id=None)], {ANNA: "active"}), state, NOW)
    assert [(c.phase, c.action, c.after) for c in changes] == [("grant", "update", {name: there.fields[name]})]


@pytest.mark.parametrize(
    ("drift", "phase"),
    [
        ({"token_policies": ["root"]}, "contain"),
        ({"token_ttl": 90000}, "contain"),
        ({"token_ttl": 60}, "grant"),
    ],
)
def test_a_login_that_drifted_wider_is_narrowed_first(drift: dict[str, Any], phase: str) -> None:
    state = actual([entity(ANNA), login(ANNA, **drift), issued(certificate(ANNA))])
    changes = diff(desired(wanted(ANNA), {ANNA: "active"}), state, NOW)
    assert [(c.phase, c.action, c.type) for c in changes] == [(phase, "update", "vault.login")]


@pytest.mark.parametrize("drift", [{"allowed_uri_sans": []}, {"allowed_common_names": ["*"]}])
def test_a_login_that_lets_in_somebody_else_is_deleted_with_its_tokens_and_made_again_as_a_grant(
    drift: dict[str, Any],
) -> None:
    state = actual([entity(ANNA), login(ANNA, **drift), issued(certificate(ANNA))])
    changes = diff(desired(wanted(ANNA), {ANNA: "active"}), state, NOW)
    assert said(changes) == [
        ("contain", "delete", "vault.login/trader/anna/mtls"),
        ("contain", "revoke", "vault.token/trader/anna/mtls"),
        ("grant", "create", "vault.login/trader/anna/mtls"),
    ]
    (deleted,) = [c for c in changes if c.action == "delete"]
    assert deleted.before == drift
    assert diff(desired(wanted(ANNA), {ANNA: "active"}), advance(state, changes), NOW) == ()


def test_what_no_manifest_explains_is_taken_away() -> None:
    extra = [login(ANNA, "old"), issued(certificate(ANNA, "old"))]
    changes = diff(desired(wanted(ANNA), {ANNA: "active"}), actual([*standing(ANNA), *extra]), NOW)
    assert said(changes) == [
        ("contain", "delete", "vault.login/trader/anna/old"),
        ("contain", "revoke", "ca.certificate/trader/anna/old"),
        ("contain", "update", "ca.crl"),
        ("contain", "revoke", "vault.token/trader/anna/old"),
    ]
    tokens = next(c for c in changes if c.type == "vault.token")
    serials = extra[1].facts["serials"]
    assert tokens.before == {"entity": "id-trader.anna", "credential": "old", "serials": serials}
    assert not tokens.whole


def test_an_unexplained_certificate_of_somebody_who_stays_logs_out_whoever_used_it() -> None:
    lost = orphan(certificate(ANNA, spki="stranger"), serial="0e:0e")
    changes = diff(desired(wanted(ANNA), {ANNA: "active"}), actual([*standing(ANNA), lost]), NOW)
    (tokens,) = [c for c in changes if c.type == "vault.token"]
    assert tokens.before == {"entity": "id-trader.anna", "serials": ["0e:0e"]}


def replaced(overlap: int, **facts: Any) -> tuple[Change, ...]:
    """Anna's CSR is another one than her certificate was made from."""
    now_wanted = [entity(ANNA, id=None), login(ANNA), certificate(ANNA, spki="new", overlap=overlap)]
    state = actual([entity(ANNA), login(ANNA), issued(certificate(ANNA, spki="old"), **facts)])
    return diff(desired(now_wanted, {ANNA: "active"}), state, NOW)


def test_a_replaced_key_says_how_long_the_old_one_stays_valid_and_how_to_end_it_at_once() -> None:
    (change,) = replaced(5400)
    assert change.action == "rotate"
    assert (
        "the old key stays valid for 90m beside the new one (until 2026-11-25T12:00:00Z at most)" in change.reason
    )
    assert "stays logged in: was it stolen, set `overlap: 0s`" in change.reason


def test_a_stolen_key_is_revoked_and_its_logins_ended_before_its_successor_begins() -> None:
    changes = replaced(0, serial="0a:0a", serials=["0a:0a"])
    assert said(changes) == [
        ("contain", "revoke", "ca.certificate/trader/anna/mtls"),
        ("contain", "update", "ca.crl"),
        ("contain", "revoke", "vault.token/trader/anna/mtls"),
        ("grant", "create", "ca.certificate/trader/anna/mtls"),
    ]
    tokens = next(c for c in changes if c.type == "vault.token")
    assert tokens.before == {"entity": "id-trader.anna", "serials": ["0a:0a"]}
    assert not any(c.routine for c in changes)


def test_an_overlap_that_is_no_longer_allowed_ends_at_once_and_not_as_routine() -> None:
    running: dict[str, Any] = {
        "serial": "0b:0b",
        "serials": ["0b:0b", "0a:0a"],
        "previous": "0a:0a",
        "issued_at": stamp(NOW),
    }
    until: dict[str, Any] = {"previous_until": stamp(NOW + timedelta(hours=1))}
    now_wanted = [entity(ANNA, id=None), login(ANNA), certificate(ANNA, overlap=0)]
    state = actual([entity(ANNA), login(ANNA), issued(certificate(ANNA), **running, **until)])
    changes = diff(desired(now_wanted, {ANNA: "active"}), state, NOW)
    assert [(c.action, c.type, (c.before or {}).get("serials"), c.routine) for c in changes[:2]] == [
        ("revoke", "ca.certificate", ["0a:0a"], False),
        ("revoke", "vault.token", ["0a:0a"], False),
    ]
    renewed = issued(certificate(ANNA), **running, previous_until=stamp(NOW))  # without overlap, by itself
    changes = diff(desired(now_wanted, {ANNA: "active"}), actual([entity(ANNA), login(ANNA), renewed]), NOW)
    assert [(c.action, c.type, c.routine) for c in changes] == [
        ("revoke", "ca.certificate", True),
        ("update", "ca.crl", True),
    ]


def test_an_active_subjects_unwanted_entity_is_contained() -> None:
    changes = diff(desired([], {ANNA: "active"}), actual([entity(ANNA)]), NOW)
    assert changes[-1].closes


def test_strays_without_a_subject_are_contained() -> None:
    stray = replace(entity(ANNA), address="vault.entity/unmarked/e1", subject=None)
    unknown = replace(login(ANNA), address="vault.login/unknown/x", subject=None)
    lost = replace(orphan(certificate(ANNA)), subject=None)
    changes = diff(desired([], {}), actual([stray, unknown, lost]), NOW)
    assert {(c.action, c.address) for c in changes} == {
        ("update", "vault.entity/unmarked/e1"),
        ("revoke", "vault.token/unmarked/e1"),
        ("delete", "vault.entity/unmarked/e1"),
        ("delete", "vault.login/unknown/x"),
        ("revoke", "ca.certificate/orphan/0f:f0"),
        ("update", "ca.crl"),
    }


def test_a_certificate_that_a_crash_left_behind_is_adopted_if_it_fits() -> None:
    state = actual([entity(ANNA), login(ANNA), orphan(certificate(ANNA))])
    changes = diff(desired(wanted(ANNA), {ANNA: "active"}), state, NOW)
    assert said(changes) == [("grant", "update", "ca.certificate/trader/anna/mtls")]
    assert diff(desired(wanted(ANNA), {ANNA: "active"}), advance(state, changes), NOW) == ()


def test_an_orphan_that_does_not_fit_is_revoked() -> None:
    state = actual([*standing(ANNA), orphan(certificate(ANNA))])
    changes = diff(desired(wanted(ANNA), {ANNA: "active"}), state, NOW)
    assert ("contain", "revoke", "ca.certificate/orphan/0f:f0") in said(changes)


@pytest.mark.parametrize("field", ["profile", "profile_digest", "spki", "common_name", "uri_san"])
def test_another_content_rotates_the_certificate(field: str) -> None:
    there = issued(certificate(ANNA))
    state = actual([entity(ANNA), login(ANNA), replace(there, fields={**there.fields, field: "other"})])
    changes = diff(desired(wanted(ANNA), {ANNA: "active"}), state, NOW)
    assert [(c.action, c.routine) for c in changes] == [("rotate", False)]
    assert field in changes[0].reason


@pytest.mark.parametrize("field", ["spki", "common_name", "uri_san"])
@pytest.mark.parametrize("own", [True, False], ids=["own-certificate-live", "own-certificate-gone"])
def test_a_certificate_that_somebody_put_in_place_is_revoked_at_once_and_no_rotation(
    field: str, own: bool
) -> None:
    there = issued(certificate(ANNA))
    put = replace(there, fields={**there.fields, field: "other", "record": "altered"})
    state = actual([entity(ANNA), login(ANNA), put, *([orphan(certificate(ANNA))] if own else [])])
    target = desired(wanted(ANNA), {ANNA: "active"})
    changes = diff(target, state, NOW)
    assert said(changes) == [
        ("contain", "revoke", "ca.certificate/trader/anna/mtls"),
        ("contain", "update", "ca.crl"),
        ("contain", "revoke", "vault.token/trader/anna/mtls"),
        ("grant", "update" if own else "create", "ca.certificate/trader/anna/mtls"),
    ]
    (revocation,) = [c for c in changes if c.action == "revoke" and c.type == "ca.certificate"]
    assert revocation.before is not None
    assert revocation.before[field] == "other"
    assert revocation.before["serials"] == there.facts["serials"]
    assert diff(target, advance(state, changes), NOW) == ()


@pytest.mark.parametrize(
    ("field", "value"), [("delivery", "altered"), ("record", "altered"), ("entity", "id-other")]
)
def test_a_tampered_delivery_is_repaired_without_a_new_certificate(field: str, value: str) -> None:
    there = issued(certificate(ANNA))
    state = actual([entity(ANNA), login(ANNA), replace(there, fields={**there.fields, field: value})])
    changes = diff(desired(wanted(ANNA), {ANNA: "active"}), state, NOW)
    assert [(c.action, field in c.reason) for c in changes] == [("update", True)]


def renewals(age: timedelta, life: timedelta = timedelta(days=1), **facts: Any) -> list[Change]:
    resources = [entity(ANNA, id=None), login(ANNA), certificate(ANNA, **facts)]
    there = [entity(ANNA), login(ANNA), issued(certificate(ANNA), age=age, life=life)]
    return list(diff(desired(resources, {ANNA: "active"}), actual(there), NOW))


def test_renewal_is_routine_and_computed_from_the_real_dates() -> None:
    assert renewals(timedelta(hours=14)) == []
    (renewal,) = renewals(timedelta(hours=17))
    assert (renewal.action, renewal.routine, renewal.phase) == ("rotate", True, "grant")


def test_a_certificate_that_the_ca_shortened_is_not_renewed_at_every_run() -> None:
    assert renewals(timedelta(minutes=30), life=timedelta(hours=2)) == []
    assert len(renewals(timedelta(minutes=90), life=timedelta(hours=2))) == 1


def test_a_key_older_than_the_profile_allows_is_not_renewed() -> None:
    assert renewals(timedelta(hours=17), max_key_age=3600) == []
    assert len(renewals(timedelta(hours=17), max_key_age=86400)) == 1


def test_a_certificate_that_reaches_the_end_of_employment_is_not_renewed() -> None:
    assert renewals(timedelta(hours=17), end="2026-11-24") == []
    assert len(renewals(timedelta(hours=17), end="2027-11-24")) == 1


def test_a_superseded_certificate_is_revoked_when_its_overlap_ends() -> None:
    more: dict[str, Any] = {"previous": "0a:bb", "previous_until": world.stamp(NOW - timedelta(minutes=1))}
    there = issued(certificate(ANNA), serial="0a:cc", serials=["0a:cc", "0a:bb"], **more)
    target = desired(wanted(ANNA), {ANNA: "active"})
    state = actual([entity(ANNA), login(ANNA), there])
    changes = diff(target, state, NOW)
    assert [(c.action, c.address, c.routine) for c in changes] == [
        ("revoke", "ca.certificate/trader/anna/mtls", True),
        ("update", "ca.crl", True),
    ]
    assert changes[0].before == {"serials": ["0a:bb"]}
    assert diff(target, advance(state, changes), NOW) == ()


@pytest.mark.parametrize(("fresh", "in_step", "routine"), [(False, True, True), (True, False, False)])
def test_a_crl_out_of_step_is_reviewed_and_an_old_one_is_routine(
    fresh: bool, in_step: bool, routine: bool
) -> None:
    state = replace(actual([]), resources={"ca.crl": world.crl(fresh=fresh, in_step=in_step)})
    (change,) = diff(desired([], {}), state, NOW)
    assert (change.address, change.routine) == ("ca.crl", routine)


def test_no_crl_is_planned_where_none_can_be_seen() -> None:
    assert diff(desired([], {}), Actual({}, unavailable={"ca": "down"}), NOW) == ()


def test_an_alias_in_somebody_elses_hands_is_taken_before_it_is_given_back() -> None:
    fields = {"alias": "idac-t-cert:trader.anna", "entity": "id-thief", "holder": "thief"}
    taken = Resource("vault.alias/trader.anna", None, fields, {"id": "id-thief", "alias_id": "a1"})
    state = actual([taken, entity(ANNA, aliases=[]), login(ANNA), issued(certificate(ANNA))])
    changes = diff(desired(wanted(ANNA), {ANNA: "active"}), state, NOW)
    assert said(changes) == [
        ("contain", "delete", "vault.alias/trader.anna"),
        ("contain", "revoke", "vault.token/trader.anna"),
        ("grant", "update", "vault.entity/trader/anna"),
    ]
    assert all("thief" in c.reason for c in changes if c.phase == "contain")


def test_rules_are_governed() -> None:
    target = desired([policy("a"), policy("b", "{1}")], {})
    state = actual([policy("b"), policy("c")])
    assert said(diff(target, state, NOW)) == [
        ("govern", "create", "vault.policy/role/a"),
        ("govern", "update", "vault.policy/role/b"),
        ("govern", "delete", "vault.policy/role/c"),
    ]


@pytest.mark.parametrize("more", [{"frozen": frozenset({SubjectRef("role", "c")})}, {"absence_is_intent": False}])
def test_no_rule_is_deleted_while_a_manifest_is_invalid(more: dict[str, Any]) -> None:
    assert diff(desired([], {}, **more), actual([policy("c")]), NOW) == ()


def test_rules_of_a_silent_system_are_left_alone() -> None:
    assert diff(desired([policy("a")], {}), Actual({}, unavailable={"vault": "down"}), NOW) == ()


# ---- properties -------------------------------------------------------------------------------------------------

SUBJECTS = [SubjectRef("trader", n) for n in ("anna", "bob", "cleo")]
KEYS = st.sampled_from(["k1", "k2"])
POLICIES = st.lists(st.sampled_from(["p1", "p2", "p3"]), unique=True)


@st.composite
def estates(draw: st.DrawFn) -> Desired:
    resources: list[Resource] = []
    lifecycles: dict[SubjectRef, Any] = {}
    for subject in SUBJECTS:
        lifecycle = draw(st.sampled_from(["active", "active", "suspended", "left", None]))
        if lifecycle is None:
            continue
        lifecycles[subject] = lifecycle
        if lifecycle == "active":
            resources.append(entity(subject, draw(POLICIES), id=None))
            if draw(st.booleans()):
                resources += [login(subject), certificate(subject, spki=f"{subject.name}{draw(KEYS)}")]
    resources += [policy(n) for n in draw(POLICIES)]
    return desired(resources, lifecycles)


@st.composite
def worlds(draw: st.DrawFn) -> Actual:
    resources: list[Resource] = []
    revocations: list[Revocation] = []
    for subject in SUBJECTS:
        if draw(st.booleans()):
            state = draw(st.sampled_from(["active", "containing", "contained"]))
            there = entity(subject, draw(POLICIES), disabled=draw(st.booleans()), state=state)
            resources.append(there)
        if draw(st.booleans()):
            resources.append(login(subject, token_ttl=draw(st.sampled_from([60, 900, 9000]))))
        if draw(st.booleans()):
            made = issued(certificate(subject, spki=f"{subject.name}{draw(KEYS)}"))
            revoked = draw(st.sampled_from(["no", "no", "ours", "foreign"]))
            serials = made.facts["serials"] if revoked == "no" else []
            record = draw(st.sampled_from(["intact", "intact", "altered"]))
            facts = {**made.facts, "revoked": revoked, "serials": serials}
            resources.append(replace(made, fields={**made.fields, "record": record}, facts=facts))
            if revoked == "foreign":
                revocations.append(world.foreign(made))
        if draw(st.booleans()):
            resources.append(orphan(certificate(subject), serial=f"{subject.name[0]}0:00"))
    resources += [policy(n) for n in draw(POLICIES)]
    holds = [
        Hold(s, "held", "ops", "2026-11-24T00:00:00Z")
        for s in SUBJECTS
        if draw(st.booleans()) and draw(st.booleans())
    ]
    return actual(resources, holds, revocations=tuple(revocations))


@given(estates(), worlds())
def test_after_all_changes_there_is_nothing_left_to_change(target: Desired, state: Actual) -> None:
    changes = diff(target, state, NOW)
    after = advance(state, changes)
    again = diff(target, after, NOW)
    # Restoring a manifest while a containment of ours was half done may take a second round, never a third.
    assert diff(target, advance(after, again), NOW) == ()
    if not any(c.action in ("hold", "revoke") for c in changes):
        assert again == ()


@given(estates(), worlds())
def test_whoever_may_not_have_power_has_none_afterwards(target: Desired, state: Actual) -> None:
    after = advance(state, diff(target, state, NOW))
    for subject in SUBJECTS:
        left = [r for r in after.resources.values() if r.subject == subject]
        if target.lifecycles.get(subject) in (None, "left"):
            assert left == []
        elif target.lifecycles[subject] == "suspended" or subject in after.holds:
            assert all(r.type == "vault.entity" and r.fields["disabled"] for r in left)


@given(estates(), worlds())
def test_removal_comes_before_addition_and_holds_are_never_undone(target: Desired, state: Actual) -> None:
    changes = sorted(diff(target, state, NOW), key=lambda c: c.order)
    phases = [c.phase for c in changes]
    assert phases == sorted(phases, key=["contain", "govern", "grant"].index)
    assert not [c for c in changes if c.phase == "grant" and c.subject in state.holds]
    assert len({(c.address, c.action, c.phase, c.step) for c in changes}) == len(changes)


@given(estates(), worlds(), st.randoms(use_true_random=False))
def test_the_order_in_which_things_were_read_does_not_matter(
    target: Desired, state: Actual, random: object
) -> None:
    shuffled = list(state.resources.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    other = replace(state, resources=dict(shuffled))
    assert said(diff(target, other, NOW)) == said(diff(target, state, NOW))


# ---- whom a hold follows, and how it ends ----------------------------------------------------------------------

NEW = SubjectRef("trader", "anna-new")
HELD = Hold(ANNA, "phished", "ops", "2026-11-24T10:00:00Z", person="E7", keys=frozenset({"key-anna-mtls"}))


@pytest.mark.parametrize(
    ("more", "spki", "words"),
    [
        ({"former": {NEW: (ANNA, BOB)}}, "", "it was trader/anna"),
        ({"persons": {NEW: "e7"}}, "", "the same person (personId e7) as trader/anna"),
        ({}, "key-anna-mtls", "it has a key of trader/anna"),
    ],
)
def test_a_hold_follows_name_person_and_key(more: dict[str, Any], spki: str, words: str) -> None:
    target = desired([entity(NEW, id=None), certificate(NEW, spki=spki)], {NEW: "active"}, **more)
    (change,) = diff(target, actual([], [HELD]), NOW)
    assert (change.action, change.subject) == ("hold", NEW)
    assert words in change.reason
    assert change.reason.endswith("which is on hold: phished")


def test_a_key_that_somebody_revoked_under_a_name_nobody_knows_is_held_by_whoever_has_it() -> None:
    stranger = Revocation("0f:0f", None, "key-new", "2026-11-24T11:00:00Z")
    target = desired([entity(NEW, id=None), certificate(NEW, spki="key-new")], {NEW: "active"})
    (change,) = diff(target, actual([], revocations=(stranger,)), NOW)
    assert (change.action, change.subject) == ("hold", NEW)
    assert change.reason == "its key is that of certificate 0f:0f, revoked by somebody else"


@pytest.mark.parametrize("lifecycle", ["active", "suspended", "left", None])
@pytest.mark.parametrize("whole", [True, False])
def test_an_emergency_is_recorded_whatever_the_manifest_says(lifecycle: Any, whole: bool) -> None:
    lifecycles = {ANNA: lifecycle} if lifecycle else {}
    target = desired(wanted(ANNA) if lifecycle == "active" else [], lifecycles, absence_is_intent=whole)
    changes = diff(target, emergency_at("revoked"), NOW)
    first = min(changes, key=lambda c: c.order)
    assert (first.action, first.subject) == ("hold", ANNA)
    assert first.after is not None
    assert [r["spki"] for r in first.after["revoked"]] == ["key-anna-mtls"]
    assert ANNA in advance(emergency_at("revoked"), changes).holds
    assert {c.phase for c in changes} == {"contain"}


def test_a_faulty_manifest_keeps_nobody_from_being_contained_in_an_emergency() -> None:
    target = desired([], {}, frozen=frozenset({ANNA}))
    changes = diff(target, emergency_at("disabled"), NOW)
    assert said(changes)[0] == ("contain", "hold", "vault.entity/trader/anna")
    assert not [c for c in changes if c.action == "delete" and c.type == "vault.entity"]
    assert any(c.closes for c in changes)


def test_a_faulty_manifest_still_narrows_what_it_says_without_doubt() -> None:
    both = [*standing(ANNA), login(ANNA, "old"), issued(certificate(ANNA, "old"))]
    core = Core(entity(ANNA, [], id=None), frozenset({"mtls"}))
    target = desired([], {ANNA: "active"}, frozen=frozenset({ANNA}), cores={ANNA: core})
    changes = diff(target, actual(both), NOW)
    assert {c.phase for c in changes} == {"contain"}
    assert {(c.action, c.address) for c in changes if c.type != "vault.token"} == {
        ("update", "vault.entity/trader/anna"),
        ("delete", "vault.login/trader/anna/old"),
        ("revoke", "ca.certificate/trader/anna/old"),
        ("update", "ca.crl"),
    }
    unsure = replace(core, credentials=frozenset({"renamed"}))
    changes = diff(replace(target, cores={ANNA: unsure}), actual(both), NOW)
    assert [(c.action, c.address) for c in changes] == [("update", "vault.entity/trader/anna")]


def test_a_release_answers_the_revocations_that_were_known_and_no_later_ones() -> None:
    target = desired(wanted(ANNA), {ANNA: "active"})
    state = emergency_at("revoked")
    state = advance(state, diff(target, state, NOW))
    released = advance(state, lift(ANNA, "cleared", target, state))
    assert [c.action for c in diff(target, released, NOW) if c.type == "vault.entity"] == ["update"]
    later = replace(released.revocations[0], serial="0f:0f", spki="another", at="2026-11-24T11:30:00Z")
    struck = replace(released, revocations=(*released.revocations, later))
    assert "hold" in [c.action for c in diff(target, struck, NOW)]
    at_login = replace(later, at="")
    struck = replace(released, revocations=(*released.revocations, at_login))
    assert "hold" in [c.action for c in diff(target, struck, NOW)]


def test_a_release_lifts_the_holds_of_one_person_under_all_names_and_nobody_elses() -> None:
    other = Hold(BOB, "odd", "ops", "2026-11-24T10:00:00Z", keys=frozenset({"key-bob-mtls"}))
    holds = [HELD, Hold(NEW, "it was trader/anna", "ops", "2026-11-24T11:00:00Z", person="E7"), other]
    target = desired(wanted(NEW), {NEW: "active"}, former={NEW: (ANNA,)})
    assert {c.subject for c in lift(NEW, "cleared", target, actual([], holds))} == {ANNA, NEW}
    shared = desired([certificate(NEW, spki="key-bob-mtls")], {NEW: "active"}, former={NEW: (ANNA,)})
    with pytest.raises(Refused, match="has a key of trader/bob"):
        lift(NEW, "cleared", shared, actual([], holds))
