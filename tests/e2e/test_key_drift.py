"""Keys that somebody changed, exported, took or left behind our back; tokens that are gone; keys that grow old."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.clock import now
from tests.firm import Firm
from tests.keys import TOKENS, Key, backed_up, delivered, keyed, laid, restored, sign, spki, verified
from tests.openbao import Raw, Server

pytestmark = pytest.mark.long

WIDE = {"autoApprove": True, "removals": {"absolute": 50, "percent": 100}}
SIGNER = ["mtls", "signing"]


def mended(key: Key, admin: Raw) -> None:
    admin.ok("POST", f"{key.path}/config", {"auto_rotate_period": 3600, "deletion_allowed": True})


def exported(key: Key, admin: Raw) -> None:
    admin.ok("POST", f"{key.path}/config", {"exportable": True})
    assert admin.ok("GET", key.path.replace("/keys/", "/export/signing-key/")).data["keys"]["1"]


def retyped(key: Key, admin: Raw) -> None:
    key.destroy(admin)
    admin.ok("POST", key.path, {"type": "rsa-2048"})


def destroyed(key: Key, admin: Raw) -> None:
    key.destroy(admin)


def deactivated(key: Key, admin: Raw) -> None:
    admin.ok("DELETE", f"{key.path}/soft-delete")


def remade(key: Key, admin: Raw) -> None:
    key.destroy(admin)
    admin.ok("POST", key.path, {"type": "ecdsa-p256"})


def rotated(key: Key, admin: Raw) -> None:
    admin.ok("POST", f"{key.path}/rotate", {})


BURNT = (exported, backed_up, restored)
TAKEN = (destroyed, deactivated, remade, retyped)
WAYS = (mended, *BURNT, *TAKEN, rotated)


def named(way: Any) -> str:
    """The trader whose key it is done to."""
    return str(way.__name__).replace("_", "-")


@dataclass(frozen=True, slots=True)
class Aftermath:
    """A firm to whose traders' keys all of this was done at once, planned and mended."""

    firm: Firm
    before: dict[str, str]  # public keys
    plan: Any
    result: Any
    after: Any

    def of(self, way: Any, part: str = "changes") -> list[dict[str, Any]]:
        return [c for c in self.plan[part] if c["subject"] == f"trader/{named(way)}"]


