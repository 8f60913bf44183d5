"""One credential of somebody who stays is taken: proofs ask for what was taken, and for nothing else."""

from __future__ import annotations

import time

import pytest

from reconciler import x509
from tests.firm import Firm
from tests.openbao import Raw, a_desk, log_in


@pytest.fixture(autouse=True)
def desk(openbao: object, admin: Raw) -> None:
    """A secret that the firm's role may read."""
    a_desk(admin)


def new_key(firm: Firm, name: str) -> None:
    """The holder makes another key; its CSR replaces the old one in the manifests."""
    firm.key(name).rename(firm.home / f"keys/{name}-old.key")
    firm.key(name)


def test_the_end_of_an_overlap_is_proved_for_the_old_certificate_alone(firm: Firm) -> None:
    firm.configure(overlap="1s")
    firm.trader("anna")
    firm.apply()
    old = firm.holder("anna")
    new_key(firm, "anna")
    firm.apply()
    time.sleep(1.1)
    done = firm.apply(code=0)
    assert {p["status"] for p in done["proofs"] if p["system"].startswith("ca.")} == {"proved"}
    assert {s for p in done["proofs"] for s in p["evidence"].get("serials", ())} == {old.certificate.serial}
    assert firm.holder("anna").login() == 200


def test_one_of_two_credentials_and_an_orphan_go_and_the_other_stays(firm: Firm) -> None:
    firm.trader("anna", credentials=("mtls", "report"))
    firm.apply()
    report, mtls = firm.holder("anna", "report"), firm.holder("anna")
    assert [report.login(), mtls.login()] == [200, 200]
    assert [report.read(), mtls.read()] == [200, 200]
    firm.trader("anna")
    done = firm.apply(code=0)
    assert {p["status"] for p in done["proofs"] if p["system"].startswith(("ca.", "vault."))} == {"proved"}
    assert report.login() >= 400 and report.read() == 403
    assert mtls.read() == 200 and mtls.login() == 200
    _, csr = x509.new_key_and_csr("x")
    asked = {"csr": csr, "common_name": "trader.anna", "uri_sans": "spiffe://meridian.test/trader/anna"}
    asked |= {"ttl": "3600s", "format": "pem", "exclude_cn_from_sans": "true"}
    grant = log_in(firm.server, firm.estate, "grant")
    grant.ok("POST", f"{firm.estate.mounts.pki}/sign/trader-mtls", asked)
    grant.close()
    done = firm.apply(code=0)
    assert [o["address"].split("/")[0] for o in done["outcomes"]] == ["ca.certificate", "ca.crl", "vault.token"]
    assert mtls.read() == 200 and mtls.login() == 200


def test_a_stolen_key_ends_at_once_with_its_logins_where_no_overlap_is_allowed(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    thief = firm.holder("anna")
    assert thief.login() == 200 and thief.read() == 200
    new_key(firm, "anna")
    thief.key = firm.home / "keys/anna-old.key"
    thief.chain = thief.chain.rename(firm.home / "keys/anna-old.pem")
    shown = firm.idac("plan").out
    assert "the old key stays valid for 1h beside the new one" in shown
    credential = {"name": "mtls", "profile": "trader-mtls", "key": {"csr": "csr/anna-mtls.pem"}, "overlap": "0s"}
    firm.change("anna", credentials=[credential])
    done = firm.apply(code=0)
    assert {p["status"] for p in done["proofs"] if p["system"].startswith(("ca.", "vault."))} == {"proved"}
    assert next(p["evidence"] for p in done["proofs"] if p["system"] == "vault.token") == {"found": 1}
    assert thief.read() == 403 and thief.login() >= 400
    anna = firm.holder("anna")
    assert anna.login() == 200 and anna.read() == 200
    assert firm.plan()["changes"] == []


def test_a_theft_found_out_during_the_overlap_cuts_it_short(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    thief = firm.holder("anna")
    new_key(firm, "anna")
    thief.key = firm.home / "keys/anna-old.key"
    thief.chain = thief.chain.rename(firm.home / "keys/anna-old.pem")
    firm.apply()
    anna = firm.holder("anna")
    assert [thief.login(), anna.login()] == [200, 200]
    firm.configure(overlap="0s")
    firm.apply(code=0)
    assert thief.read() == 403 and thief.login() >= 400
    assert anna.read() == 200 and anna.login() == 200
    assert firm.plan()["changes"] == []
