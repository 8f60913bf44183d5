"""Bots in diff: releases come and go alone, what was fetched is explained, and containment needs no list of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff import contain_now, diff
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Core, Hold, Resource
from tests.unit.world import NOW, actual, advance, crl, desired, entity

BOT = SubjectRef("bot", "mm")
URI = "spiffe://t.test/prod/bot/mm"
ALIASES = ["idac-t-cert:bot.mm", f"idac-t-jwt-spire:{URI}"]
RUNTIME = f"ca.certificate/runtime/{BOT}"


def release(label: str = "1-0", **claims: str) -> Resource:
    fields = {"bound_subject": URI, "bound_claims": {"/image": "sha256:1", **claims}, "token_ttl": 900}
    return Resource(f"vault.login/{BOT}/spire.{label}", BOT, fields)


def issuer(**changed: Any) -> Resource:
    fields = {"allowed_domains": ["bot.mm"], "allowed_uri_sans": [URI], "max_ttl": 600, **changed}
    return Resource(f"ca.issuer/{BOT}", BOT, fields)


def fetched(uri: str = URI, *serials: str) -> Resource:
    return Resource(RUNTIME, BOT, {}, {"serials": sorted(serials or ("0a:0b",)), "uri_san": uri})


def body(person: str = "", **more: Any) -> Resource:
    made = entity(BOT, **{"aliases": ALIASES, **more})
    return replace(made, facts={**made.facts, **({"person": person} if person else {})})


def wanted(*releases: Resource) -> list[Resource]:
    return [entity(BOT, id=None, aliases=ALIASES), issuer(), *(releases or (release(),))]


def said(changes: tuple[Change, ...]) -> list[tuple[str, str, str]]:
    return [(c.phase, c.action, c.address) for c in sorted(changes, key=lambda c: c.order)]


def test_the_issuer_is_made_before_the_entity_and_the_logins_last() -> None:
    assert said(diff(desired(wanted(), {BOT: "active"}), actual([]), NOW)) == [
        ("govern", "create", f"ca.issuer/{BOT}"),
        ("grant", "create", f"vault.entity/{BOT}"),
        ("grant", "create", f"vault.login/{BOT}/spire.1-0"),
    ]


def test_what_was_fetched_is_explained_by_the_issuer_that_is_wanted() -> None:
    state = actual([body(), issuer(), release(), fetched()])
    assert diff(desired(wanted(), {BOT: "active"}), state, NOW) == ()


def test_what_was_fetched_under_another_name_is_revoked() -> None:
    state = actual(
        [body(), issuer(allowed_uri_sans=["spiffe://t.test/boss"]), release(), fetched("spiffe://t.test/boss")]
    )
    changes = diff(desired(wanted(), {BOT: "active"}), state, NOW)
    assert ("contain", "revoke", RUNTIME) in said(changes)
    assert ("govern", "update", f"ca.issuer/{BOT}") in said(changes)


def test_a_key_that_somebody_else_revoked_is_not_fetched_with_again() -> None:
    seen = Resource(RUNTIME, BOT, {}, {"serials": ["0a:0b"], "uri_san": URI, "keys": ["stolen"]})
    state = actual([body(), issuer(), release(), seen], distrusted={"stolen": "2026-11-24T11:00:00Z"})
    assert ("contain", "revoke", RUNTIME) in said(diff(desired(wanted(), {BOT: "active"}), state, NOW))


def test_a_plan_that_contains_a_bot_is_not_void_when_the_bot_fetches_another_certificate() -> None:
    leaving = desired([], {BOT: "left"})
    before = diff(leaving, actual([body(), issuer(), release(), fetched(URI, "0a:0b")]), NOW)
    after = diff(leaving, actual([body(), issuer(), release(), fetched(URI, "0a:0b", "0c:0d")]), NOW)
    assert [(c.address, c.before, c.after) for c in before] == [(c.address, c.before, c.after) for c in after]


def test_a_leaving_bot_loses_login_then_issuer_then_what_it_fetched_even_if_none_is_seen() -> None:
    state = actual([body(), issuer(), release()])
    changes = diff(desired([], {BOT: "left"}), state, NOW)
    assert said(changes) == [
        ("contain", "update", f"vault.entity/{BOT}"),
        ("contain", "delete", f"vault.login/{BOT}/spire.1-0"),
        ("contain", "delete", f"ca.issuer/{BOT}"),
        ("contain", "revoke", RUNTIME),
        ("contain", "update", "ca.crl"),
        ("contain", "revoke", f"vault.token/{BOT}"),
        ("contain", "delete", f"vault.entity/{BOT}"),
    ]
    assert diff(desired([], {BOT: "left"}), advance(state, changes), NOW) == ()


def test_a_retired_release_goes_with_its_tokens_and_the_other_stays() -> None:
    state = actual([body(), issuer(), release("1-0"), release("1-1"), fetched()])
    changes = diff(desired(wanted(release("1-1")), {BOT: "active"}), state, NOW)
    assert said(changes) == [
        ("contain", "delete", f"vault.login/{BOT}/spire.1-0"),
        ("contain", "revoke", f"vault.token/{BOT}/spire.1-0"),
    ]


def test_another_digest_is_no_update_but_an_end_and_a_grant_that_asks_for_its_approval() -> None:
    state = actual([body(), issuer(), release("1-0"), release("1-1"), fetched()])
    asked = desired(wanted(release("1-0", **{"/image": "sha256:2"}), release("1-1")), {BOT: "active"})
    changes = diff(asked, state, NOW)
    assert said(changes) == [
        ("contain", "delete", f"vault.login/{BOT}/spire.1-0"),
        ("contain", "revoke", f"vault.token/{BOT}/spire.1-0"),
        ("grant", "create", f"vault.login/{BOT}/spire.1-0"),
    ]
    (made,) = [c for c in changes if c.action == "create"]
    assert "see that the approval is of this one" in made.reason
    assert diff(asked, advance(state, changes), NOW) == ()


def test_a_retired_release_goes_although_the_manifest_has_a_fault_and_nothing_else_does() -> None:
    core = Core(body(id=None), frozenset({"runtime", "spire.1-1"}), frozenset({"spire.1-0"}), whole=False)
    state = actual([body(), issuer(), release("1-0"), release("1-1"), release("1-2"), fetched()])
    frozen = desired([], {BOT: "active"}, frozen=frozenset({BOT}), cores={BOT: core})
    assert said(diff(frozen, state, NOW)) == [
        ("contain", "delete", f"vault.login/{BOT}/spire.1-0"),
        ("contain", "revoke", f"vault.token/{BOT}/spire.1-0"),
    ]


def test_the_alias_of_a_bot_whose_manifest_is_in_doubt_stays() -> None:
    core = Core(entity(BOT, id=None), None, whole=False)
    frozen = desired([], {}, frozen=frozenset({BOT}), cores={BOT: core})
    assert diff(frozen, actual([body(), issuer(), release()]), NOW) == ()


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        ([body()], "its workload is that of bot/mm"),
        ([release()], "its workload is that of bot/mm"),
        ([body(aliases=[f"idac-t-jwt-spire:{URI.upper()}"])], "its workload is that of bot/mm"),
        ([issuer()], "its workload is that of bot/mm"),
        ([body(person="algo:MM-7")], "its algoId MM-7 is that of bot/mm"),
    ],
)
def test_a_hold_follows_a_bot_to_another_name_by_workload_and_algo(standing: list[Resource], words: str) -> None:
    (first, *_) = sorted(contain_now(BOT, "rogue", "ops", crl(), actual(standing)), key=lambda c: c.order)
    noted = first.after or {}
    held = Hold(BOT, "rogue", "ops", "2026-11-24T10:00:00Z", noted.get("person", ""), frozenset(noted["keys"]))
    new = SubjectRef("bot", "mm2")
    asked = [Resource(r.address.replace("/mm", "/mm2"), new, r.fields, {}) for r in wanted()]
    target = desired(asked, {new: "active"}, persons={new: "algo:MM-7"} if noted.get("person") else {})
    (change,) = diff(target, actual([], [held]), NOW)
    assert (change.action, change.subject) == ("hold", new)
    assert words in change.reason


def test_no_hold_follows_to_another_issuers_workload_of_the_same_name() -> None:
    held = Hold(BOT, "rogue", "ops", "2026-11-24T10:00:00Z", keys=frozenset({f"workload kube:{URI}"}))
    new = SubjectRef("bot", "mm2")
    asked = [Resource(r.address.replace("/mm", "/mm2"), new, r.fields, {}) for r in wanted()]
    assert all(c.action != "hold" for c in diff(desired(asked, {new: "active"}), actual([], [held]), NOW))


def test_a_login_without_its_entity_is_an_emergency() -> None:
    state = actual([issuer(), release()])
    (hold, *_) = sorted(diff(desired(wanted(), {BOT: "active"}), state, NOW), key=lambda c: c.order)
    assert (hold.action, hold.reason) == ("hold", "its entity was deleted by somebody else while it could log in")
    assert (hold.after or {})["missing"] == "entity"


def test_an_issuer_without_an_entity_is_what_a_killed_run_leaves_and_no_emergency() -> None:
    changes = diff(desired(wanted(), {BOT: "active"}), actual([issuer()]), NOW)
    assert [c.action for c in changes] == ["create", "create"]


def test_the_runtime_credential_goes_from_a_bot_that_stays() -> None:
    without = [r for r in wanted() if r.type != "ca.issuer"]
    state = actual([body(), issuer(), release(), fetched()])
    assert said(diff(desired(without, {BOT: "active"}), state, NOW)) == [
        ("contain", "delete", f"ca.issuer/{BOT}"),
        ("contain", "revoke", RUNTIME),
        ("contain", "update", "ca.crl"),
    ]
