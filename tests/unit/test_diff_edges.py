"""What a comparison leaves alone: what it cannot see, what is done already, and what nobody asks for."""

from __future__ import annotations

from dataclasses import replace

from reconciler.diff import diff
from reconciler.diff.keys import still_needed
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual, Desired, Resource
from tests.unit.world import NOW, actual, certificate, crl, desired, entity, issued, key, login, stored

ANNA = SubjectRef("trader", "anna")


def tier(*members: str) -> Resource:
    return Resource("vault.mfa/otp", None, {"name": "idac-t.mfa.otp", "members": list(members)})


def test_lists_that_nobody_asks_for_are_not_refreshed() -> None:
    assert diff(Desired({}, {}), Actual({"ca.crl": crl(in_step=False)}), NOW) == ()


def test_a_key_behind_no_certificate_is_not_needed() -> None:
    assert not still_needed(stored(key(ANNA)), None, ())


def test_a_tier_of_a_system_that_does_not_answer_is_left_alone() -> None:
    unseen = replace(actual([]), unavailable={"vault": "no answer"})
    assert [c for c in diff(desired([tier(str(ANNA))], {}), unseen, NOW) if c.type == "vault.mfa"] == []


def test_whoever_comes_under_a_tier_and_loses_a_login_is_logged_out_once() -> None:
    wanted = desired([entity(ANNA), tier(str(ANNA))], {ANNA: "active"})
    made = diff(wanted, actual([entity(ANNA, id="e1"), login(ANNA), tier()]), NOW)
    assert [c.address for c in made if c.type == "vault.token"] == [f"vault.token/{ANNA}/mtls"]


def test_an_overlap_is_said_in_the_unit_that_fits() -> None:
    for seconds, said in ((172800, "2d"), (5400, "90m"), (90, "90s")):
        old = issued(certificate(ANNA, spki="old"))
        wanted = desired([entity(ANNA), login(ANNA), certificate(ANNA, overlap=seconds)], {ANNA: "active"})
        made = diff(wanted, actual([entity(ANNA, id="e1"), login(ANNA), old]), NOW)
        assert [said in c.reason for c in made if c.type == "ca.certificate"] == [True]


def test_whoever_bears_anothers_name_gives_it_back_and_is_logged_out_everywhere() -> None:
    theirs = entity(ANNA, id="e1")
    renamed = replace(theirs, fields={**theirs.fields, "name": "idac-t-trader.zoe"})
    logins = [login(ANNA), login(ANNA, "second")]
    made = diff(desired([entity(ANNA), *logins], {ANNA: "active"}), actual([renamed, *logins]), NOW)
    assert [(c.type, c.phase) for c in made] == [("vault.entity", "contain")] + [("vault.token", "contain")] * 2
