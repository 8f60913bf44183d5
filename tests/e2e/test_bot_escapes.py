"""Ways by which a bot could come by power that nobody granted, or keep what was taken: each is shut."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.e2e.test_bots import change, hire
from tests.firm import Firm, found
from tests.openbao import Server, a_desk
from tests.workloads import AUDIENCE, OTHER, WorkloadIssuer, employ, release

pytestmark = pytest.mark.openbao


@pytest.fixture(scope="module")
def issuer() -> WorkloadIssuer:
    return WorkloadIssuer()


@pytest.fixture(scope="module")
def house(openbao: Server, tmp_path_factory: pytest.TempPathFactory, issuer: WorkloadIssuer) -> Firm:
    firm = found(openbao, tmp_path_factory.mktemp("escapes"))
    admin = firm.admin
    a_desk(admin)
    admin.close()
    employ(firm, issuer)
    firm.trader("cro")
    firm.trader("head")
    firm.apply()
    return firm


def test_in_a_frozen_estate_no_other_image_logs_in_and_the_old_ones_session_ends(
    house: Firm, issuer: WorkloadIssuer
) -> None:
    old = hire(house, issuer, "frozen")
    new = replace(old, image=OTHER)
    assert old.login() == 200
    house.idac("freeze", "--reason", "INC-9", code=0)
    change(house, "frozen", releases=[release(image=OTHER)])
    assert house.apply(code=5)["status"] == "partial"
    assert (old.read(), replace(old).login(), new.login()) == (403, 400, 400)
    house.idac("thaw", "--reason", "INC-9 closed", "--auto-approve", code=0)
    assert house.apply()["status"] == "complete"
    assert (new.login(), new.read(), replace(old).login()) == (200, 200, 400)


def test_another_audience_and_environment_is_a_grant_of_its_own_and_one_apply_makes_it(
    house: Firm, issuer: WorkloadIssuer
) -> None:
    bot = hire(house, issuer, "moved")
    assert bot.login() == 200
    elsewhere = "https://elsewhere.test"
    change(house, "moved", environment="test", binding={"issuer": "spire", "audience": elsewhere})
    changes = {(c["phase"], c["action"], c["address"]) for c in house.plan()["changes"]}
    login = "vault.login/bot/moved/spire.1-0"
    assert {("contain", "delete", login), ("grant", "create", login)} <= changes
    result = house.apply()
    assert {p["status"] for p in result["proofs"] if p["system"] in ("vault.login", "vault.token")} == {"proved"}
    assert bot.read() == 403
    now = {"environment": "test"}
    assert bot.login(aud=[AUDIENCE], workload=now) == 400
    assert bot.login(aud=[elsewhere], workload=now) == 200


def test_a_bot_that_may_be_granted_nothing_gets_no_other_image_either(house: Firm, issuer: WorkloadIssuer) -> None:
    bot = hire(house, issuer, "barred")
    change(house, "barred", owner="nobody-here", releases=[release(image=OTHER)])
    house.apply(code=5)
    assert replace(bot, image=OTHER).login() == 400
    change(house, "barred", owner="head")
    house.apply()
