"""`idac freeze`: nothing is granted to anybody, containment goes on, and thawing needs what a grant needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.test_emergencies import Ward
from tests.firm import ROLE, Firm
from tests.openbao import Server, log_in
from tests.weather import weather

pytestmark = pytest.mark.counted
WHY = ("--reason", "INC-9: who signs these?")


def test_a_frozen_estate_grants_nothing_and_contains_all_the_same(firm: Firm, tmp_path: Path) -> None:
    for name in ("anna", "bob"):
        firm.trader(name)
    firm.apply()
    ward = Ward(firm, {"bob": firm.holder("bob")})
    frozen = firm.idac("freeze", *WHY, code=0)
    assert "idac thaw" in frozen.err
    firm.trader("carl")
    firm.manifest("Role", "second", ROLE)
    firm.leave("bob")
    plan = firm.idac("plan", code=3)
    assert "Refused G12: the estate is frozen since" in plan.out and WHY[1] in plan.out
    result = firm.apply(code=5)
    given = [o for o in result["outcomes"] if o["phase"] != "contain"]
    assert given and {o["status"] for o in given} == {"not-attempted"}
    assert ward.powerless("bob") and not ward.delivered("carl")
    firm.idac("contain", "trader/anna", "--reason", "at once", code=0)
    firm.idac("release", "trader/anna", "--reason", "a release gives nothing by itself", "--auto-approve", code=0)
    assert firm.apply(code=3)["status"] == "denied"
    thawed(firm, tmp_path)


def thawed(firm: Firm, tmp_path: Path) -> None:
    """Reviewed as any grant; then everything goes on."""
    firm.configure(policy={"autoApprove": False})
    words, file = ("thaw", "--reason", "INC-9 closed"), tmp_path / "thaw.json"
    refused = firm.idac(*words, "--auto-approve", code=3)
    assert "idac thaw --reason … --out plan.json" in refused.err
    firm.idac(*words, "--out", str(file), code=0)
    assert json.loads(file.read_text())["scope"]["release"]["subject"] == f"estate/{firm.name}"
    firm.idac("apply", "--plan", str(file), code=0)
    firm.configure(policy={"autoApprove": True})
    firm.apply()
    for name in ("anna", "carl"):
        assert firm.holder(name).login() == 200
    assert "not frozen" in firm.idac(*words, "--auto-approve", code=3).err
    said = [r["purpose"] for r in firm.idac("--format", "json", "records", "list").json["records"]]
    assert said == ["apply", "freeze", "apply", "contain", "release", "apply", "thaw", "apply"]
    firm.idac("records", "verify", code=0)


def test_a_run_that_goes_on_stops_granting_when_somebody_freezes(firm: Firm, openbao: Server) -> None:
    firm.trader("anna")
    with weather(openbao) as sky:
        straight, firm.environ = firm.environ, {"VAULT_ADDR": sky.address}

        def strike() -> None:
            said = {"reason": "who signs these?", "by": "operator ops", "at": "2026-11-25T00:00:00Z"}
            path = f"{firm.estate.mounts.kv}/data/holds/estate.{firm.name}"
            firm.admin.ok("POST", path, {"data": said})

        sky.fault(r"POST /v1/identity/entity/name/.*trader.anna", times=1, then=strike)
        result = firm.apply(code=5)
        firm.environ = straight
    errors = [o["error"] for o in result["outcomes"] if o["status"] == "not-attempted"]
    assert errors and all("the estate was frozen meanwhile" in e or "same subject failed" in e for e in errors)
    assert not Ward(firm).delivered("anna")


def test_neither_writers_login_alone_thaws(firm: Firm) -> None:
    """Grant cannot write the hold, contain cannot write the release; each half alone leaves it standing."""
    firm.idac("freeze", *WHY, code=0)
    kv, name = firm.estate.mounts.kv, f"estate.{firm.name}"
    contain, grant = (log_in(firm.server, firm.estate, identity) for identity in ("contain", "grant"))
    release = {"custom_metadata": {"version": "1", "reason": "x"}}
    assert contain.call("POST", f"{kv}/metadata/releases/{name}", release).status == 403
    assert grant.call("POST", f"{kv}/metadata/holds/{name}", {"custom_metadata": {"released": "x"}}).status == 403
    grant.ok("POST", f"{kv}/metadata/releases/{name}", release)
    assert "G12" in {g["code"] for g in firm.plan()["guards"] if g["status"] == "refused"}
    for raw in (contain, grant):
        raw.close()


def test_what_is_frozen_and_released_is_said_with_a_verb_and_nothing_is_said_twice(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    assert f"estate/{firm.name} is frozen: INC-9: who signs these?" in firm.idac("freeze", *WHY, code=0).out
    idle = firm.idac("plan", code=3)
    assert "No changes. The estate is frozen; otherwise what stands is what the manifests say." in idle.out
    assert "G12: see above" in idle.err and WHY[1] not in idle.err
    end = ("--reason", "INC-9 closed", "--auto-approve")
    assert f"estate/{firm.name} is thawed: INC-9 closed" in firm.idac("thaw", *end, code=0).out
    assert "trader/anna is contained" in firm.idac("contain", "trader/anna", *WHY, code=0).out
    released = firm.idac("release", "trader/anna", *end, code=0)
    assert "trader/anna is released: INC-9 closed" in released.out
    assert "On hold" not in released.out and "answered" not in released.out
    assert "released: `idac plan` shows what is granted again" in released.err
