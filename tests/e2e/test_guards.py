"""What stops a change that should not happen, and what it must not stop, on a real OpenBao."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from tests.firm import Firm


def test_a_plan_file_emptied_and_prolonged_under_its_own_digest_grants_nothing(firm: Firm, tmp_path: Path) -> None:
    plan_file = tmp_path / "plan.json"
    firm.trader("mallory")
    firm.idac("plan", "--out", str(plan_file), code=0)
    honest = plan_file.read_text()
    document = json.loads(honest)
    plan_file.write_text(
        json.dumps(
            {
                **document,
                "changes": [],
                "summary": dict.fromkeys(document["summary"], 0),
                "findings": [],
                "planId": str(uuid.uuid4()),
            }
        )
    )
    refused = firm.idac("apply", "--plan", str(plan_file), code=4)
    assert "the changes were altered" in refused.err and "the summary was altered" in refused.err
    plan_file.write_text(json.dumps({**document, "expiresAt": "2099-01-01T00:00:00Z"}))
    assert "longer life than the policy" in firm.idac("apply", "--plan", str(plan_file), code=4).err
    assert firm.admin.list(f"{firm.estate.mounts.kv}/metadata/certificates").keys in ([], None)
    plan_file.write_text(honest)
    firm.idac("apply", "--plan", str(plan_file), code=0)
    assert firm.holder("mallory").login() == 200


def test_suspending_or_stripping_everybody_is_refused_and_changes_nothing(firm: Firm) -> None:
    names = [f"t{number}" for number in range(4)]
    for name in names:
        firm.trader(name)
    firm.apply()
    for name in names:
        firm.change(name, employment={"start": "2024-02-01", "status": "suspended"})
    refused = firm.idac("apply", "--auto-approve", code=3)
    assert "G01: 4 of 4 subjects in total would lose everything they have" in refused.err
    for name in names:
        firm.change(name, employment={"start": "2024-02-01", "status": "active"}, roles=[], credentials=[])
    assert "4 stripped of all roles" in firm.idac("apply", "--auto-approve", code=3).err
    assert [firm.holder(name).login() for name in names] == [200] * 4


def test_planted_strays_and_lost_files_keep_neither_a_leaver_alive_nor_an_emergency_waiting(firm: Firm) -> None:
    names = ["anna", "bob", *(f"t{number}" for number in range(4))]
    for name in names:
        firm.trader(name)
    firm.apply()
    anna, bob, lost = (firm.holder(name) for name in ("anna", "bob", "t0"))
    assert [h.login() for h in (anna, bob, lost)] == [200] * 3
    entries = f"{firm.estate.mounts.kv}/metadata/certificates"
    for number in range(6):
        entry = {"serial": "aa:bb", "version": "1", "not_after": "2099-01-01T00:00:00Z"}
        firm.admin.ok("POST", f"{entries}/trader.ghost{number}.x", {"custom_metadata": entry})
    firm.change("anna", employment={"start": "2024-02-01", "status": "left"})
    firm.leave("t0")
    firm.admin.ok("POST", f"identity/entity/name/{firm.estate.prefix}trader.bob", {"disabled": True})
    done = firm.apply(code=5)
    assert next(g["message"] for g in done["guards"] if g["code"] == "G01").startswith("2 of 6 subjects")
    assert anna.read() == 403 and anna.login() >= 400
    assert bob.read() == 403 and bob.login() >= 400
    assert lost.login() == 200
    holds = firm.admin.list(f"{firm.estate.mounts.kv}/metadata/holds").keys
    assert "trader.bob" in holds and not {"trader.t0", "trader.t1"} & set(holds)


def test_a_change_of_the_policy_is_shown_until_it_was_applied(firm: Firm) -> None:
    assert "the policy changed" not in firm.idac("plan").out  # nothing was ever applied
    firm.trader("anna")
    firm.apply()
    assert "the policy changed" not in firm.idac("plan").out
    firm.configure(policy={"autoApprove": True, "removals": {"absolute": 500, "percent": 100}})
    shown = firm.idac("plan", code=0).out
    assert "warning P01: the policy changed since the last applied plan" in shown
    assert "removals.absolute 5 → 500, removals.percent 20 → 100" in shown
    firm.apply()
    assert "the policy changed" not in firm.idac("plan").out
    assert firm.idac("records", "verify").code == 0
