"""`idac cert get`: the chain as delivered, if it is good and nobody touched it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.cli import cert
from reconciler.clock import now
from reconciler.x509 import read_certificate
from tests.cli import idac
from tests.firm import Firm
from tests.weather import weather

NAME = "trader/anna/mtls"


def test_a_good_certificate_is_printed_and_one_that_is_none_any_more_is_refused(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    firm.trader("anna")
    assert "no certificate is delivered" in firm.idac("cert", "get", NAME, code=1).err
    firm.apply()
    given = firm.idac("cert", "get", NAME, code=0)
    assert given.out == firm.holder("anna").chain.read_text() and given.err == ""
    assert given.out.count("BEGIN CERTIFICATE") == 2
    told = firm.idac("--format", "json", "cert", "get", NAME, code=0).json
    certificate = read_certificate(given.out)
    assert (told["serial"], told["fingerprint"]) == (certificate.serial, certificate.fingerprint)
    assert (told["state"], told["notAfter"]) == ("good", certificate.not_after)
    monkeypatch.setattr(cert, "now", lambda: now() + timedelta(hours=9))
    assert f"ends {certificate.not_after}" in firm.idac("cert", "get", NAME, code=0).err
    firm.admin.ok("POST", f"{firm.estate.mounts.pki}/revoke", {"serial_number": certificate.serial})
    refused = firm.idac("cert", "get", NAME, code=3)
    assert refused.out == "" and "is revoked" in refused.err
    assert firm.idac("--format", "json", "cert", "get", NAME, code=3).json["state"] == "revoked"


def test_what_somebody_put_in_its_place_is_not_handed_out(firm: Firm) -> None:
    for name in ("anna", "bob"):
        firm.trader(name)
    firm.apply()
    kv = f"{firm.estate.mounts.kv}/data/certificates"
    others = firm.admin.ok("GET", f"{kv}/trader.bob.mtls").data["data"]
    firm.admin.ok("POST", f"{kv}/trader.anna.mtls", {"data": others})
    refused = firm.idac("cert", "get", NAME, code=3)
    assert refused.out == "" and "is not what was issued for it" in refused.err
    for garbage in ({"certificate": 5}, {"x": 1}, {"certificate": "x", "chain": ""}, {"certificate": ["x"]}):
        firm.admin.ok("POST", f"{kv}/trader.anna.mtls", {"data": garbage})
        assert "is not what was issued for it" in firm.idac("cert", "get", NAME, code=3).err
    with weather(firm.server) as sky:
        firm.environ = {"VAULT_ADDR": sky.address, "VAULT_MAX_RETRIES": "0"}
        for body in ('{"data":[]}', '{"data":{"certificate":7}}', '{"data":{"revocation_time":"x"}}', "[]"):
            sky.faults.clear()
            sky.fault("^GET .*pki/cert/", status=200, body=body)
            assert "fault in idac itself" not in firm.idac("cert", "get", "trader/bob/mtls", code=1).err


@pytest.mark.parametrize(
    "name", ["anna", "trader/anna", "trader/anna/mtls/x", "trader/../mtls", "trader/Anna/mtls"]
)
def test_a_name_of_another_form_is_a_slip_of_the_pen(tmp_path: Path, name: str) -> None:
    assert idac(tmp_path, "cert", "get", name).code == 64
