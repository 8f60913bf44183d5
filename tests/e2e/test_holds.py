"""What somebody else contained is an emergency and no drift: it becomes a hold, and only `release` ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.drift.certificates import record, sign
from tests.drift.entities import entity, entity_path, mark
from tests.drift.logins import login_path
from tests.firm import Firm, Holder, found
from tests.openbao import Raw, Server

pytestmark = pytest.mark.openbao


def _disable(firm: Firm, admin: Raw, name: str) -> None:
    admin.ok("POST", entity_path(firm, name), {"disabled": True})


def _delete(firm: Firm, admin: Raw, name: str) -> None:
    admin.ok("DELETE", entity_path(firm, name))


def _revoke(firm: Firm, admin: Raw, name: str) -> None:
    serial = record(firm, admin, name)["serial"]
    admin.ok("POST", f"{firm.estate.mounts.pki}/revoke", {"serial_number": serial})


def _revoke_one_of_two(firm: Firm, admin: Raw, name: str) -> None:
    _revoke(firm, admin, name)  # `mtls`; the trader has another credential besides


def _mark(firm: Firm, admin: Raw, name: str) -> None:
    mark(firm, admin, name, idac_hold="the desk called")


def _note(firm: Firm, admin: Raw, name: str) -> None:
    path, said = f"holds/trader.{name}", {"reason": "the desk called", "by": "ops", "at": "2026-11-25T00:00:00Z"}
    admin.ok("POST", f"{firm.estate.mounts.kv}/data/{path}", {"data": said})
    admin.ok("POST", f"{firm.estate.mounts.kv}/metadata/{path}", {"custom_metadata": said})


EMERGENCIES: dict[str, Callable[[Firm, Raw, str], None]] = {
    "disabled": _disable,
    "deleted": _delete,
    "revoked": _revoke,
    "revoked-one-of-two": _revoke_one_of_two,
    "marked": _mark,
    "noted": _note,
}


@dataclass(frozen=True, slots=True)
class Held:
    """An estate in which each emergency happened to somebody."""

    firm: Firm
    before: dict[str, Holder]  # as they were logged in
    plan: Any
    again: list[Any]  # plans after the first and after a second apply
    outsider: Holder


@pytest.fixture(scope="module")
def held(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Held:
    firm = found(shared_openbao, tmp_path_factory.mktemp("holds"), removals={"absolute": 10, "percent": 100})
    for name in (*EMERGENCIES, "outsider"):
        firm.trader(name, credentials=("mtls", "second") if name == "revoked-one-of-two" else ("mtls",))
    firm.apply()
    before = {name: firm.holder(name) for name in EMERGENCIES}
    assert {holder.login() for holder in before.values()} == {200}
    admin = firm.admin
    for name, happen in EMERGENCIES.items():
        happen(firm, admin, name)
    plan = firm.plan()
    firm.apply()
    again = [firm.plan()]
    for name in EMERGENCIES:  # somebody goes on working on the manifests
        firm.change(name, desk="rates-emea")
    firm.apply()
    again.append(firm.plan())
    admin.close()
    return Held(firm, before, plan, again, firm.holder("outsider"))


def standing(held: Held, name: str) -> tuple[bool, list[str]]:
    """Whether the subject's entity is there and enabled, and its login roles."""
    admin, mount = held.firm.admin, held.firm.estate.mounts.cert
    shown = admin.read(entity_path(held.firm, name)).data
    logins = [n for n in admin.list(f"auth/{mount}/certs").keys if n.startswith(f"trader.{name}.")]
    admin.close()
    return bool(shown) and not shown["disabled"], logins


@pytest.mark.parametrize("emergency", EMERGENCIES)
def test_what_somebody_else_contained_is_contained_wholly_and_granted_nothing(held: Held, emergency: str) -> None:
    mine = [c for c in held.plan["changes"] if c["subject"] == f"trader/{emergency}"]
    assert mine
    assert {c["phase"] for c in mine} == {"contain"}
    noted = emergency in ("marked", "noted")  # a hold already: nothing else need be marked
    assert any(c["action"] == "hold" for c in mine) is not noted
    assert standing(held, emergency) == (False, [])
    assert held.before[emergency].read("auth/token/lookup-self") == 403
    assert held.before[emergency].login() >= 400


@pytest.mark.parametrize("emergency", EMERGENCIES)
def test_the_hold_stays_over_further_applies(held: Held, emergency: str) -> None:
    for plan in held.again:
        assert [c for c in plan["changes"] if c["subject"] == f"trader/{emergency}"] == []
    assert held.firm.admin.read(
        f"{held.firm.estate.mounts.kv}/metadata/holds/trader.{emergency}"
    ).status == 200 or (
        emergency == "marked" and "idac_hold" in entity(held.firm, held.firm.admin, emergency)["metadata"]
    )


def test_nobody_else_is_touched(held: Held) -> None:
    assert held.outsider.login() == 200
    assert not [c for c in held.plan["changes"] if c["subject"] == "trader/outsider"]


def test_what_somebody_gives_back_to_a_held_subject_is_taken_again(held: Held) -> None:
    firm, name, admin = held.firm, "disabled", held.firm.admin
    marks = {**entity(firm, admin, name)["metadata"], "idac_state": "active"}
    marks.pop("idac_hold")
    admin.ok("POST", entity_path(firm, name), {"disabled": False, "metadata": marks, "policies": ["root-like"]})
    login = admin.ok("GET", login_path(firm, "outsider")).data
    names = {
        "allowed_common_names": [f"trader.{name}"],
        "allowed_uri_sans": [f"spiffe://meridian.test/trader/{name}"],
    }
    admin.ok("POST", login_path(firm, name), {**login, **names})
    serial = sign(firm, admin, name)
    plan = firm.plan()
    mine = [c for c in plan["changes"] if c["subject"] == f"trader/{name}"]
    assert {c["phase"] for c in mine} == {"contain"}
    firm.apply()
    assert standing(held, name) == (False, [])
    assert admin.ok("GET", f"{firm.estate.mounts.pki}/cert/{serial}").data["revocation_time"] > 0
    assert firm.plan()["changes"] == []
    admin.close()


def test_only_release_ends_a_hold_and_then_the_manifest_counts_again(held: Held) -> None:
    firm = held.firm
    for name in EMERGENCIES:
        firm.idac("release", f"trader/{name}", "--reason", "INC-1 closed", "--auto-approve", code=0)
    for name in ("revoked", "revoked-one-of-two"):  # a key that somebody else revoked is certified no more
        firm.key(name).unlink()
        firm.key(name)
    firm.apply()
    assert firm.plan()["changes"] == []
    for name in EMERGENCIES:
        assert firm.holder(name).login() == 200, name
        assert held.before[name].read("auth/token/lookup-self") == 403, name  # the old tokens stay dead
