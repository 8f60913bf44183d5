"""Entities on the real server: whose they are, what somebody did meanwhile, and writes that did not take."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.errors import Denied, IdacError, Refused, Rejected, TargetError, Unreachable
from reconciler.model.change import Action, Change, Phase
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Resource
from reconciler.providers.vault import holds
from reconciler.providers.vault.ownership import HOLD_MARK
from tests.integration.desk import Desk, with_roles
from tests.openbao import Server


@pytest.fixture(scope="module")
def estate(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Estate:
    return with_roles(shared_openbao, tmp_path_factory.mktemp("entities") / "estate")


def lie(desk: Desk, pattern: str, edit: Callable[[dict[str, Any]], object], **when: Any) -> None:
    """The server's answer to this read, altered on its way."""
    body = {"data": json.loads(json.dumps(desk.shown()))}
    edit(body["data"])
    desk.sky.fault(pattern, status=200, body=json.dumps(body), after=True, **when)


# -- creating ------------------------------------------------------------------------------------------


def test_a_new_entity_has_what_was_asked_for_and_nothing_else(desk: Desk) -> None:
    made = desk.create("a")
    shown = desk.shown()
    assert made["id"] == shown["id"]
    assert list(made["alias_ids"]) == [f"{desk.estate.mounts.cert}:{desk.subject.principal}"]
    assert (shown["policies"], shown["disabled"]) == ([f"{desk.estate.prefix}role-a"], False)
    assert desk.seen() == desk.actual()
    assert desk.seen().fields == desk.wanted("a").fields


def test_creating_it_twice_makes_one(desk: Desk) -> None:
    assert desk.create("a")["id"] == desk.create("a")["id"]


def test_what_a_killed_attempt_left_is_finished(desk: Desk) -> None:
    desk.create("a")
    alias = desk.shown()["aliases"][0]["id"]
    desk.admin.ok("DELETE", f"identity/entity-alias/id/{alias}")
    desk.create("a")
    assert desk.actual().fields == desk.wanted("a").fields


@pytest.mark.parametrize(
    "left",
    [
        {"policies": ["default"]},
        {"metadata": {"idac_estate": "another", "idac_subject": "trader/x"}},
        {"metadata": None},
        {"disabled": True},
    ],
)
def test_an_entity_of_that_name_that_is_not_our_unfinished_one_is_not_adopted(desk: Desk, left: Any) -> None:
    desk.create("a")
    desk.admin.ok("POST", desk.path, left)
    before = desk.shown()
    with pytest.raises(Rejected, match="changed since it was observed"):
        desk.create("a")
    assert desk.shown() == before


def test_an_alias_that_another_entity_holds_is_never_taken_over(desk: Desk) -> None:
    accessor = desk.admin.ok("GET", "sys/auth").data[f"{desk.estate.mounts.cert}/"]["accessor"]
    holder = desk.admin.ok("POST", "identity/entity", {"name": f"other-{desk.subject.name}"}).data["id"]
    body = {"name": desk.subject.principal, "canonical_id": holder, "mount_accessor": accessor}
    desk.admin.ok("POST", "identity/entity-alias", body)
    with pytest.raises(Refused, match=f"held by another entity, {holder}"):
        desk.create("a")
    assert [a["name"] for a in desk.admin.ok("GET", f"identity/entity/id/{holder}").data["aliases"]] == [
        desk.subject.principal
    ]
    assert desk.shown()["aliases"] == []


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_when_nobody_can_say_who_holds_an_alias_it_is_not_posted(desk: Desk, status: int) -> None:
    desk.sky.fault("POST .*identity/lookup/entity", status=status)
    with pytest.raises(Rejected, match="cannot be asked"):
        desk.create("a")
    assert desk.shown()["aliases"] == []


