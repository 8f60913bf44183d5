"""Keys in an HSM token, from end to end: made, certified, used by their holder, deactivated, destroyed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deadly import killed
from tests.firm import Firm
from tests.keys import Key, delivered, keyed, sign, spki, verified
from tests.openbao import Server, log_in

SUSPENDED = {"start": "2024-02-01", "status": "suspended"}
ACTIVE = {"start": "2024-02-01", "status": "active"}


@pytest.fixture
def firm(openbao: Server, tmp_path: Path) -> Firm:
    """A firm with one token."""
    return keyed(openbao, tmp_path)


def proofs(result: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {p["system"]: f"{p['status']}: {p['detail']}" for p in result["proofs"]}


def test_a_trader_signs_with_a_key_that_nobody_has_ever_held(firm: Firm, tmp_path: Path) -> None:
    firm.trader("anna", credentials=["mtls", "signing"])
    firm.trader("bob", credentials=["mtls", "signing"])
    firm.trader("carl")
    plan = firm.idac("plan", code=0).out
    assert "spki = (known after apply: hsm.key/trader/anna/signing/trade#spki)" in plan
    assert "custody = transit (software, non-exportable)" in plan
    firm.apply()
    firm.idac("plan", "--detailed-exitcode", code=0)
    anna = Key(firm, "anna")
    assert delivered(firm, "anna").spki == spki(anna.public["1"])
    status, signature = sign(firm, "anna")
    assert status == 200
    assert verified(firm, "anna", signature, tmp_path)
    assert not verified(firm, "bob", signature, tmp_path)
    firm.idac("records", "verify", code=0)
    assert sign(firm, "anna", of="bob")[0] == 403
    assert sign(firm, "carl")[0] == sign(firm, "carl", of="anna")[0] == 403


def test_a_holder_can_sign_and_nothing_else(firm: Firm) -> None:
    firm.trader("anna", credentials=["mtls", "signing"])
    firm.apply()
    anna, holder = Key(firm, "anna"), firm.holder("anna")
    assert holder.login() == 200
    mount, name = anna.path.split("/keys/")
    tried = [
        ("GET", anna.path, None),
        ("GET", f"{mount}/export/signing-key/{name}", None),
        ("GET", f"{mount}/backup/{name}", None),
        ("LIST", f"{mount}/keys", None),
        ("POST", anna.path, {"type": "ecdsa-p256"}),
        ("POST", f"{anna.path}/config", {"exportable": True}),
        ("POST", f"{anna.path}/rotate", {}),
        ("POST", f"{anna.path}/csr", {}),
        ("POST", f"{anna.path}/set-certificate", {"certificate_chain": "x"}),
        ("DELETE", f"{anna.path}/soft-delete", None),
        ("DELETE", anna.path, None),
        ("POST", f"{mount}/sign/{name.removesuffix('.signing')}", {"input": "eA=="}),
        ("POST", f"{mount}/verify/{name}", {"input": "eA=="}),
    ]
    assert [(method, path) for method, path, body in tried if holder.call(method, path, body)[0] != 403] == []


def test_a_suspended_holder_cannot_sign_returns_to_the_same_key_and_leaves_it_destroyed(firm: Firm) -> None:
    firm.trader("anna", credentials=["mtls", "signing"])
    firm.apply()
    anna = Key(firm, "anna")
    public = anna.public
    firm.change("anna", employment=SUSPENDED)
    result = firm.apply()
    assert proofs(result)["hsm.trade"] == "proved: no key signs"
    refused = firm.admin.call("POST", anna.signs, {"input": "eA=="})
    assert (refused.status, "soft-deleted" in refused.errors) == (500, True)  # not even to root
    assert firm.plan()["changes"] == []

    firm.change("anna", employment=ACTIVE)
    firm.apply()
    assert sign(firm, "anna")[0] == 200
    assert anna.public == public
    assert delivered(firm, "anna").spki == spki(public["1"])

    firm.change("anna", employment=SUSPENDED)
    firm.apply()
    firm.leave("anna")
    result = firm.apply()
    assert proofs(result)["hsm.trade"] == "proved: no key is there"
    assert anna.read().status == 404
    assert firm.plan()["changes"] == []


@pytest.fixture(scope="module")
def quick(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Firm:
    """A firm whose rules stand, so that a joiner takes few calls."""
    made = keyed(shared_openbao, tmp_path_factory.mktemp("quick"))
    made.trader("always", credentials=["signing"])
    made.apply()
    return made


# A joiner's writing calls in their order: entity, alias, key, request, certificate, delivery (two).
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("at", [3, 4, 5])
def test_killed_after_it_made_a_key_a_run_leaves_one_that_the_next_adopts(quick: Firm, at: int) -> None:
    name = f"joiner-{at}"
    quick.trader(name, credentials=["signing"])
    assert killed(quick, at, "after")
    key = Key(quick, name)
    made = key.public
    assert [*made] == ["1"]
    quick.apply()
    assert key.public == made
    assert delivered(quick, name).spki == spki(key.public["1"])
    plan = quick.plan()
    assert (plan["changes"], plan["routine"]) == ([], [])


def test_a_key_that_a_killed_run_left_is_adopted(firm: Firm) -> None:
    firm.trader("anna", credentials=["mtls", "signing"])
    anna = Key(firm, "anna")
    made = {"type": "ecdsa-p256", "exportable": False}
    firm.admin.ok("POST", anna.path, made)
    public = anna.public
    plan = firm.plan()
    assert not [c for c in plan["changes"] if c["address"].startswith("hsm.")]
    firm.apply()
    assert anna.public == public
    assert delivered(firm, "anna").spki == spki(public["1"])
    assert firm.plan()["changes"] == []


def test_whoever_was_given_anothers_name_signs_with_no_key_of_theirs_after_the_next_run_frozen_or_not(
    firm: Firm,
) -> None:
    people = ("anna", "bob", "carl")
    for name in people:
        firm.trader(name, credentials=["mtls", "signing"])
    firm.apply()
    names = {name: f"{firm.estate.prefix}trader.{name}" for name in people}
    ids = {n: firm.admin.ok("GET", f"identity/entity/name/{full}").data["id"] for n, full in names.items()}
    bob = firm.holder("bob")
    assert bob.login() == 200
    govern = log_in(firm.server, firm.estate, "govern")
    # All three in a ring: nobody's own name is free.
    for name, new in (("anna", "zzz"), ("bob", "anna"), ("carl", "bob"), ("anna", "carl")):
        govern.ok("POST", f"identity/entity/id/{ids[name]}", {"name": f"{firm.estate.prefix}trader.{new}"})
    govern.close()
    body = {"input": "eA=="}
    assert bob.call("POST", Key(firm, "anna").signs, body)[0] == 200
    firm.idac("freeze", "--reason", "INC-2", code=0)
    firm.apply(code=None)
    assert bob.read() == 403
    assert bob.login() == 200
    assert bob.call("POST", Key(firm, "anna").signs, body)[0] == 403
    firm.apply(code=None)
    firm.idac("thaw", "--reason", "INC-2", "--auto-approve", code=0)
    firm.apply(code=None)
    assert [firm.admin.ok("GET", f"identity/entity/id/{ids[n]}").data["name"] for n in people] == [*names.values()]
    assert [sign(firm, name)[0] for name in people] == [200, 200, 200]
    assert firm.plan()["changes"] == []
