"""A budget counts power lost, whatever the words, and stops that alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff import diff
from reconciler.errors import Refused
from reconciler.model.manifest import Finding, SubjectRef
from reconciler.model.resource import Actual, Core, Hold, Resource
from reconciler.review import require_allowed
from reconciler.rules.guards import judge
from tests.unit.test_plan import TREE, estate, make, people, verdicts
from tests.unit.world import NOW, actual, certificate, desired, entity, issued, login, stamp

TEN = people(10)


def whole(subject: SubjectRef) -> list[Resource]:
    return [entity(subject), login(subject), issued(certificate(subject))]


def wanted(subject: SubjectRef) -> list[Resource]:
    return [entity(subject, id=None), login(subject), certificate(subject)]


def all_of(make: Any, subjects: Iterable[SubjectRef]) -> list[Resource]:
    return [r for s in subjects for r in make(s)]


STANDING = actual(all_of(whole, TEN))


def active(subjects: Iterable[SubjectRef]) -> dict[SubjectRef, Any]:
    return dict.fromkeys(subjects, "active")


@pytest.mark.parametrize(
    ("live", "leaving", "refused"),
    [(1, 1, False), (4, 1, False), (4, 2, True), (10, 2, False), (10, 3, True), (100, 5, False), (100, 6, True)],
)
def test_the_removal_budget_is_absolute_and_a_percentage_and_spares_small_desks(
    live: int, leaving: int, refused: bool
) -> None:
    everyone = people(live)
    staying = everyone[leaving:]
    target = desired([entity(s, id=None) for s in staying], dict.fromkeys(staying, "active"))
    found = verdicts(target, actual([entity(s) for s in everyone]))
    assert ("G01" in found) == refused
    if refused:
        assert found["G01"].subjects == set(everyone[:leaving])
        assert f"{leaving} of {live} subjects" in found["G01"].message


def test_the_budget_counts_explicit_leavers_but_not_the_frozen_the_withheld_or_the_renamed() -> None:
    everyone = people(4)
    state = actual([entity(s) for s in everyone])
    assert "G01" in verdicts(desired([], dict.fromkeys(everyone, "left")), state)
    assert "G01" not in verdicts(desired([], {}, frozen=frozenset(everyone)), state)
    assert "G01" not in verdicts(desired([], {}, absence_is_intent=False), state)
    renames = {SubjectRef("trader", f"n{i}"): s for i, s in enumerate(everyone)}
    heirs = [entity(new, id=None) for new in renames]
    assert "G01" not in verdicts(desired(heirs, active(renames), previously=renames), state)


def test_a_kind_can_have_a_budget_of_its_own() -> None:
    everyone = people(10)
    target = desired([entity(s, id=None) for s in everyone[1:]], dict.fromkeys(everyone[1:], "active"))
    strict = estate(removalsPerKind={"trader": {"absolute": 0}})
    found = verdicts(target, actual([entity(s) for s in everyone]), rules=strict)
    assert "of kind trader" in found["G01"].message
    assert "G01" not in verdicts(target, actual([entity(s) for s in everyone]))


@pytest.mark.parametrize("lifecycle", ["suspended", "left"])
def test_suspending_or_leaving_in_so_many_words_has_the_same_budget(lifecycle: Any) -> None:
    few = desired(all_of(wanted, TEN[2:]), active(TEN) | dict.fromkeys(TEN[:2], lifecycle))
    assert "G01" not in verdicts(few, STANDING)
    many = desired([], dict.fromkeys(TEN, lifecycle))
    guard = verdicts(many, STANDING)["G01"]
    assert "10 of 10 subjects in total would lose everything they have" in guard.message
    assert f"10 {lifecycle} (trader/t0, trader/t1, trader/t2 and 7 more)" in guard.message
    assert guard.subjects == set(TEN)


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (lambda s: [entity(s, (), id=None)], "stripped of all roles"),
        (lambda s: [entity(s, (), id=None), login(s), certificate(s)], "stripped of all roles"),
        (lambda s: [entity(s, ("idac-t-own-keys",), id=None), login(s), certificate(s)], "stripped of all roles"),
        (lambda s: [entity(s, id=None)], "stripped of all credentials"),
        (lambda s: [entity(s, id=None), certificate(s)], "stripped of all logins"),
    ],
)
def test_stripping_everybody_of_roles_or_credentials_counts(kept: Any, why: str) -> None:
    guard = verdicts(desired(all_of(kept, TEN), active(TEN)), STANDING)["G01"]
    assert f"10 {why}" in guard.message
    assert guard.subjects == set(TEN)


def test_a_change_of_roles_or_of_one_credential_among_two_does_not_count() -> None:
    other = [[entity(s, ("p2",), id=None), login(s), certificate(s, "second")] for s in TEN]
    assert "G01" not in verdicts(desired([r for part in other for r in part], active(TEN)), STANDING)


def test_renaming_everybody_to_powerless_stubs_counts_as_their_removal() -> None:
    renames = {SubjectRef("trader", f"n{i}"): s for i, s in enumerate(TEN)}
    stubs = [entity(new, (), id=None) for new in renames]
    for target in (
        desired(stubs, active(renames), previously=renames),
        desired([], dict.fromkeys(renames, "left"), previously=renames),
        desired([], {}, previously=renames, frozen=frozenset(renames)),
    ):
        guard = verdicts(target, STANDING)["G01"]
        assert "10 renamed to somebody without power" in guard.message
        assert guard.subjects == set(TEN)
    assert "G01" not in verdicts(desired(all_of(wanted, renames), active(renames), previously=renames), STANDING)


def test_what_is_lost_and_cannot_be_given_back_counts() -> None:
    moved = desired([r for s in TEN for r in (entity(s, ("p2",), id=None), *wanted(s)[1:])], active(TEN))
    barred = tuple(Finding("R03", "error", "shared", subject=str(s)) for s in TEN[:3])
    assert "3 stripped of all roles" in verdicts(moved, STANDING, findings=barred)["G01"].message
    broken = (Finding("M05", "error", "unknown field"),)
    assert "10 stripped of all roles" in verdicts(moved, STANDING, findings=broken)["G01"].message
    assert "G01" not in verdicts(desired(all_of(wanted, TEN), active(TEN)), STANDING, findings=broken)


def test_logins_that_would_let_in_somebody_else_are_lost_when_nothing_is_granted() -> None:
    moved = [r for s in TEN for r in (*wanted(s)[::2], login(s, allowed_uri_sans=[f"spiffe://new.test/{s}"]))]
    assert "G01" not in verdicts(desired(moved, active(TEN)), STANDING)
    frozen = replace(STANDING, freeze=Hold(SubjectRef("estate", "t"), "INC-9", "", "2026-11-24T11:00:00Z"))
    found = verdicts(desired(moved, active(TEN)), frozen)
    assert found["G01"].subjects == set(TEN)
    assert "stripped of all logins" in found["G01"].message


def test_whoever_has_nothing_left_to_lose_does_not_count() -> None:
    sealed = [entity(s, disabled=True, state="contained") for s in TEN]
    assert "G01" not in verdicts(desired([], {}), actual(sealed))
    assert "G01" not in verdicts(desired([], dict.fromkeys(TEN, "suspended")), actual(sealed))
    begun = [r for s in TEN for r in (entity(s, disabled=True, state="containing"), login(s))]
    assert "G01" not in verdicts(desired([], dict.fromkeys(TEN, "left")), actual(begun))


def test_strays_planted_in_the_store_fill_no_budget() -> None:
    ghosts = [SubjectRef("trader", f"ghost{i}") for i in range(20)]
    nameless = {"common_name": None, "uri_san": None, "spki": None}
    entries = [issued(certificate(g), serials=["aa:bb"]) for g in ghosts]
    entries = [replace(e, fields={**e.fields, **nameless}) for e in entries]
    entries += [issued(certificate(g, "ended"), serials=[]) for g in ghosts]
    state = actual([*all_of(whole, TEN), *entries])
    target = desired(all_of(wanted, TEN[1:]), active(TEN[1:]))
    guards = judge(diff(target, state, NOW), target, state, estate(), TREE, ())
    total = next(g for g in guards if g.code == "G01")
    assert total.status == "passed" and total.message.startswith("1 of 10 subjects")


def test_the_budget_stops_only_what_it_counts() -> None:
    """Three deleted are too many; the one who left in so many words, and the emergency, are not among them."""
    deleted, leaver, struck = TEN[:3], TEN[3], TEN[4]
    lifecycles = active(TEN[4:]) | {leaver: "left"}
    hurt = [
        replace(r, fields={**r.fields, "disabled": True}) if r.type == "vault.entity" else r for r in whole(struck)
    ]
    state = actual([*all_of(whole, [s for s in TEN if s != struck]), *hurt])
    target = desired(all_of(wanted, TEN[4:]), lifecycles)
    guards = tuple(judge(diff(target, state, NOW), target, state, estate(), TREE, ()))
    assert next(g for g in guards if g.status == "refused").subjects == set(deleted)
    plan = replace(make(diff(target, state, NOW), actual=state), guards=guards)
    stopped = {c.subject for c in plan.changes if plan.stopped(c)}
    goes_on = {c.subject for c in plan.changes if not plan.stopped(c)}
    assert stopped == set(deleted)
    assert goes_on == {leaver, struck, None}  # None: the list that publishes their revocations
    require_allowed(plan)


def test_when_nothing_is_left_to_do_the_plan_is_refused_before_anything_is_written() -> None:
    target = desired([], {})
    guards = tuple(judge(diff(target, STANDING, NOW), target, STANDING, estate(), TREE, ()))
    plan = replace(make(diff(target, STANDING, NOW), actual=STANDING), guards=guards)
    assert all(plan.stopped(c) for c in plan.changes)
    with pytest.raises(Refused, match="G01: 10 of 10"):
        require_allowed(plan)


# ---- holds -----------------------------------------------------------------------------------------------------


def struck(count: int) -> Actual:
    hurt = [replace(entity(s), fields={**entity(s).fields, "disabled": True}) for s in TEN[:count]]
    return actual([*hurt, *all_of(whole, TEN[count:]), *(r for s in TEN[:count] for r in whole(s)[1:])])


STAY = desired(all_of(wanted, TEN), active(TEN))


def test_a_few_emergencies_are_held_and_a_mass_of_them_waits_for_a_person() -> None:
    assert "G09" not in verdicts(STAY, struck(2))
    guard = verdicts(STAY, struck(3))["G09"]
    assert "3 of 10 subjects in total would be put on hold; the budget is 2" in guard.message
    assert "3 seen contained" in guard.message and "a listing that lies" in guard.message
    assert guard.subjects == set(TEN[:3])


def test_a_listing_that_leaves_out_every_entity_disables_nobody_and_hinders_no_emergency() -> None:
    blind = actual([r for r in struck(1).resources.values() if r.type != "vault.entity" or r.fields["disabled"]])
    guard = verdicts(STAY, blind)["G09"]
    assert "9 entity missing, 1 seen contained" in guard.message
    assert guard.subjects == set(TEN[1:])
    plan = replace(make(diff(STAY, blind, NOW), actual=blind), guards=(guard,))
    assert {c.subject for c in plan.changes if not plan.stopped(c)} == {TEN[0], None}


def test_standing_holds_fill_no_budget() -> None:
    held = [Hold(s, "theft", "someone", stamp(NOW)) for s in TEN]
    sealed = actual([entity(s, disabled=True, state="contained") for s in TEN], held)
    assert not {"G01", "G09"} & verdicts(STAY, sealed).keys()


def test_a_faulty_manifest_that_takes_everything_all_the_same_counts() -> None:
    cores = {s: Core(entity(s, (), id=None), frozenset()) for s in TEN}
    guard = verdicts(desired([], active(TEN), frozen=frozenset(TEN), cores=cores), STANDING)["G01"]
    assert "10 stripped of all roles" in guard.message
    swapped = {s: Core(entity(s, ("p2",), id=None), None) for s in TEN}
    guard = verdicts(desired([], active(TEN), frozen=frozenset(TEN), cores=swapped), STANDING)["G01"]
    assert "10 stripped of all roles" in guard.message
    kept = {s: Core(entity(s, id=None), frozenset({"mtls"})) for s in TEN}
    assert "G01" not in verdicts(desired([], active(TEN), frozen=frozenset(TEN), cores=kept), STANDING)


def test_an_emergency_on_many_whose_manifests_are_in_doubt_waits_too() -> None:
    doubtful = replace(STAY, frozen=frozenset(TEN))
    assert verdicts(doubtful, struck(3))["G09"].subjects == set(TEN[:3])
    invalid = desired([], {}, frozen=frozenset(TEN))
    assert verdicts(invalid, struck(3))["G09"].subjects == set(TEN[:3])