def test_a_login_method_that_is_gone_is_named(desk: Desk) -> None:
    desk.sky.fault("GET .*sys/auth", status=200, body='{"data": {"token/": {"accessor": "x"}, "odd": 5}}')
    with pytest.raises(Rejected, match="has no login method"):
        desk.create("a")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda e: e.update(policies=["root"]), "policies"),
        (lambda e: e.update(disabled=True), "disabled"),
        (lambda e: e.update(aliases=[]), "aliases"),
        (lambda e: e["metadata"].update(idac_state="contained"), "state"),
        (lambda e: e["metadata"].pop("idac_estate"), "estate"),
        (lambda e: e.update(id="another"), "about another entity|not an entity"),
        (lambda e: e.pop("name"), "not an entity"),
    ],
)
def test_a_write_that_answered_well_and_stored_something_else_is_not_believed(
    desk: Desk, edit: Callable[[dict[str, Any]], object], words: str
) -> None:
    desk.create("a")
    lie(desk, "GET .*identity/entity/id/", edit)
    with pytest.raises(Rejected, match=words):
        desk.create("a")


def test_a_write_that_answered_well_and_did_nothing_is_not_believed(desk: Desk) -> None:
    desk.sky.fault(f"POST .*{desk.path}", status=204, body="")
    with pytest.raises(Rejected, match="not there after it was made"):
        desk.create("a")


def test_an_answer_about_another_entity_is_not_taken_for_the_new_one_s(desk: Desk) -> None:
    other = json.dumps({"data": {"id": "0-0", "name": "somebody-else"}})
    desk.sky.fault(f"POST .*{desk.path}", status=200, body=other, after=True)
    assert desk.create("a")["id"] == desk.shown()["id"]


# -- what somebody did meanwhile -----------------------------------------------------------------------


def test_an_entity_that_somebody_disabled_meanwhile_is_not_enabled_again(desk: Desk) -> None:
    desk.create("a")
    change = desk.change("update", "grant", desired=desk.wanted("a", "b"), actual=desk.actual())
    desk.emergency()
    with pytest.raises(Rejected, match=r"changed since it was observed \(disabled\)"):
        desk.writer.apply(change, {})
    assert (desk.shown()["disabled"], desk.shown()["policies"]) == (True, [f"{desk.estate.prefix}role-a"])


def test_not_even_between_our_look_and_our_write(desk: Desk) -> None:
    desk.create("a")
    change = desk.change("update", "grant", desired=desk.wanted("a", "b"), actual=desk.actual())
    desk.sky.fault(f"POST .*{desk.path}", times=1, then=desk.emergency)
    with pytest.raises(Rejected, match="does not say what was written: disabled"):
        desk.writer.apply(change, {})
    assert desk.shown()["disabled"]


def test_nor_while_a_new_one_is_made(desk: Desk) -> None:
    desk.create("a")
    desk.sky.fault(f"POST .*{desk.path}", times=1, then=desk.emergency)
    with pytest.raises(Rejected, match="disabled"):
        desk.create("a")
    assert desk.shown()["disabled"]


def test_somebody_s_emergency_is_not_covered_by_our_own_containment(desk: Desk) -> None:
    """Disabled and `active` is how the next plan knows an emergency; writing `containing` there would hide it."""
    desk.create("a")
    actual = desk.actual()
    desk.emergency()
    with pytest.raises(Rejected, match="changed since it was observed"):
        desk.writer.apply(desk.disabling(actual), {})
    assert desk.shown()["metadata"]["idac_state"] == "active"


def test_an_emergency_that_was_observed_is_contained(desk: Desk) -> None:
    desk.create("a")
    desk.emergency()
    actual = desk.actual()
    desk.writer.apply(desk.change("hold", "contain", actual=actual), {})
    desk.writer.apply(desk.disabling(actual), {})
    desk.writer.apply(desk.disabling(actual, "contained"), {})
    shown = desk.shown()
    assert (shown["disabled"], shown["metadata"]["idac_state"]) == (True, "contained")
    assert shown["metadata"][HOLD_MARK] == "because"


def test_a_hold_that_was_set_meanwhile_stops_a_grant(desk: Desk) -> None:
    desk.create("a")
    change = desk.change("update", "grant", desired=desk.wanted("a", "b"), actual=desk.actual())
    desk.admin.ok("POST", desk.path, {"metadata": {**desk.shown()["metadata"], HOLD_MARK: "stop"}})
    with pytest.raises(Refused, match="on hold meanwhile"):
        desk.writer.apply(change, {})
    assert len(desk.shown()["policies"]) == 1


