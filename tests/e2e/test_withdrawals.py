"""One credential of somebody who stays is taken: proofs ask for what was taken, and for nothing else."""

from __future__ import annotations

import time

import pytest

from reconciler import x509
from tests.firm import Firm
from tests.openbao import Raw, log_in


@pytest.fixture(autouse=True)
def desk(openbao: object, admin: Raw) -> None:
    """A secret that the firm's role may read."""
    if admin.read("sys/mounts/desk").status != 200:
        admin.ok("POST", "sys/mounts/desk", {"type": "kv", "options": {"version": "2"}})
    admin.ok("POST", "desk/data/fx/limits", {"data": {"limit": "5"}})


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
    firm.trader("anna")
    done = firm.apply(code=0)
    assert {p["status"] for p in done["proofs"] if p["system"].startswith(("ca.", "vault."))} == {"proved"}
    assert report.login() >= 400 and mtls.login() == 200
    _, csr = x509.new_key_and_csr("x")
    asked = {"csr": csr, "common_name": "trader.anna", "uri_sans": "spiffe://meridian.test/trader/anna"}
    asked |= {"ttl": "3600s", "format": "pem", "exclude_cn_from_sans": "true"}
    log_in(firm.server, firm.estate, "grant").ok("POST", f"{firm.estate.mounts.pki}/sign/trader-mtls", asked)
    done = firm.apply(code=0)
    assert [o["action"] for o in done["outcomes"]] == ["revoke", "update"]
    assert mtls.login() == 200
