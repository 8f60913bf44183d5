"""Keys in HSM tokens as the diff sees them: when one is made, renewed, replaced, retired and destroyed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from reconciler.diff import diff, routine_part
from reconciler.diff.keys import too_old
from reconciler.model.change import Change
from reconciler.model.manifest import Lifecycle, SubjectRef
from reconciler.model.resource import Actual, Desired, Resource, Revocation
from reconciler.rules.emergencies import aftermath
from tests.unit.world import (
    NOW,
    actual,
    advance,
    certified,
    desired,
    entity,
    held_by,
    key,
    login,
    stamp,
    stored,
)

ANNA = SubjectRef("trader", "anna")
KEY = key(ANNA, max_age=30 * 86400)
CERTIFICATE = certified(ANNA, KEY)
WANTED = [entity(ANNA, id=None), KEY, CERTIFICATE]


def wanted(*resources: Resource, life: Lifecycle = "active") -> Desired:
    return desired(resources or WANTED, {ANNA: life})


def standing(*resources: Resource, **more: Any) -> Actual:
    return actual([entity(ANNA), *resources], **more)


def changes(want: Desired, there: Actual) -> list[Change]:
    return sorted(diff(want, there, NOW), key=lambda c: c.order)


def told(made: list[Change]) -> list[tuple[str, str, str]]:
    return [(c.type, c.action, c.phase) for c in made if c.type in ("hsm.key", "ca.certificate")]


def settled(want: Desired, there: Actual, rounds: int = 3) -> Actual:
    """Carried out until nothing is left to do."""
    for _ in range(rounds):
        made = changes(want, there)
        if not made:
            return there
        there = advance(there, made)
    raise AssertionError(f"still to do: {changes(want, there)}")


def test_a_key_is_made_before_its_certificate_whose_spki_nobody_knows_yet() -> None:
    made = changes(wanted(), standing())
    assert told(made) == [("hsm.key", "create", "grant"), ("ca.certificate", "create", "grant")]
    assert made[-1].after is not None
    assert made[-1].after["spki"] == {"ref": f"{KEY.address}#spki"}
    there = settled(wanted(), standing())
    certificate = there.resources[CERTIFICATE.address]
    assert certificate.fields["spki"] == there.resources[KEY.address].facts["spki"]


def test_a_key_that_stands_is_certified_by_its_spki() -> None:
    there = stored(KEY)
    (made,) = changes(wanted(), standing(there))
    assert made.after is not None
    assert made.after["spki"] == there.facts["spki"]


@pytest.mark.parametrize("life", ["suspended", "left"])
def test_keys_are_deactivated_for_whoever_may_return_and_destroyed_for_whoever_left(life: Lifecycle) -> None:
    there = stored(KEY)
    made = changes(wanted(life=life), standing(there, held_by(CERTIFICATE, there)))
    assert told(made) == [
        ("ca.certificate", "revoke", "contain"),
        ("hsm.key", "revoke" if life == "suspended" else "delete", "contain"),
    ]
    left = settled(wanted(life=life), standing(there, held_by(CERTIFICATE, there)))
    assert (KEY.address in left.resources) is (life == "suspended")


def test_a_return_activates_the_key_and_certifies_it_anew() -> None:
    there = stored(KEY, state="deactivated")
    made = changes(wanted(), standing(there))
    assert told(made) == [("hsm.key", "update", "grant"), ("ca.certificate", "create", "grant")]


def test_a_key_of_its_age_gets_a_new_version_as_routine_and_keeps_the_old_one_through_the_overlap() -> None:
    there = stored(KEY, age=timedelta(days=31))
    before = standing(there, held_by(CERTIFICATE, there))
    made = changes(wanted(), before)
    assert told(made) == [("hsm.key", "rotate", "grant"), ("ca.certificate", "rotate", "grant")]
    assert all(c.routine for c in made)
    after = advance(before, made)
    assert [*after.resources[KEY.address].facts["versions"]] == ["1", "2"]
    assert changes(wanted(), after) == []
    later = [*diff(wanted(), after, NOW + timedelta(hours=2))]
    assert {(c.type, c.action, c.routine) for c in later} == {
        ("ca.certificate", "revoke", True),
        ("ca.crl", "update", True),
        ("hsm.key", "revoke", True),
    }
    assert [*advance(after, later).resources[KEY.address].facts["versions"]] == ["2"]


def test_what_a_schedule_may_do_is_all_of_a_key_s_renewal_and_of_its_end() -> None:
    there = stored(KEY, age=timedelta(days=31))
    before = standing(there, held_by(CERTIFICATE, there))
    lists = wanted().resources["ca.crl"]
    for strict in (CERTIFICATE, certified(ANNA, KEY, overlap=0)):
        made = changes(wanted(WANTED[0], KEY, strict), before)
        assert {(c.address, c.action) for c in routine_part(made, lists, before, NOW)} >= {
            (c.address, c.action) for c in made
        }
    after, then = advance(before, changes(wanted(), before)), NOW + timedelta(hours=2)
    later = diff(wanted(), after, then)
    assert {(c.type, c.action) for c in routine_part(later, lists, after, then)} == {
        ("ca.certificate", "revoke"),
        ("ca.crl", "update"),
        ("hsm.key", "revoke"),
    }


def test_where_no_overlap_is_allowed_the_old_certificate_goes_before_the_new_version() -> None:
    there = stored(KEY, age=timedelta(days=31))
    strict = certified(ANNA, KEY, overlap=0)
    made = changes(wanted(WANTED[0], KEY, strict), standing(there, held_by(strict, there)))
    assert told(made) == [
        ("ca.certificate", "revoke", "contain"),
        ("hsm.key", "rotate", "grant"),
        ("ca.certificate", "create", "grant"),
    ]
    assert all(c.routine for c in made)


def test_keys_made_together_are_not_renewed_together_and_none_after_its_age() -> None:
    several = [key(SubjectRef("trader", f"t{n}"), max_age=100 * 86400) for n in range(40)]
    due = []
    for one in several:
        assert one.subject is not None
        for day in range(89, 102):
            there = stored(one, age=timedelta(days=day, seconds=1))
            if too_old(one, there, NOW):
                due.append(day)
                break
    assert len(set(due)) > 3
    assert 90 <= min(due) <= max(due) <= 100


def test_a_version_that_a_killed_run_left_uncertified_is_certified_as_routine() -> None:
    there = stored(KEY, versions=2)
    made = changes(wanted(), standing(there, held_by(CERTIFICATE, there, "1")))
    assert told(made) == [("ca.certificate", "rotate", "grant")]
    assert made[0].routine
    assert made[0].reason == "its key has a newer version"


@pytest.mark.parametrize("how", ["exported", "algorithm", "distrusted"])
def test_a_key_that_cannot_be_made_good_is_replaced_its_certificate_first(how: str) -> None:
    there = stored(KEY, burnt=["exportable"] if how == "exported" else [])
    if how == "algorithm":
        there = stored(KEY, algorithm="rsa-2048")
    distrusted = {there.facts["spki"]: "2026-11-01T00:00:00Z"} if how == "distrusted" else {}
    state = standing(there, held_by(CERTIFICATE, there), distrusted=distrusted)
    made = changes(wanted(), state)
    assert told(made) == [
        ("ca.certificate", "revoke", "contain"),
        ("hsm.key", "delete", "contain"),
        ("hsm.key", "create", "grant"),
        ("ca.certificate", "create", "grant"),
    ]
    assert not any(c.routine for c in made if c.type != "ca.crl")


def test_a_key_that_may_be_somewhere_else_is_a_finding_about_whose_it_is() -> None:
    state = actual(
        [stored(KEY, burnt=["exportable"]), stored(key(SubjectRef("unknown", "x")), burnt=["versions"])]
    )
    (finding,) = aftermath((), wanted(), state)
    assert (finding.code, finding.severity, finding.subject) == ("H03", "warning", "trader/anna")
    assert "(exportable)" in finding.message


def test_a_posture_that_can_be_mended_is_mended_and_the_certificate_stays() -> None:
    there = stored(KEY, exportable=True)  # had it been set for good, `burnt` would say so
    made = changes(wanted(), standing(there, held_by(CERTIFICATE, there)))
    assert told(made) == [("hsm.key", "update", "grant")]
    assert (made[0].before or {})["exportable"] is True


@pytest.mark.parametrize("how", ["destroyed", "deactivated", "its version is gone"])
def test_a_key_taken_from_under_a_good_certificate_is_an_emergency(how: str) -> None:
    there = stored(KEY, versions=2)
    certificate = held_by(CERTIFICATE, there, "1")
    left: list[Resource] = {
        "destroyed": [],
        "deactivated": [stored(KEY, versions=2, state="deactivated")],
        "its version is gone": [
            Resource(
                there.address,
                ANNA,
                there.fields,
                {**there.facts, "versions": {"2": there.facts["versions"]["2"]}},
            )
        ],
    }[how]
    made = changes(wanted(), standing(certificate, *left))
    assert made[0].action == "hold"
    assert "by somebody else" in made[0].reason
    assert not [c for c in made if c.phase == "grant"]


def test_a_key_that_is_gone_while_a_token_does_not_answer_is_no_emergency() -> None:
    there = stored(KEY)
    silent = standing(held_by(CERTIFICATE, there), unavailable={"hsm.trade": "no answer"})
    assert [c for c in changes(wanted(), silent) if c.action == "hold"] == []
    assert told(changes(wanted(), silent)) == []


def test_our_own_containment_that_broke_off_is_no_emergency() -> None:
    there = stored(KEY, state="deactivated")
    state = actual([entity(ANNA, disabled=True, state="containing"), there, held_by(CERTIFICATE, there)])
    made = changes(wanted(life="suspended"), state)
    assert [c for c in made if c.action == "hold"] == []


def test_a_token_that_does_not_answer_leaves_the_containment_open_and_takes_all_else() -> None:
    silent = standing(login(ANNA), unavailable={"hsm.trade": "no answer"})
    made = changes(wanted(life="left"), silent)
    assert ("vault.login", "delete") in {(c.type, c.action) for c in made}
    assert not any(c.closes for c in made)


def test_a_credential_that_moves_to_another_token_keeps_its_old_key_through_the_overlap() -> None:
    moved = key(ANNA, token="ops")
    want = wanted(WANTED[0], moved, certified(ANNA, moved))
    there = stored(KEY)
    before = standing(there, held_by(CERTIFICATE, there))
    made = changes(want, before)
    assert told(made) == [("hsm.key", "create", "grant"), ("ca.certificate", "rotate", "grant")]
    after = advance(before, made)
    assert told(changes(want, after)) == []
    later = [*diff(want, after, NOW + timedelta(hours=2))]
    assert {(c.type, c.action, c.routine) for c in later} >= {
        ("ca.certificate", "revoke", True),
        ("hsm.key", "delete", True),
    }


def test_a_credential_that_goes_takes_its_key_with_it() -> None:
    there = stored(KEY)
    made = changes(wanted(WANTED[0]), standing(there, held_by(CERTIFICATE, there)))
    assert told(made) == [("ca.certificate", "revoke", "contain"), ("hsm.key", "delete", "contain")]
    assert not any(c.routine for c in made)


@pytest.mark.parametrize(
    ("doubt", "action"), [("none", "delete"), ("an invalid manifest", "revoke"), ("a lost file", "")]
)
def test_an_unexplained_key_is_destroyed_only_when_the_tree_is_whole_and_valid(doubt: str, action: str) -> None:
    stray = SubjectRef("unknown", "somebodys-key")
    there = stored(key(stray, "-"))
    frozen = frozenset({SubjectRef("trader", "faulty")}) if doubt == "an invalid manifest" else frozenset()
    want = desired([], {}, frozen=frozen, absence_is_intent=doubt != "a lost file")
    made = [c for c in changes(want, actual([there])) if c.type == "hsm.key"]
    assert [c.action for c in made] == [action] * bool(action)


def test_a_released_subject_whose_certificate_somebody_revoked_gets_another_key() -> None:
    there = stored(KEY, state="deactivated")
    serial = Revocation("0a:0b", ANNA, there.facts["spki"], stamp(NOW))
    state = standing(
        there, revocations=(serial,), answered={ANNA: stamp(NOW)}, distrusted={serial.spki: serial.at}
    )
    made = changes(wanted(), state)
    assert told(made) == [
        ("hsm.key", "delete", "contain"),
        ("hsm.key", "create", "grant"),
        ("ca.certificate", "create", "grant"),
    ]