@pytest.mark.parametrize(
    ("tampered", "words"),
    [
        ({"metadata": {"idac_estate": "another"}}, "estate"),
        ({"policies": ["default"]}, "policies"),
        ({"name": "idac-foreign"}, "name"),
    ],
)
def test_an_entity_that_somebody_changed_meanwhile_is_left_alone(desk: Desk, tampered: Any, words: str) -> None:
    made = desk.create("a")
    change = desk.change("update", "grant", desired=desk.wanted("a", "b"), actual=desk.actual())
    desk.admin.ok("POST", f"identity/entity/id/{made['id']}", tampered)
    before = desk.admin.ok("GET", f"identity/entity/id/{made['id']}").data
    with pytest.raises(Rejected, match=words):
        desk.writer.apply(change, {})
    assert desk.admin.ok("GET", f"identity/entity/id/{made['id']}").data == before
    desk.admin.ok("DELETE", f"identity/entity/id/{made['id']}")


@pytest.mark.parametrize("action", ["update", "hold", "release"])
def test_an_entity_that_is_gone_is_not_made_again(desk: Desk, action: Action) -> None:
    desk.create("a")
    actual = desk.actual()
    desk.admin.ok("DELETE", desk.path)
    phase: Phase = "contain" if action == "hold" else "grant"
    change = desk.change(
        action, phase, desired=desk.wanted("a", "b") if action == "update" else None, actual=actual
    )
    with pytest.raises(Rejected, match="is gone"):
        desk.writer.apply(change, {})
    assert desk.admin.read(desk.path).status == 404


# -- taking --------------------------------------------------------------------------------------------


def test_narrowing_takes_policies_and_aliases_away(desk: Desk) -> None:
    desk.create("a", "b")
    actual = desk.actual()
    fewer = replace(actual, fields={**actual.fields, "policies": [], "aliases": []})
    desk.writer.apply(desk.change("update", "contain", desired=fewer, actual=actual), {})
    assert (desk.shown()["policies"], desk.shown()["aliases"], desk.shown()["disabled"]) == ([], [], False)


def test_a_renamed_entity_gets_its_name_back_and_is_then_contained_and_deleted(desk: Desk) -> None:
    made = desk.create("a")
    desk.admin.ok("POST", f"identity/entity/id/{made['id']}", {"name": "evil"})
    actual = desk.actual()
    assert actual.fields["name"] == "evil"
    desk.writer.apply(desk.disabling(actual), {})
    assert desk.shown()["disabled"]
    desk.admin.ok("POST", f"identity/entity/id/{made['id']}", {"name": "evil"})
    desk.writer.apply(desk.change("delete", "contain", actual=actual), {})
    assert desk.admin.read(f"identity/entity/id/{made['id']}").status == 404


def test_deleting_one_of_two_never_deletes_the_other(desk: Desk) -> None:
    """Somebody renamed ours, and made another one of its name: the name is not the entity."""
    made = desk.create("a")
    desk.admin.ok("POST", f"identity/entity/id/{made['id']}", {"name": "evil"})
    other = desk.admin.ok("POST", desk.path, {"policies": ["default"]}).data["id"]
    actual = replace(desk.actual(), facts={"id": made["id"]})
    fields = {**desk.wanted("a").fields, "name": "evil"}
    with pytest.raises(TargetError):
        desk.writer.apply(desk.change("delete", "contain", actual=replace(actual, fields=fields)), {})
    assert desk.admin.read(f"identity/entity/id/{other}").status == 200
    desk.admin.ok("DELETE", f"identity/entity/id/{made['id']}")


def test_deleting_what_is_gone_is_done(desk: Desk) -> None:
    desk.create()
    actual = desk.actual()
    for _ in range(2):
        desk.writer.apply(desk.change("delete", "contain", actual=actual), {})
    assert desk.admin.read(desk.path).status == 404


def test_an_entity_that_was_enabled_again_before_its_end_is_not_deleted_unproved(desk: Desk) -> None:
    desk.create("a")
    desk.writer.apply(desk.disabling(desk.actual()), {})
    actual = desk.actual()
    desk.admin.ok("POST", desk.path, {"disabled": False})
    with pytest.raises(Rejected, match="changed since it was observed"):
        desk.writer.apply(desk.change("delete", "contain", actual=actual), {})
    assert desk.admin.read(desk.path).status == 200


