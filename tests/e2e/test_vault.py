"""A firm on a server that answers as Vault's API does: from bootstrap to a leaver, through the command line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.firm import PROFILE, ROLE, Firm
from tests.openbao import Server, a_desk
from tests.vaultlike import AsVault
from tests.weather import Weather, weather

pytestmark = pytest.mark.openbao
NUMBERS = count(1)


@pytest.fixture
def sky(openbao: Server) -> Iterator[Weather]:
    with weather(openbao, AsVault) as relay:
        yield relay


@pytest.fixture
def firm(openbao: Server, sky: Weather, tmp_path: Path) -> Firm:
    a_desk(openbao.raw())
    made = Firm(f"asvault{next(NUMBERS)}", tmp_path, openbao)
    made.root.mkdir()
    made.configure()
    made.manifest("Role", "rfq-trader", ROLE)
    made.manifest("CertificateProfile", "trader-mtls", PROFILE)
    made.environ = {"VAULT_ADDR": sky.address, "VAULT_TOKEN": openbao.root_token}
    made.idac("-q", "bootstrap", code=0)
    made.environ = {"VAULT_ADDR": sky.address}
    return made


def unproved(result: Any) -> set[str]:
    return {p["system"] for p in result["proofs"] if p["status"] == "failed"}


def test_a_trader_joins_moves_and_leaves(firm: Firm, sky: Weather) -> None:
    bootstrapped = len(sky.lines)
    firm.idac(
        "-q", "plan", "--detailed-exitcode", code=2
    )  # the rules of the manifests; no deviation from bootstrap
    firm.trader("anna")
    firm.trader("bob")
    firm.apply()
    plan = firm.plan()
    assert (plan["changes"], [f for f in plan["findings"] if f["severity"] == "error"]) == ([], [])
    anna = firm.holder("anna")
    assert (anna.login(), anna.read()) == (200, 200)
    firm.change("bob", roles=[])
    firm.apply()
    assert firm.plan()["changes"] == []
    firm.leave("anna")
    result = firm.apply(code=None)
    # The relay ends TLS, so that the probe's certificate never arrives; nothing else is unproved.
    assert unproved(result) == {"ca.probe"}
    assert (anna.read(), anna.renew()) == (403, 403)
    assert anna.login() >= 400
    asked = [line for line in sky.lines[bootstrapped:] if "detailed" in line]
    assert asked, "the bulk listings are tried, since OpenBao has them"


def test_bootstrap_told_twice_changes_nothing(firm: Firm, sky: Weather) -> None:
    firm.environ["VAULT_TOKEN"] = firm.server.root_token
    before = len(sky.lines)
    firm.idac("-q", "bootstrap", code=0)
    written = [line for line in sky.lines[before:] if line.startswith(("POST", "PUT", "PATCH", "DELETE"))]
    assert [line for line in written if "secret-id/lookup" not in line] == []


def test_what_somebody_changed_is_seen_and_mended(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    admin, mounts, prefix = firm.admin, firm.estate.mounts, firm.estate.prefix
    role = f"{mounts.pki}/roles/trader-mtls"
    admin.ok("POST", role, {**admin.ok("GET", role).data, "allow_any_name": True})
    login = f"auth/{mounts.cert}/certs/trader.anna.mtls"
    admin.ok("POST", login, {**admin.ok("GET", login).data, "token_policies": ["default"]})
    admin.ok("POST", f"sys/policies/acl/{prefix}role-rfq-trader", {"policy": "# nothing"})
    path = f"{mounts.kv}/metadata/certificates/trader.anna.mtls"
    said = admin.ok("GET", path).data["custom_metadata"]
    admin.ok("POST", path, {"custom_metadata": {**said, "not_after": "2030-01-01T00:00:00Z"}})
    seen = {c["address"] for c in firm.plan()["changes"]}
    assert seen == {
        "ca.profile/trader-mtls",
        "vault.login/trader/anna/mtls",
        "vault.policy/role/rfq-trader",
        "ca.certificate/trader/anna/mtls",
    }
    firm.apply()
    assert firm.plan()["changes"] == []
    admin.close()


def test_a_tier_that_vault_enforces_is_made_there_too(firm: Firm) -> None:
    document = {"aal": 2, "acr": "mfa", "methods": ["totp"], "enforcedBy": ["vault"]}
    firm.write(
        "tiers/otp.yaml",
        {"apiVersion": "idac/v1", "kind": "MfaTier", "metadata": {"name": "otp"}, "spec": document},
    )
    firm.trader("anna", mfaTier="otp")
    result = firm.apply(code=None)
    # Without the probe nobody under the tier is granted anything: the relay keeps its certificate from the server.
    assert unproved(result) == {"vault.mfa"}
    # The tier stands; anna has no entity that could join it.
    tier = [o["status"] for o in result["outcomes"] if o["address"] == "vault.mfa/otp"]
    assert tier == ["applied", "failed"]
    assert [o["status"] for o in result["outcomes"] if o["subject"] == "trader/anna"].count("applied") == 0
