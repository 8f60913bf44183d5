"""`apply` killed before and after every single writing call: the next run converges, with no orphan credential,
no double issue, and a record that says the run was interrupted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.deadly import killed
from tests.firm import Firm
from tests.workloads import WorkloadIssuer, bot, employ

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def live_serials(firm: Firm) -> dict[str, int]:
    """How many unrevoked certificates each common name has at the CA."""
    pki, admin = firm.estate.mounts.pki, firm.admin
    gone = set(admin.list(f"{pki}/certs/revoked").keys)
    details = admin.list(f"{pki}/certs/detailed").data.get("key_info") or {}
    counted: dict[str, int] = {}
    for serial, facts in details.items():
        if serial not in gone and facts["common_name"].startswith("trader."):
            counted[facts["common_name"]] = counted.get(facts["common_name"], 0) + 1
    return counted


@pytest.mark.long
def test_killed_while_one_bot_joins_and_another_leaves_it_converges(firm: Firm) -> None:
    """At every fifth call, before and after it in turn: a bot's calls are of the same sorts as a trader's."""
    issuer = WorkloadIssuer()
    employ(firm, issuer)
    firm.trader("cro")
    old = replace(bot(firm, "b0"), issuer=issuer)
    firm.apply()
    died, at = True, 2
    while died:
        assert old.login() == 200
        serial = old.fetch().data["serial_number"]
        new = replace(bot(firm, f"b{at}"), issuer=issuer)
        (firm.root / f"bots/{old.name}.yaml").unlink()
        died = killed(firm, at, "before" if at % 2 else "after")
        firm.apply()
        assert firm.plan()["changes"] == [], f"killed at call {at}"
        assert (old.read(), old.login(), old.fetch().status) == (403, 400, 403)
        assert firm.admin.ok("GET", f"{firm.estate.mounts.pki}/cert/{serial}").data["revocation_time"] > 0
        assert (new.login(), new.fetch().status) == (200, 200)
        old, at = new, at + 5
    assert at > 20
    firm.idac("records", "verify", code=0)


@pytest.mark.long
@pytest.mark.parametrize("side", ["before", "after"])
def test_killed_at_every_call_it_converges(firm: Firm, side: str) -> None:
    deaths = at = 0
    number = 0
    while True:
        at += 1
        joiner, leaver = f"j{number}", f"j{number - 1}"
        if number == 0:
            firm.trader(leaver.replace("-", "x"))
            leaver = leaver.replace("-", "x")
            firm.apply()
        holder = firm.holder(leaver)
        assert holder.login() == 200
        firm.trader(joiner)
        firm.leave(leaver)
        died = killed(firm, at, side)
        deaths += died
        firm.apply()
        assert firm.plan()["changes"] == []
        assert live_serials(firm) == {f"trader.{joiner}": 1}, f"killed {side} call {at}"
        assert (holder.read(), holder.renew()) == (403, 403)
        assert holder.login() >= 400
        assert firm.holder(joiner).login() == 200
        number += 1
        if not died:
            break
    assert deaths >= 15  # a joiner and a leaver take more calls than that
    listed = firm.idac("--format", "json", "records", "list", code=0).json["records"]
    assert sum(1 for r in listed if r["status"] == "interrupted") == deaths
    firm.idac("records", "verify", code=0)
