"""Somebody contains people between a run's look and its writes: the run neither undoes it nor goes on over it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_emergencies import Ward
from tests.firm import ROLE, found
from tests.openbao import Server
from tests.weather import weather

NAMES = ("returning", "rotating", "gaining", "losing")
SECOND = {**ROLE, "vaultPaths": [{"path": "desk/data/second/*", "capabilities": ["read"]}]}


def strike(ward: Ward) -> None:
    """One emergency each: a hold by hand, a revoked certificate, disabled entities."""
    said = {"reason": "the desk called", "by": "ops", "at": "2026-11-25T00:00:00Z"}
    path = f"{ward.firm.estate.mounts.kv}/data/holds/trader.returning"
    ward.firm.admin.ok("POST", path, {"data": said})
    ward.revoke("rotating")
    for name in ("gaining", "losing"):
        ward.write_entity(name, disabled=True)


def another_run(ward: Ward) -> None:
    """The same emergencies, and a whole run of somebody else's that puts everybody on hold."""
    strike(ward)
    command = [sys.executable, "-m", "reconciler.cli.main", "--config", str(ward.firm.root / "idac.yaml"), "-q"]
    environ = {n: v for n, v in os.environ.items() if not n.startswith(("VAULT_", "BAO_"))}
    environ |= {"VAULT_ADDR": ward.firm.server.address, "VAULT_CACERT": str(ward.firm.server.ca_cert)}
    where = Path(__file__).parents[2]
    command += ["apply", "--auto-approve"]
    done = subprocess.run(command, env=environ, cwd=where, capture_output=True, check=False)
    assert done.returncode in (0, 5), done.stderr


def prepared(server: Server, home: Path) -> Ward:
    """Everybody is at work but one, who is suspended; then all their manifests change."""
    firm = found(server, home, removals={"absolute": 99, "percent": 100})
    firm.manifest("Role", "second", SECOND)
    ward = Ward(firm)
    for name in NAMES:
        firm.trader(name)
    firm.trader("zoe", roles=["rfq-trader", "second"])
    firm.apply()
    ward.holders = {name: firm.holder(name) for name in NAMES}
    for name in NAMES:
        assert ward.holders[name].login() == 200
    ward.employment("returning", "suspended")
    firm.apply()
    ward.employment("returning", "active")
    (firm.home / "keys/rotating-mtls.key").rename(firm.home / "keys/old.key")
    ward.holders["rotating"].key = firm.home / "keys/old.key"
    firm.key("rotating")
    firm.change("gaining", roles=["rfq-trader", "second"])
    firm.change("losing", roles=[])
    return ward


@pytest.mark.long
@pytest.mark.parametrize("between", ["before the lock", "under the lock"])
def test_a_run_does_not_undo_what_somebody_contained_since_it_looked(
    openbao: Server, tmp_path: Path, between: str
) -> None:
    ward = prepared(openbao, tmp_path)
    firm = ward.firm
    with weather(openbao) as sky:
        straight, firm.environ = firm.environ, {"VAULT_ADDR": sky.address}
        if between == "before the lock":
            sky.fault(r"GET /v1/.*/data/lock", times=1, then=lambda: another_run(ward))
        else:
            sky.fault(r"POST /v1/.*/data/lock", times=1, then=lambda: strike(ward))
        result = firm.apply(code=None)
        firm.environ = straight
    refused(result)
    assert not ward.delivered("returning")
    assert firm.admin.read(ward.entity("returning")).data["disabled"]
    for name in ("gaining", "losing"):
        assert firm.admin.read(ward.entity(name)).data["disabled"], name
        assert ward.holders[name].read() == 403, name
    firm.apply(code=None)
    firm.apply(code=None)
    for name in NAMES:
        assert ward.powerless(name), name
    assert {hold["subject"] for hold in firm.plan()["holds"]} == {f"trader/{name}" for name in NAMES}


def refused(result: Any) -> None:
    """What was to be given was not, and the outcomes say that things changed since they were observed."""
    assert not [o for o in result["outcomes"] if o["phase"] == "grant" and o["status"] == "applied"]
    said = {name: "" for name in NAMES}
    for outcome in result["outcomes"]:
        if outcome["subject"]:
            said[outcome["subject"].removeprefix("trader/")] += outcome["error"]
    assert "trader/returning was put on hold meanwhile" in said["returning"]
    assert "since it was observed" in said["losing"]
    for name in ("rotating", "gaining"):
        assert "since it was observed" in said[name] or "put on hold meanwhile" in said[name]