@pytest.mark.parametrize(
    ("pattern", "words"),
    [("DELETE .*identity/entity/name", "still there"), ("POST .*identity/entity/name", "is not disabled")],
)
def test_a_containment_that_answered_well_and_did_nothing_is_not_believed(
    desk: Desk, pattern: str, words: str
) -> None:
    desk.create("a")
    actual = desk.actual()
    desk.sky.fault(pattern, status=204, body="")
    change = desk.change("delete", "contain", actual=actual) if "DELETE" in pattern else desk.disabling(actual)
    with pytest.raises(Rejected, match=words):
        desk.writer.apply(change, {})


# -- enabling again ------------------------------------------------------------------------------------


def back(desk: Desk, actual: Resource) -> Change:
    return desk.change("update", "grant", desired=desk.wanted("a"), actual=actual)


def test_the_old_tokens_are_dead_before_an_entity_is_enabled_again(desk: Desk) -> None:
    desk.create("a")
    token = desk.token()
    desk.writer.apply(desk.disabling(desk.actual()), {})
    desk.writer.apply(back(desk, desk.actual()), {})
    assert not desk.shown()["disabled"]
    looked = desk.admin.call("POST", "auth/token/lookup-accessor", {"accessor": token["accessor"]})
    assert (looked.status, "invalid accessor" in looked.errors) == (400, True)
    assert desk.actual().fields == desk.wanted("a").fields


@pytest.mark.parametrize(
    ("pattern", "fault", "expected"),
    [
        ("LIST .*auth/token/accessors", {"status": 403}, Denied),
        ("POST .*lookup-accessor", {"status": 403}, Denied),
        ("POST .*lookup-accessor", {"status": 400, "body": '{"errors": ["rate limited"]}'}, Rejected),
        ("POST .*lookup-accessor", {"status": 200, "body": '{"data": {}}'}, Rejected),
        ("POST .*revoke-accessor", {"status": 204, "body": ""}, Rejected),
        ("POST .*revoke-accessor", {"status": 403}, Denied),
        ("POST .*revoke-accessor", {"cut": True}, Unreachable),
    ],
)
def test_an_entity_whose_tokens_may_stand_stays_disabled(
    desk: Desk, pattern: str, fault: Any, expected: type[IdacError]
) -> None:
    desk.create("a")
    desk.token()
    desk.writer.apply(desk.disabling(desk.actual()), {})
    actual = desk.actual()
    desk.sky.fault(pattern, **fault)
    with pytest.raises(expected):
        desk.writer.apply(back(desk, actual), {})
    assert desk.shown()["disabled"]


# -- holds ---------------------------------------------------------------------------------------------


def hold_path(desk: Desk) -> str:
    return f"{desk.estate.mounts.kv}/metadata/holds/{desk.subject.principal}"


def is_held(desk: Desk) -> bool:
    book = holds.read(desk.logins.client("plan"), desk.estate)
    return desk.subject in {hold.subject for hold in book.standing}


def test_a_hold_disables_is_written_twice_and_is_lifted_from_both(desk: Desk) -> None:
    desk.create("a")
    actual = desk.actual()
    desk.writer.apply(desk.change("hold", "contain", actual=actual), {})
    assert desk.shown()["disabled"]
    assert desk.shown()["metadata"][HOLD_MARK] == "because"
    assert desk.admin.ok("GET", hold_path(desk)).data["custom_metadata"]["by"] == "run-1"
    desk.writer.apply(desk.change("release", "grant", actual=desk.actual()), {})
    assert HOLD_MARK not in desk.shown()["metadata"]
    assert desk.shown()["disabled"]  # the next plan enables it, when its tokens are gone
    assert not is_held(desk)


def test_a_subject_without_an_entity_can_be_held_and_released(desk: Desk) -> None:
    desk.writer.apply(desk.change("hold", "contain"), {})
    assert is_held(desk)
    desk.writer.apply(desk.change("release", "grant"), {})
    assert not is_held(desk)


