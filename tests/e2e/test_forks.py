"""Two copies of one ledger, both written on: the server knows which record was the newest."""

from __future__ import annotations

import shutil

from tests.firm import Firm


def test_a_copy_of_the_ledger_that_lacks_the_newest_record_grants_nothing_and_still_contains(firm: Firm) -> None:
    firm.trader("anna")
    firm.trader("bob")
    firm.apply()
    copy = firm.home / "copy"
    shutil.copytree(firm.plans, copy)
    firm.trader("carl")
    firm.apply()
    newest = firm.home / "newest"
    firm.plans.rename(newest)
    copy.rename(firm.plans)
    refused = firm.idac("apply", "--auto-approve", code=3)
    assert "the ledger here lacks record 1 (sha256:" in refused.err
    firm.trader("dora")
    assert "fetch the newest ledger" in firm.idac("apply", "--auto-approve", code=3).err
    assert len(list((firm.plans / "records").iterdir())) == 1  # the fork did not grow
    bob = firm.holder("bob")
    firm.leave("bob")
    done = firm.idac("--format", "json", "apply", "--auto-approve", code=5)
    assert "G11: the ledger here lacks record 1" in done.err
    assert bob.login() >= 400
    assert {o["phase"] for o in done.json["outcomes"] if o["status"] == "applied"} == {"contain"}
    shutil.rmtree(firm.plans)
    newest.rename(firm.plans)
    assert "lacks record 1" in firm.idac("apply", "--auto-approve", code=3).err  # and the other copy learns of it


def test_an_emergency_recorded_in_a_copy_does_not_make_the_copy_the_ledger(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    copy = firm.home / "copy"
    shutil.copytree(firm.plans, copy)
    firm.trader("bob")
    firm.apply()
    newest = firm.home / "newest"
    firm.plans.rename(newest)
    copy.rename(firm.plans)
    done = firm.idac("contain", "trader/anna", "--reason", "INC-1", code=0)
    assert "this is not the ledger that the last run wrote: bring record 1 to that one" in done.err
    assert firm.idac("records", "verify", code=0)
    shutil.rmtree(firm.plans)
    newest.rename(firm.plans)
    firm.trader("carl")
    firm.apply(code=0)


def test_a_lost_ledger_is_begun_anew_only_by_an_administrator(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    shutil.rmtree(firm.plans / "records")
    shutil.rmtree(firm.plans / "journal")
    firm.trader("bob")
    assert "an administrator deletes plans/head" in firm.idac("apply", "--auto-approve", code=3).err
    firm.admin.ok("DELETE", f"{firm.estate.mounts.kv}/metadata/plans/head")
    firm.apply(code=0)
    assert firm.holder("bob").login() == 200


def test_a_damaged_note_of_the_newest_record_is_no_permission(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    firm.admin.ok("POST", f"{firm.estate.mounts.kv}/data/plans/head", {"data": {"seq": "0"}})
    firm.trader("bob")
    firm.idac("apply", "--auto-approve", code=3)
