"""Lifting a hold: by a plan that somebody reviewed, or in one run where the policy allows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.firm import Firm

pytestmark = pytest.mark.counted


def hold_anna(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    firm.admin.ok("POST", f"identity/entity/name/{firm.estate.prefix}trader.anna", {"disabled": True})
    firm.apply()


def test_a_release_is_reviewed_and_applied_like_any_plan(firm: Firm, tmp_path: Path) -> None:
    hold_anna(firm)
    firm.configure(policy={"autoApprove": False})
    words = ("release", "trader/anna", "--reason", "INC-1 closed")
    refused = firm.idac(*words, "--auto-approve", code=3)
    assert "idac release trader/anna --reason … --out plan.json" in refused.err
    release, plan_file = tmp_path / "release.json", tmp_path / "plan.json"
    planned = firm.idac(*words, "--out", str(release), code=0)
    assert "○ vault.entity/trader/anna" in planned.out and "Digest sha256:" in planned.out
    written = json.loads(release.read_text())
    assert written["scope"] == {"release": {"subject": "trader/anna", "reason": "INC-1 closed"}}
    assert firm.plan()["holds"], "planning a release releases nobody"
    release.write_text(json.dumps({**written, "scope": {"release": {"subject": "trader/anna", "reason": "x"}}}))
    firm.idac("apply", "--plan", str(release), code=4)
    release.write_text(json.dumps({**written, "scope": {"release": "trader/anna"}}))
    firm.idac("apply", "--plan", str(release), code=1)
    release.write_text(json.dumps(written))
    firm.idac("apply", "--plan", str(release), code=0)
    assert firm.plan()["holds"] == []
    assert firm.idac("--format", "json", "records", "list").json["records"][-1]["purpose"] == "release"
    assert "not on hold" in firm.idac("apply", "--plan", str(release), code=4).err
    firm.idac("plan", "--out", str(plan_file), code=0)
    firm.idac("apply", "--plan", str(plan_file), code=0)
    assert firm.holder("anna").login() == 200


def test_a_release_says_how_and_a_hold_that_is_none_is_refused(firm: Firm, tmp_path: Path) -> None:
    firm.trader("anna")
    firm.apply()
    words = ("release", "trader/anna", "--reason", "INC-1 closed")
    assert "--out FILE" in firm.idac(*words, code=64).err
    assert "--out FILE" in firm.idac(*words, "--out", "x", "--auto-approve", code=64).err
    refused = firm.idac(*words, "--out", str(tmp_path / "release.json"), code=3)
    assert "trader/anna is not on hold" in refused.err
    assert list(tmp_path.glob("*.json")) == []