@pytest.fixture(scope="module")
def aftermath(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    firm = keyed(shared_openbao, tmp_path_factory.mktemp("keys"), policy=WIDE)
    for way in WAYS:
        firm.trader(named(way), credentials=SIGNER)
    firm.apply()
    admin = firm.admin
    before = {named(way): Key(firm, named(way)).public["1"] for way in WAYS}
    for way in WAYS:
        way(Key(firm, named(way)), admin)
    admin.ok("POST", f"{firm.estate.hsm_mount('trade')}/keys/somebodys", {"type": "aes256-gcm96"})
    plan = firm.plan()
    result = firm.apply(code=None)
    yield Aftermath(firm, before, plan, result, firm.plan())
    admin.close()


def test_what_can_be_mended_of_a_key_is_and_it_stays_the_same_key(aftermath: Aftermath) -> None:
    (change,) = aftermath.of(mended)
    assert (change["action"], change["phase"]) == ("update", "grant")
    assert {n: v for n, v in change["before"].items() if n != "spki"} == {
        "auto_rotate_period": 3600,
        "deletion_allowed": True,
    }
    assert Key(aftermath.firm, "mended").public["1"] == aftermath.before["mended"]


@pytest.mark.parametrize("way", BURNT, ids=named)
def test_a_key_that_may_be_somewhere_else_is_replaced_and_its_certificate_revoked_first(
    aftermath: Aftermath, way: Any
) -> None:
    changes = [(c["address"].split("/")[0], c["action"]) for c in aftermath.of(way)]
    assert changes == [
        ("ca.certificate", "revoke"),
        ("vault.token", "revoke"),
        ("hsm.key", "delete"),
        ("hsm.key", "create"),
        ("ca.certificate", "create"),
    ]
    assert "may be somewhere else as well" in aftermath.of(way)[0]["reason"]
    found = [f for f in aftermath.plan["findings"] if f["code"] == "H03"]
    assert f"trader/{named(way)}" in {f["subject"] for f in found}
    name, firm = named(way), aftermath.firm
    key = Key(firm, name)
    assert key.read().data["exportable"] is key.read().data["allow_plaintext_backup"] is False
    assert key.public["1"] != aftermath.before[name]
    assert delivered(firm, name).spki == spki(key.public["1"])
    serials = aftermath.of(way)[0]["before"]["serials"]
    assert firm.admin.read(f"{firm.estate.mounts.pki}/cert/{serials[0]}").data["revocation_time"] > 0


@pytest.mark.parametrize("way", TAKEN, ids=named)
def test_a_key_that_somebody_took_puts_its_holder_on_hold(aftermath: Aftermath, way: Any) -> None:
    changes = aftermath.of(way)
    assert changes[0]["action"] == "hold"
    assert "by somebody else" in changes[0]["reason"]
    assert not [c for c in changes if c["phase"] == "grant"]
    held = {h["subject"] for h in aftermath.after["holds"]}
    assert f"trader/{named(way)}" in held
    assert not [c for c in aftermath.after["changes"] if c["subject"] == f"trader/{named(way)}"]


def test_a_version_that_somebody_made_is_certified_as_routine(aftermath: Aftermath) -> None:
    assert aftermath.of(rotated) == []
    (change,) = aftermath.of(rotated, "routine")
    assert (change["action"], change["reason"]) == ("rotate", "its key has a newer version")
    assert delivered(aftermath.firm, "rotated").spki == spki(Key(aftermath.firm, "rotated").public["2"])


def test_a_key_that_no_manifest_explains_is_drift_and_is_destroyed(aftermath: Aftermath) -> None:
    (change,) = [c for c in aftermath.plan["changes"] if c["subject"] == "unknown/somebodys"]
    assert (change["address"], change["action"]) == ("hsm.key/unknown/somebodys/-/trade", "delete")
    assert next(g["message"] for g in aftermath.plan["guards"] if g["code"] == "G01").startswith(
        "1 of 10 subjects"
    )
    assert aftermath.firm.admin.read(f"{aftermath.firm.estate.hsm_mount('trade')}/keys/somebodys").status == 404


def test_whoever_is_released_gets_a_key_again(aftermath: Aftermath) -> None:
    firm = aftermath.firm
    for name in ("destroyed", "deactivated"):
        firm.idac("release", f"trader/{name}", "--reason", "it was us", "--auto-approve", code=0)
    firm.apply(code=None)
    assert sign(firm, "destroyed")[0] == sign(firm, "deactivated")[0] == 200
    assert Key(firm, "deactivated").public["1"] == aftermath.before["deactivated"]


@pytest.fixture
def firm(openbao: Server, tmp_path: Path) -> Firm:
    return keyed(openbao, tmp_path, policy=WIDE)


def test_a_key_that_grows_old_is_renewed_and_its_old_version_destroyed_after_the_overlap(
    firm: Firm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    firm.configure(hsmTokens=TOKENS, policy=WIDE, overlap="1s")
    firm.trader("anna", credentials=SIGNER)
    firm.apply()
    key = Key(firm, "anna")
    with monkeypatch.context() as later:
        later.setattr("reconciler.cli.changes.now", lambda: now() + timedelta(days=31))
        result = firm.apply()
    rotated = [o for o in result["outcomes"] if o["action"] == "rotate"]
    assert [o["address"] for o in rotated][:1] == [key.address]
    assert all(o["routine"] for o in result["outcomes"])
    assert [*key.public] == ["1", "2"]
    status, signature = sign(firm, "anna")
    assert (status, verified(firm, "anna", signature, tmp_path)) == (200, True)
    assert sign(firm, "anna", version=1)[0] == 200  # through the overlap
    time.sleep(1.1)  # until it is over
    firm.apply()
    assert [*key.public] == ["2"]
    assert sign(firm, "anna", version=1)[0] != 200
    assert sign(firm, "anna")[0] == 200
    plan = firm.plan()
    assert (plan["changes"], plan["routine"]) == ([], [])


def moved(firm: Firm, source: str, target: str) -> None:
    """An engine is mounted elsewhere, with all its keys; the server takes its time."""
    firm.admin.ok("POST", "sys/remount", {"from": source, "to": target})
    for _ in range(200):
        if firm.admin.list(f"{target}/keys").status == 200:
            return
        time.sleep(0.02)
    raise AssertionError(f"{target} does not come")


def test_a_token_that_is_gone_is_pending_and_all_else_is_contained(firm: Firm) -> None:
    for name in ("anna", "carl"):
        firm.trader(name, credentials=SIGNER)
    firm.trader("bob")
    firm.apply()
    holders = [firm.holder(name) for name in ("anna", "carl")]
    mount, away = firm.estate.hsm_mount("trade"), f"{firm.name}-away"
    moved(firm, mount, away)
    firm.leave("anna")
    plan = firm.plan()
    assert [*plan["pending"]] == ["hsm.trade"]
    assert not [c for c in plan["changes"] if c["action"] == "hold"]
    told = [firm.apply(code=5)]
    told.append(firm.idac("--format", "json", "contain", "trader/carl", "--reason", "INC-1", code=5).json)
    for holder, name, result in zip(holders, ("anna", "carl"), told, strict=True):
        proofs = {p["system"]: p["status"] for p in result["proofs"] if p["subject"] == f"trader/{name}"}
        assert (proofs["vault.entity"], proofs["hsm.trade"]) == ("proved", "failed")
        assert holder.login() >= 400
        entity = f"identity/entity/name/{firm.estate.prefix}trader.{name}"
        assert firm.admin.ok("GET", entity).data["metadata"]["idac_state"] == "containing"
    assert firm.holder("bob").login() == 200
    moved(firm, away, mount)
    firm.apply(code=0)
    assert Key(firm, "anna").read().status == 404
    assert Key(firm, "carl").read().data["soft_deleted"] is True
    assert firm.plan()["changes"] == []


def test_a_token_that_idac_yaml_names_no_more_or_that_was_set_up_otherwise_freezes_grants(firm: Firm) -> None:
    mount = firm.estate.hsm_mount("trade")
    firm.admin.ok("POST", f"{mount}/config/keys", {"disable_upsert": False})
    said = [f["message"] for f in firm.plan()["findings"] if f["code"] == "F02"]
    assert said and said[0].startswith(f"{mount}/config/keys is not as bootstrap laid it")
    assert f"{mount}/config/keys" in laid(firm)
    assert not [f for f in firm.plan()["findings"] if f["code"] == "F02"]
    own = f"sys/policies/acl/{firm.estate.prefix}own-keys"
    firm.admin.ok("POST", own, {"policy": json.dumps({"path": {f"{mount}/*": {"capabilities": ["update"]}}})})
    (finding,) = [f for f in firm.plan()["findings"] if f["code"] == "F02"]
    assert finding["message"].startswith(f"{own} is not as bootstrap laid it")
    firm.configure(hsmTokens=[{"name": "ops", "backend": "transit"}])
    laid(firm)
    (finding,) = [f for f in firm.plan()["findings"] if f["code"] == "F02"]
    assert f"{mount} holds keys of this estate" in finding["message"]


def test_idac_contain_deactivates_the_key_of_one_subject_at_once(firm: Firm) -> None:
    firm.trader("anna", credentials=SIGNER)
    firm.trader("bob", credentials=SIGNER)
    firm.apply()
    done = firm.idac("contain", "trader/anna", "--reason", "INC-1", code=0).out
    assert "proved       hsm.trade: no key signs" in done
    assert Key(firm, "anna").read().data["soft_deleted"] is True
    assert sign(firm, "bob")[0] == 200


def test_a_credential_moves_to_another_token_with_an_overlap(firm: Firm) -> None:
    both = [*TOKENS, {"name": "ops", "backend": "transit"}]
    firm.configure(hsmTokens=both, policy=WIDE, overlap="1s")
    laid(firm)
    firm.trader("anna", credentials=SIGNER)
    firm.apply()
    old, new = Key(firm, "anna"), Key(firm, "anna", "ops")
    firm.tokens = {"signing": "ops"}
    firm.trader("anna", credentials=SIGNER)
    firm.apply()
    assert (old.read().status, new.read().status) == (200, 200)
    assert delivered(firm, "anna").spki == spki(new.public["1"])
    time.sleep(1.1)  # until the overlap is over
    firm.apply()
    assert (old.read().status, new.read().status) == (404, 200)
    plan = firm.plan()
    assert (plan["changes"], plan["routine"]) == ([], [])
