"""What an auditor asks of the ledger: what happened to somebody, and who held a certificate."""

from __future__ import annotations

from tests.firm import Firm


def test_the_ledger_says_what_happened_to_whom_and_who_held_a_serial(firm: Firm) -> None:
    firm.trader("anna")
    firm.trader("bob")
    firm.apply()
    serial = str(firm.holder("anna").certificate.serial)
    firm.leave("anna")
    firm.apply()
    listed = firm.idac("records", "list", code=0).out.splitlines()
    assert listed[0].endswith("applied: trader/anna, trader/bob")
    assert listed[1].endswith("applied: trader/anna")
    assert len(firm.idac("records", "list", "--subject", "trader/bob", code=0).out.splitlines()) == 1
    told = firm.idac("records", "list", "--serial", serial, code=0).out
    assert f"create  {serial} of ca.certificate/trader/anna/mtls, until 20" in told
    assert f"revoke  {serial} of ca.certificate/trader/anna/mtls" in told
    plain = serial.replace(":", "").upper()
    found = firm.idac("--format", "json", "records", "list", "--serial", plain, code=0).json["records"]
    assert [[c["action"] for c in record["certificates"]] for record in found] == [["create"], ["revoke"]]
    assert [record["subjects"] for record in found] == [["trader/anna", "trader/bob"], ["trader/anna"]]
    gone = firm.idac("show", "trader/anna", code=1).err
    assert "idac records list --subject trader/anna" in gone
    assert firm.idac("records", "list", "--serial", "1", code=0).out == "No record tells of that.\n"
    firm.idac("records", "list", "--subject", "anna", code=64)