def test_an_entity_that_another_run_made_meanwhile_is_not_missing(desk: Desk) -> None:
    missing = desk.change("hold", "contain", after={"hold": "because", "missing": "entity"})
    desk.create("a")
    with pytest.raises(Rejected, match="made since it was observed"):
        desk.writer.apply(missing, {})
    assert not is_held(desk)


def test_an_old_release_does_not_end_a_new_hold(desk: Desk) -> None:
    desk.writer.apply(desk.change("hold", "contain"), {})
    desk.writer.apply(desk.change("release", "grant"), {})
    ended = desk.admin.ok("GET", hold_path(desk)).data["custom_metadata"]
    desk.writer.apply(desk.change("hold", "contain"), {})
    assert is_held(desk)
    desk.admin.ok("POST", hold_path(desk), {"custom_metadata": ended})  # a thief of contain rewrites its words
    assert is_held(desk)


def test_releasing_a_renamed_entity_makes_no_second_one(desk: Desk) -> None:
    made = desk.create("a")
    desk.writer.apply(desk.change("hold", "contain", actual=desk.actual()), {})
    desk.admin.ok("POST", f"identity/entity/id/{made['id']}", {"name": "evil"})
    desk.writer.apply(desk.change("release", "grant", actual=desk.actual()), {})
    assert desk.shown()["id"] == made["id"]
    assert HOLD_MARK not in desk.shown()["metadata"]


@pytest.mark.parametrize(
    ("action", "pattern", "words"),
    [
        ("hold", "POST .*/holds/", "does not stand"),
        ("hold", "POST .*identity/entity/name", "is not disabled, or does not carry"),
        ("release", "POST .*metadata/holds/", "still stands"),
        ("release", "POST .*identity/entity/name", "still carries"),
    ],
)
def test_a_hold_that_was_written_or_lifted_in_word_alone_is_not_believed(
    desk: Desk, action: Action, pattern: str, words: str
) -> None:
    desk.create("a")
    if action == "release":
        desk.writer.apply(desk.change("hold", "contain", actual=desk.actual()), {})
    actual = desk.actual()
    desk.sky.fault(pattern, status=204, body="")
    phase: Phase = "contain" if action == "hold" else "grant"
    with pytest.raises(Rejected, match=words):
        desk.writer.apply(desk.change(action, phase, actual=actual), {})


def test_a_hold_that_left_the_entity_enabled_is_not_believed(desk: Desk) -> None:
    desk.create("a")
    change = desk.change("hold", "contain", actual=desk.actual())
    lie(desk, "GET .*identity/entity/id/", lambda e: e["metadata"].update({HOLD_MARK: "because"}), skip=1)
    with pytest.raises(Rejected, match="is not disabled"):
        desk.writer.apply(change, {})


def test_a_long_reason_is_cut_to_what_metadata_holds(desk: Desk) -> None:
    desk.create("a")
    desk.writer.apply(replace(desk.change("hold", "contain", actual=desk.actual()), reason="ü" * 1000), {})
    assert desk.shown()["metadata"][HOLD_MARK] == "ü" * 240


# -- what no change may ask ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change("vault.entity/trader/x", SubjectRef("trader", "x"), "create", "grant", ""), "what is desired"),
        (Change("vault.entity/trader/x", SubjectRef("trader", "x"), "update", "grant", ""), "what is desired"),
        (Change("vault.entity/trader/x", SubjectRef("trader", "x"), "delete", "contain", ""), "what was there"),
        (Change("vault.entity/unmarked/x", None, "hold", "contain", ""), "belongs to no subject"),
        (Change("vault.entity/trader/x", SubjectRef("trader", "x"), "rotate", "grant", ""), "cannot rotate"),
        (Change("vault.policy/role/x", None, "rotate", "govern", ""), "cannot rotate"),
        (Change("vault.login/trader/x/mtls", SubjectRef("trader", "x"), "revoke", "contain", ""), "cannot revoke"),
        (Change("vault.nothing/x", None, "create", "govern", ""), "cannot create"),
    ],
)
def test_a_change_that_says_too_little_or_what_nobody_can_do_is_refused(
    desk: Desk, change: Change, words: str
) -> None:
    with pytest.raises(Rejected, match=words):
        desk.writer.apply(change, {})
