"""The main job from end to end, through the command line, on a real OpenBao, seen from outside as well."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.firm import Firm
from tests.openbao import Raw, a_desk


@pytest.fixture(autouse=True)
def desk(openbao: object, admin: Raw) -> None:
    """The firm's own secrets, which exist without idac."""
    a_desk(admin)


def test_a_trader_is_created_checked_offboarded_and_proved_dead(firm: Firm, tmp_path: Path) -> None:
    firm.trader("anna")
    firm.trader("bob")
    assert firm.idac("validate").code == 0
    plan_file = str(tmp_path / "plan.json")
    assert firm.idac("plan", "--out", plan_file, "--detailed-exitcode").code == 2
    firm.idac("apply", "--plan", plan_file, code=0)
    empty = firm.idac("plan", "--detailed-exitcode", code=0)
    assert "No changes." in empty.out

    anna = firm.holder("anna")
    assert anna.login() == 200
    assert anna.read() == 200
    serial, ca = anna.certificate.serial, firm.estate.mounts.pki

    firm.leave("anna")
    plan = firm.idac("plan", "--out", plan_file, code=0)
    assert "leaves and loses everything: its manifest was deleted" in plan.out
    done = firm.idac("apply", "--plan", plan_file, code=0)
    assert "proved" in done.out and "failed" not in done.out

    assert anna.read() == 403
    assert anna.renew() == 403
    assert anna.login() >= 400
    assert anna.login("") >= 400  # with no role named, any role that matches would do
    crl = firm.admin.call("GET", f"{ca}/crl/pem").body["raw"]
    listed = subprocess.run(["openssl", "crl", "-noout", "-text"], input=crl, capture_output=True, check=True)
    assert serial.replace(":", "").upper() in listed.stdout.decode().upper()
    assert firm.holder("bob").login() == 200
    assert firm.idac("plan", "--detailed-exitcode").code == 0
    assert firm.idac("records", "verify").code == 0


@pytest.mark.parametrize(
    "employment",
    [
        {"start": "2024-02-01", "status": "left"},
        {"start": "2024-02-01", "end": "2026-01-31", "status": "active"},
    ],
)
def test_a_status_and_a_past_end_offboard_like_a_deletion(firm: Firm, employment: dict[str, str]) -> None:
    firm.trader("anna")
    firm.apply()
    anna = firm.holder("anna")
    assert anna.login() == 200
    firm.change("anna", employment=employment)
    result = firm.apply()
    assert {p["status"] for p in result["proofs"]} == {"proved", "not-covered"}
    assert (anna.read(), anna.renew()) == (403, 403)
    assert anna.login() >= 400
    assert firm.plan()["changes"] == []


