"""People who sign in, in diff: what a fault in a manifest leaves, and what it takes all the same."""

from __future__ import annotations

from typing import Any

from reconciler.diff import diff
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Core, Hold, Resource
from tests.unit.world import NOW, actual, desired, entity

ANNA = SubjectRef("trader", "anna")
SIGN_IN = "corp.sign-in"
CERT, JWT = "idac-t-cert:trader.anna", "idac-t-jwt-corp:00uAnna"


def login(credential: str = SIGN_IN, subject: SubjectRef = ANNA, acr: str = "phr") -> Resource:
    bound = {"bound_subject": "00uAnna", "bound_claims": {"/acr": acr}, "token_ttl": 900}
    fields: dict[str, Any] = bound if "." in credential else {"allowed_common_names": ["trader.anna"]}
    return Resource(f"vault.login/{subject}/{credential}", subject, fields)


def body(*aliases: str, **more: Any) -> Resource:
    return entity(ANNA, aliases=list(aliases or (CERT, JWT)), **more)


def said(changes: tuple[Change, ...]) -> list[tuple[str, str, str]]:
    return [(c.phase, c.action, c.address) for c in sorted(changes, key=lambda c: c.order)]


def faulty(*credentials: str, whole: bool = False, aliases: tuple[str, ...] = (CERT, JWT)) -> Any:
    core = Core(entity(ANNA, id=None, aliases=list(aliases)), frozenset(credentials), whole=whole)
    return desired([], {ANNA: "active"}, frozen=frozenset({ANNA}), cores={ANNA: core})


def test_a_faulty_manifest_that_asks_for_the_sign_in_keeps_it() -> None:
    assert diff(faulty(SIGN_IN), actual([body(), login()]), NOW) == ()


def test_a_faulty_manifest_that_asks_for_it_no_more_loses_it_with_its_tokens() -> None:
    assert said(diff(faulty(), actual([body(), login()]), NOW)) == [
        ("contain", "delete", f"vault.login/{ANNA}/{SIGN_IN}"),
        ("contain", "revoke", f"vault.token/{ANNA}/{SIGN_IN}"),
    ]


def test_while_the_sign_in_it_asks_for_is_not_there_nothing_is_sure_to_be_superfluous() -> None:
    assert diff(faulty("other.sign-in"), actual([body(), login()]), NOW) == ()


def test_of_a_manifest_in_doubt_the_token_alias_stays_and_a_strange_one_goes() -> None:
    strange = "idac-t-cert:trader.boss"
    (change,) = diff(faulty(SIGN_IN, aliases=(CERT,)), actual([body(CERT, strange, JWT), login()]), NOW)
    assert (change.phase, (change.after or {})["aliases"]) == ("contain", [CERT, JWT])


def test_another_acr_is_an_end_and_a_grant_that_says_so() -> None:
    asked = desired([entity(ANNA, id=None, aliases=[CERT, JWT]), login(acr="phrh")], {ANNA: "active"})
    changes = diff(asked, actual([body(), login()]), NOW)
    assert said(changes) == [
        ("contain", "delete", f"vault.login/{ANNA}/{SIGN_IN}"),
        ("contain", "revoke", f"vault.token/{ANNA}/{SIGN_IN}"),
        ("grant", "create", f"vault.login/{ANNA}/{SIGN_IN}"),
    ]
    assert "must sign in again" in next(c.reason for c in changes if c.action == "create")


def test_a_hold_follows_the_sign_in_and_not_that_of_another_provider() -> None:
    new = SubjectRef("staff", "hanna")
    made = entity(new, id=None, aliases=["idac-t-cert:staff.hanna", JWT])
    asked = desired([made, login(subject=new)], {new: "active"})
    for mark, follows in (("sign-in corp:00uanna", True), ("sign-in other:00uanna", False)):
        held = Hold(ANNA, "rogue", "ops", "2026-11-24T10:00:00Z", keys=frozenset({mark}))
        changes = diff(asked, actual([], [held]), NOW)
        assert any(c.action == "hold" and c.subject == new for c in changes) is follows
        assert not follows or "its sign-in is that of trader/anna" in changes[0].reason
