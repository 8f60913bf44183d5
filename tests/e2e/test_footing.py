"""What every plan stands on: widened behind the tool's back, it is seen, and bootstrap mends it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from reconciler.providers.registry import bootstrap_estate
from tests.firm import Firm
from tests.keys import TOKENS, laid
from tests.openbao import log_in
from tests.workloads import WorkloadIssuer


def widen_policy(suffix: str) -> Callable[[Firm], str]:
    def widen(firm: Firm) -> str:
        path = f"sys/policies/acl/{firm.estate.prefix}{suffix}"
        rules = json.loads(firm.admin.read(path).data["policy"])
        rules["path"]["secret/*"] = {"capabilities": ["read"]}
        firm.admin.ok("POST", path, {"policy": json.dumps(rules)})
        return f"{path} is not as bootstrap laid it (policy)"

    return widen


def empower_planner(firm: Firm) -> str:
    """govern renames the planner's entity, grant then reaches it by its name."""
    plan, grant, govern = (log_in(firm.server, firm.estate, who) for who in ("plan", "grant", "govern"))
    entity = plan.read("auth/token/lookup-self").data["entity_id"]
    name = f"{firm.estate.prefix}trader.zz"
    govern.ok("POST", f"identity/entity/id/{entity}", {"name": name})
    grant.ok("POST", f"identity/entity/name/{name}", {"policies": f"{firm.estate.prefix}role-rfq-trader"})
    for raw in (plan, grant, govern):
        raw.close()
    return f"the tool's own entity {name} carries policy {firm.estate.prefix}role-rfq-trader"


def loosen_probe(firm: Firm) -> str:
    path = f"auth/{firm.estate.mounts.cert}/certs/idac-probe"
    standing = firm.admin.read(path).data
    firm.admin.ok("POST", path, {**standing, "token_ttl": 0, "token_explicit_max_ttl": 0})
    return f"{path} is not as bootstrap laid it (token_explicit_max_ttl, token_ttl)"


def switch_off_revocation(firm: Firm) -> str:
    path = f"{firm.estate.mounts.pki}/config/crl"
    firm.admin.ok("POST", path, {"disable": True, "ocsp_disable": True})
    return f"{path} is not as bootstrap laid it (disable, ocsp_disable)"


def let_deliveries_vanish(firm: Firm) -> str:
    path = f"{firm.estate.mounts.kv}/config"
    firm.admin.ok("POST", path, {"delete_version_after": "1h"})
    return f"{path} is not as bootstrap laid it (delete_version_after)"


WAYS = [*(widen_policy(s) for s in ("plan", "contain", "issue", "govern"))]
WAYS += [empower_planner, loosen_probe, switch_off_revocation, let_deliveries_vanish]


@pytest.mark.long
@pytest.mark.parametrize("undermine", WAYS)
def test_an_undermined_footing_is_seen_freezes_grants_and_is_mended_by_bootstrap(
    firm: Firm, undermine: Callable[[Firm], str]
) -> None:
    firm.trader("anna")
    firm.apply()
    said = undermine(firm)
    firm.trader("bob")
    plan = firm.plan()
    assert said in " ".join(f["message"] for f in plan["findings"] if f["code"] == "F02")
    assert [g["status"] for g in plan["guards"] if g["code"] == "G10"] == ["refused"]
    result = firm.apply(code=None)
    assert not [o for o in result["outcomes"] if o["phase"] == "grant" and o["status"] == "applied"]
    bootstrap_estate(firm.estate, firm.server.environ)
    assert not [f for f in firm.plan()["findings"] if f["code"] == "F02"]
    firm.apply()


def test_what_idac_yaml_newly_asks_for_is_nobodys_deed_and_bootstrap_lays_it(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    issuer = WorkloadIssuer()
    (firm.root / "keys").mkdir()
    (firm.root / "keys/spire.json").write_text(json.dumps(issuer.jwks))
    firm.configure(hsmTokens=TOKENS, workloadIssuers=[issuer.configuration()])
    plan = firm.plan()
    said = {f["code"]: f["message"] for f in plan["findings"] if f["code"].startswith("F")}
    unlaid = "idac.yaml names HSM token trade and workload issuer spire, which bootstrap has not laid yet"
    assert said == {"F04": f"{unlaid} — an administrator runs `idac bootstrap`"}
    assert [g["message"].startswith(unlaid) for g in plan["guards"] if g["code"] == "G10"] == [True]
    told = widen_policy("contain")(firm)
    assert told in " ".join(f["message"] for f in firm.plan()["findings"] if f["code"] == "F02")
    laid(firm)
    assert not [f for f in firm.plan()["findings"] if f["code"].startswith("F")]