def test_suspension_contains_everything_and_ends_with_a_new_certificate(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    anna = firm.holder("anna")
    assert anna.login() == 200
    old = anna.certificate.serial
    firm.change("anna", employment={"start": "2024-02-01", "status": "suspended"})
    firm.apply()
    assert anna.read() == 403
    assert anna.login() >= 400
    assert firm.plan()["changes"] == []
    stale = anna.token
    firm.change("anna", employment={"start": "2024-02-01", "status": "active"})
    firm.apply()
    back = firm.holder("anna")
    assert back.certificate.serial != old
    assert back.login() == 200
    back.token = stale
    assert back.read() == 403  # the tokens of before the suspension stay dead
    assert firm.plan()["changes"] == []


def test_a_certificate_revoked_by_somebody_else_becomes_a_hold_until_it_is_released(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    anna = firm.holder("anna")
    firm.admin.ok("POST", f"{firm.estate.mounts.pki}/revoke", {"serial_number": anna.certificate.serial})
    plan = firm.plan()
    assert plan["summary"]["hold"] == 1
    assert {c["phase"] for c in plan["changes"]} == {"contain"}
    firm.apply()
    assert anna.login() >= 400
    assert firm.plan()["changes"] == []  # it stays held, and nothing is granted
    assert [f["severity"] for f in firm.plan()["findings"] if f["code"] == "H01"] == ["warning"]
    firm.idac("release", "trader/anna", "--reason", "INC-1 closed", "--auto-approve", code=0)
    # The person may come back; the key that somebody else revoked may not.
    (finding,) = (f for f in firm.plan()["findings"] if f["code"] == "H01")
    assert finding["severity"] == "error"
    assert "make a new key and CSR" in finding["message"]
    firm.apply(code=None)
    assert anna.login() >= 400
    firm.key("anna").unlink()
    firm.key("anna")
    firm.apply()
    assert firm.holder("anna").login() == 200
    assert firm.plan()["changes"] == []


def test_an_entity_disabled_by_somebody_else_becomes_a_hold(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    anna = firm.holder("anna")
    name = f"{firm.estate.prefix}trader.anna"
    firm.admin.ok("POST", f"identity/entity/name/{name}", {"disabled": True})
    firm.apply()
    assert firm.admin.read(f"identity/entity/name/{name}").data["disabled"] is True
    assert anna.login() >= 400
    assert firm.plan()["changes"] == []


def test_whoever_is_held_is_named_by_every_plan_until_released(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    firm.admin.ok("POST", f"identity/entity/name/{firm.estate.prefix}trader.anna", {"disabled": True})
    firm.apply()
    held = firm.idac("plan", "--detailed-exitcode", code=0).out
    assert "What stands is what the manifests say" not in held
    assert (
        "trader/anna since 20" in held and "its entity was disabled by somebody else, put on hold by run" in held
    )
    assert "idac release trader/anna --reason" in held
    (hold,) = firm.plan()["holds"]
    assert (hold["subject"], hold["reason"]) == ("trader/anna", "its entity was disabled by somebody else")
    firm.leave("anna")
    firm.apply()
    assert [h["subject"] for h in firm.plan()["holds"]] == ["trader/anna"]  # and whoever comes back is held still
    firm.idac("release", "trader/anna", "--reason", "INC-1 closed", "--auto-approve", code=0)
    assert firm.plan()["holds"] == []
    assert "What stands is what the manifests say" in firm.idac("plan", "--detailed-exitcode", code=0).out


def test_a_hold_survives_an_apply_that_changes_the_manifest(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    firm.admin.ok("POST", f"identity/entity/name/{firm.estate.prefix}trader.anna", {"disabled": True})
    firm.apply()
    firm.change("anna", desk="rates-emea")
    firm.trader("anna", credentials=("mtls", "second"))
    firm.apply()
    assert firm.plan()["changes"] == []
    assert set(firm.admin.list(f"auth/{firm.estate.mounts.cert}/certs").keys) <= {"idac-probe", "idac-probe-mfa"}


def test_a_plan_is_used_once_and_only_while_it_is_true(firm: Firm, tmp_path: Path) -> None:
    plan_file = str(tmp_path / "plan.json")
    firm.trader("anna")
    firm.idac("plan", "--out", plan_file)
    firm.trader("bob")
    stale = firm.idac("apply", "--plan", plan_file, code=4)
    assert "new: create vault.entity/trader/bob" in stale.err
    firm.leave("bob")
    firm.idac("apply", "--plan", plan_file, code=0)
    again = firm.idac("apply", "--plan", plan_file)
    assert again.code == 4


def test_auto_approve_needs_a_policy_that_allows_it(firm: Firm) -> None:
    firm.configure(policy={"autoApprove": False})
    refused = firm.idac("apply", "--auto-approve", code=3)
    assert "idac plan --out" in refused.err


def test_a_faulty_manifest_bars_its_own_subjects_grants_but_no_leaver_and_nobody_else(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    anna = firm.holder("anna")
    firm.leave("anna")
    firm.trader("bob", roles=["no-such-role"])
    firm.trader("carl")
    (firm.root / "traders/dora.yaml").write_text(
        "apiVersion: idac/v1\nkind: Trader\nmetadata: {name: dora}\nspec: {}\n"
    )
    done = firm.idac("--format", "json", "apply", "--auto-approve")
    assert (done.code, done.json["status"]) == (1, "partial")  # another run would do no more
    assert anna.login() >= 400
    applied = {o["subject"] for o in done.json["outcomes"] if o["status"] == "applied"}
    assert {"trader/anna", "trader/carl"} <= applied <= {"trader/anna", "trader/carl", None}


def test_an_empty_tree_removes_nobody(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    for file in firm.root.glob("*/*.yaml"):
        file.unlink()
    refused = firm.idac("plan", code=1)
    assert "Refused G02" in refused.out
    assert firm.plan()["changes"] == []


def test_an_unreadable_file_stops_removal_by_deletion_but_not_status_left(firm: Firm) -> None:
    firm.trader("anna")
    firm.trader("bob")
    firm.apply()
    anna, bob = firm.holder("anna"), firm.holder("bob")
    firm.leave("anna")
    firm.change("bob", employment={"start": "2024-02-01", "status": "left"})
    (firm.root / "traders/broken.yaml").write_text("a: [1, 2\n")
    firm.apply(code=5)
    assert anna.login() == 200
    assert bob.login() >= 400


def test_whoever_left_is_contained_whatever_else_is_wrong_in_the_same_file(firm: Firm) -> None:
    firm.configure(policy={"autoApprove": True, "removals": {"percent": 100}})
    left = {"start": "2024-02-01", "status": "left"}
    for name in ("anna", "bob", "carl"):
        firm.trader(name)
    firm.apply()
    firm.change("anna", employment=left, desks=["no such field"])
    firm.change("bob", employment={**left, "end": "2026-02-30"}, desk="No Such Desk", roles=["no-such-role"])
    firm.change("carl", employment=left)
    carl = firm.root / "traders/carl.yaml"
    carl.write_text(f"a: [1, 2\n---\n{carl.read_text()}")
    done = firm.idac("--format", "json", "apply", "--auto-approve", code=5).json  # rules wait for a whole tree
    gone = {c["subject"] for c in done["outcomes"] if c["address"].startswith("vault.entity/")}
    assert gone == {"trader/anna", "trader/bob", "trader/carl"}
    for name in ("anna", "bob", "carl"):
        assert not firm.admin.read(f"identity/entity/name/{firm.estate.prefix}trader.{name}").data
    assert {c["phase"] for c in firm.plan()["changes"]} <= {"govern"}


def test_more_leavers_than_the_budget_allows_are_refused(firm: Firm) -> None:
    for number in range(6):
        firm.trader(f"t{number}")
    firm.apply()
    for number in range(6):
        firm.leave(f"t{number}")
    refused = firm.idac("apply", "--auto-approve", code=3)
    assert "G01" in refused.err
    assert firm.holder("t0").login() == 200


def test_a_rename_is_a_move_and_not_a_leaver(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    old = firm.holder("anna")
    firm.leave("anna")
    firm.trader("anna-smith", metadata={"previously": ["anna"]})
    firm.apply()
    assert old.login() >= 400
    assert firm.holder("anna-smith").login() == 200
    assert firm.plan()["changes"] == []


def test_a_mover_loses_before_gaining(firm: Firm) -> None:
    firm.manifest("Role", "approver", {
        "permissions": ["trade.approve"],
        "vaultPaths": [{"path": "desk/data/approvals/*", "capabilities": ["read"]}],
    })  # fmt: skip
    firm.trader("anna")
    firm.apply()
    firm.change("anna", roles=["approver"])
    changes = [c for c in firm.plan()["changes"] if c["address"] == "vault.entity/trader/anna"]
    assert [c["phase"] for c in changes] == ["contain", "grant"]
    firm.apply()
    assert firm.plan()["changes"] == []
    assert firm.holder("anna").login() == 200
