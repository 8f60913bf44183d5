"""One rule for exit codes: containment goes on whatever else is wrong, and no run ends as if all were well."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.firm import Firm


def newest(firm: Firm) -> Any:
    """What the newest record says of itself."""
    return firm.idac("--format", "json", "records", "list").json["records"][-1]


def test_a_leaver_is_contained_over_somebody_elses_typo_and_the_run_says_why_it_is_not_0(
    firm: Firm, tmp_path: Path
) -> None:
    plan_file = tmp_path / "plan.json"
    firm.trader("anna")
    firm.trader("bob")
    firm.apply()
    bob = firm.holder("bob")
    firm.leave("bob")
    firm.change("anna", entityLei="213800KUD8LAJWSQ9D16")
    planned = firm.idac("plan", "--out", str(plan_file), "--detailed-exitcode", code=1)
    assert "idac: exit 1: the manifests are invalid" in planned.err
    assert "carries out what it may" in planned.err
    assert "Refused G04: trader/anna may be granted nothing" in planned.out
    done = firm.idac("--format", "json", "apply", "--plan", str(plan_file), code=1)  # only people go on
    assert bob.login() >= 400
    assert done.json["status"] == "partial" == newest(firm)["status"]
    assert "changes in the plan were applied" in done.err
    assert "entityLei must be an LEI" in done.err and "trader/anna may be granted nothing" in done.err
    said = {g["code"]: g["message"] for g in done.json["guards"]}
    assert "the manifests are valid" not in said.values()
    assert "and 1 invalid" in said["G02"]
    again = firm.idac("--format", "json", "apply", "--auto-approve", code=1)  # nothing is left that may be done
    assert again.json["status"] == "denied" == newest(firm)["status"]
    assert "there was nothing to apply" in again.err
    firm.change("anna", entityLei="213800KUD8LAJWSQ9D15")
    assert firm.apply(code=0)["status"] == "noop" == newest(firm)["status"]


@pytest.mark.parametrize("gone", ["profiles/trader-mtls.yaml", "roles/rfq-trader.yaml"])
def test_deleting_what_somebody_still_holds_does_not_pass_in_silence(firm: Firm, gone: str) -> None:
    firm.trader("anna")
    firm.trader("bob")
    firm.apply()
    (firm.root / gone).unlink()
    for _ in range(2):
        plan = firm.idac("plan", "--detailed-exitcode", code=3)
        assert "Refused G04: trader/anna, trader/bob may be granted nothing" in plan.out
        assert "stays until then, though no manifest explains it" in plan.out
        assert "What stands is what the manifests say" not in plan.out
        assert firm.idac("apply", "--auto-approve").code in (3, 5)
    assert firm.idac("plan").out.count("No changes. But what stands is not what the manifests say: 2 errors") == 1
    assert firm.holder("anna").login() == 200  # a slip of the pen takes nobody's power away


def test_an_auditor_verifies_with_keys_of_their_own(firm: Firm, tmp_path: Path) -> None:
    firm.trader("anna")
    firm.apply()
    own = tmp_path / "trust"
    shutil.copytree(firm.plans / "trust", own)
    shutil.rmtree(firm.plans / "trust")
    assert "idac records verify --trust DIR" in firm.idac("records", "verify", code=1).err
    assert "verified" in firm.idac("records", "verify", "--trust", str(own), code=0).out


def test_an_administrators_token_that_is_none_is_said_to_be_none(firm: Firm) -> None:
    firm.environ = {**firm.environ, "VAULT_TOKEN": "s.nonsense"}
    assert "give the token of an administrator, in VAULT_TOKEN" in firm.idac("bootstrap", code=1).err


def test_a_leaver_who_answered_for_a_bot_ends_with_3_and_not_with_run_again(firm: Firm) -> None:
    firm.trader("anna")
    firm.trader("bob")
    firm.apply()
    bob = firm.holder("bob")
    firm.change("anna", supervisor="bob")
    firm.apply()
    firm.leave("bob")
    done = firm.idac("apply", "--auto-approve", code=3)
    assert bob.login() >= 400
    assert "exit 3" in done.err and "refused by G04: see above" in done.err
    assert done.out.count("trader/anna may be granted nothing") == 1 and "may be granted nothing" not in done.err
    assert "0 changes withheld" not in done.out
    firm.idac("apply", "--auto-approve", code=3)
