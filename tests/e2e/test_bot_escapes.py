"""Ways by which a bot could come by power that nobody granted, or keep what was taken: each is shut."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from tests.e2e.test_bots import change, hire
from tests.firm import Firm
from tests.openbao import Server
from tests.workloads import AUDIENCE, OTHER, WorkloadIssuer, firm_of_bots, release

pytestmark = pytest.mark.openbao


@pytest.fixture(scope="module")
def issuer() -> WorkloadIssuer:
    return WorkloadIssuer()


@pytest.fixture(scope="module")
def house(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory, issuer: WorkloadIssuer) -> Firm:
    return firm_of_bots(shared_openbao, tmp_path_factory.mktemp("escapes"), issuer)


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
    assert house.apply(code=3)["status"] == "partial"  # another run would do no more
    assert replace(bot, image=OTHER).login() == 400
    change(house, "barred", owner="head")
    house.apply()


@pytest.mark.parametrize("kept", ["algoId", "sub"])
def test_a_hold_follows_the_workload_to_another_name(house: Firm, issuer: WorkloadIssuer, kept: str) -> None:
    old, new = f"rogue-{kept.lower()}", f"honest-{kept.lower()}"
    bot = hire(house, issuer, old)
    assert bot.login() == 200
    house.idac("contain", f"bot/{old}", "--reason", "rogue algo", code=0)
    file = house.root / f"bots/{old}.yaml"
    document = yaml.safe_load(file.read_text())
    file.unlink()
    document["metadata"]["name"] = new
    document["spec"] |= (
        {"algoId": "ANOTHER"} if kept == "sub" else {"spiffeId": f"spiffe://meridian.test/prod/{new}"}
    )
    (house.root / f"bots/{new}.yaml").write_text(yaml.safe_dump(document))
    house.apply()
    held = {h["subject"]: h["reason"] for h in house.plan()["holds"]}
    assert ("its algoId" if kept == "algoId" else "its workload") in held[f"bot/{new}"]
    sub = document["spec"]["spiffeId"]
    assert replace(bot, name=new).login(sub=sub) == 400
    for name in (old, new):
        house.idac("release", f"bot/{name}", "--reason", "mended", "--auto-approve", code=None)
    house.apply()
    assert replace(bot, name=new).login(sub=sub) == 200


@pytest.mark.parametrize("holder", ["a stranger", "another subject"])
def test_containing_a_bot_finds_its_alias_wherever_somebody_moved_it(
    house: Firm, issuer: WorkloadIssuer, holder: str
) -> None:
    bot = hire(house, issuer, f"lent-{holder.rsplit(maxsplit=1)[-1]}")
    assert bot.login() == 200
    there = house.admin
    there.ok("POST", "sys/policies/acl/elsewhere", {"policy": 'path "desk/*" { capabilities = ["read"] }'})
    if holder == "a stranger":
        other = there.ok("POST", "identity/entity", {"name": "stranger", "policies": ["elsewhere"]}).data["id"]
    else:
        other = there.ok("GET", f"identity/entity/name/{house.estate.prefix}trader.cro").data["id"]
    mount = there.ok("GET", "sys/auth").data[f"{house.estate.mounts.workload('spire')}/"]["accessor"]
    moved = {"name": bot.uri, "canonical_id": other, "mount_accessor": mount}
    there.ok("POST", "identity/entity-alias", moved)
    there.close()
    through = replace(bot)
    assert (through.login(), through.read()) == (200, 200)
    house.idac("contain", f"bot/{bot.name}", "--reason", "rogue", code=0)
    assert (bot.read(), through.read(), replace(bot).login()) == (403, 403, 400)
    house.apply()
