"""What an emergency or a fault leaves in doubt is said aloud, and what can be taken is taken all the same."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from reconciler.providers.ca import emergencies
from tests.e2e.test_emergencies import Ward
from tests.firm import found
from tests.openbao import Server, log_in

NAMES = ("noted", "roleless", "narrowed", "invalid", "slipped")


@pytest.fixture(scope="module")
def firm_after(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ward, Any]:
    """Everybody at work; then a thief's notes with an emergency after them, and faults in manifests."""
    firm = found(shared_openbao, tmp_path_factory.mktemp("aftermath"), removals={"absolute": 99, "percent": 100})
    ward = Ward(firm)
    for name in NAMES:
        firm.trader(name)
    firm.apply()
    ward.holders = {name: firm.holder(name) for name in NAMES}
    contain, kv = log_in(shared_openbao, firm.estate, "contain"), firm.estate.mounts.kv
    note = ward.holders["noted"].certificate.serial.replace(":", "-")
    said = {"subject": "trader/noted", "reason": "ours, honestly", "run": "x"}
    contain.ok("POST", f"{kv}/data/revocations/{note}", {"data": said})
    contain.ok("POST", f"{kv}/metadata/revocations/{note}", {"custom_metadata": said})
    contain.close()
    time.sleep(2.2)  # the window is one second here
    ward.revoke("noted")
    firm.admin.ok("DELETE", f"auth/{firm.estate.mounts.cert}/certs/trader.roleless.mtls")
    firm.change("narrowed", roles=[])
    ward.break_csr("narrowed")
    firm.change("invalid", roles=[], desks=["no such field"])
    firm.change("slipped", roles=["rfq-tradr"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emergencies, "BEFORE", timedelta(seconds=1))
        plan = firm.plan()
        firm.apply(code=None)
    return ward, plan


def of(plan: Any, name: str) -> list[tuple[str, str, str]]:
    return [(c["phase"], c["action"], c["reason"]) for c in plan["changes"] if c["subject"] == f"trader/{name}"]


def test_a_note_that_was_there_long_before_explains_no_revocation(firm_after: tuple[Ward, Any]) -> None:
    ward, plan = firm_after
    assert of(plan, "noted")[0][:2] == ("contain", "hold")
    assert ward.powerless("noted")


def test_a_login_role_that_somebody_deleted_is_made_again_and_said_aloud(firm_after: tuple[Ward, Any]) -> None:
    _, plan = firm_after
    ((phase, action, reason),) = of(plan, "roleless")
    assert (phase, action) == ("grant", "create")
    assert "somebody deleted it by hand" in reason
    (finding,) = (f for f in plan["findings"] if f["code"] == "H02")
    assert (finding["severity"], finding["subject"]) == ("warning", "trader/roleless")


@pytest.mark.parametrize("name", ["narrowed", "invalid"])
def test_a_fault_elsewhere_in_a_manifest_keeps_no_role(firm_after: tuple[Ward, Any], name: str) -> None:
    ward, plan = firm_after
    assert {phase for phase, _, _ in of(plan, name)} == {"contain"}
    assert ward.firm.admin.read(ward.entity(name)).data["policies"] == []
    assert ward.delivered(name)


def test_a_role_that_there_is_not_takes_no_other_away(firm_after: tuple[Ward, Any]) -> None:
    ward, plan = firm_after
    assert of(plan, "slipped") == []
    assert len(ward.firm.admin.read(ward.entity("slipped")).data["policies"]) == 1
