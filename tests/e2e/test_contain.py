"""`idac contain`: one subject, at once, whatever else is broken; the hold stays until somebody releases it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import emergency
from reconciler.errors import Unreachable
from reconciler.model.manifest import SubjectRef
from reconciler.providers.protocol import Reader
from reconciler.providers.registry import ServerConnection
from tests.cli import idac
from tests.deadly import killed
from tests.e2e.test_emergencies import Ward
from tests.firm import Firm, found
from tests.keys import TOKENS, Key, keyed, laid
from tests.openbao import Server
from tests.weather import weather

WHY = ("--reason", "INC-4711: the desk called")


def people(firm: Firm, *names: str) -> Ward:
    """People at work, each logged in."""
    ward = Ward(firm)
    for name in names:
        firm.trader(name)
    firm.apply()
    for name in names:
        ward.holders[name] = firm.holder(name)
        assert ward.holders[name].login() == 200
    return ward


def contain(firm: Firm, name: str, code: int = 0) -> Any:
    return firm.idac("--format", "json", "contain", f"trader/{name}", *WHY, code=code).json


def test_everything_is_taken_and_proved_and_recorded_and_the_next_apply_changes_nothing(firm: Firm) -> None:
    ward = people(firm, "anna", "bob")
    done = firm.idac("contain", "trader/anna", *WHY, code=0)
    assert "trader/anna is contained and loses everything: INC-4711: the desk called" in done.out
    for system in ("vault.entity", "vault.login", "vault.token", "ca.crl", "ca.ocsp", "ca.login", "ca.delivery"):
        assert f"proved       {system}:" in done.out, system
    assert "not-covered  orders in the market" in done.out
    assert ward.powerless("anna") and not ward.powerless("bob")
    newest = firm.idac("--format", "json", "records", "list").json["records"][-1]
    assert (newest["purpose"], newest["status"]) == ("contain", "complete")
    (held,) = firm.plan()["holds"]
    assert (held["subject"], held["reason"]) == ("trader/anna", WHY[1])
    assert held["by"].startswith("operator ")
    assert firm.apply()["outcomes"] == []
    assert ward.powerless("anna")
    firm.idac("records", "verify", code=0)


def test_no_wording_of_a_reason_stops_it_and_no_secret_in_one_is_kept(firm: Firm) -> None:
    ward = people(firm, "anna")
    pasted = "INC-1:\u00a0the desk called\nstolen\tlaptop\u200b, with hvs.CAESIAbcdefghijklmnopqrstuvwxyz in it"
    done = firm.idac("contain", "trader/anna", "--reason", pasted, code=0)
    assert ward.powerless("anna")
    firm.idac("freeze", "--reason", pasted, code=0)
    said = "INC-1: the desk called stolen laptop , with (the rest looked like a secret, and was left out)"
    assert [hold["reason"] for hold in firm.plan()["holds"]] == [said]
    assert said in done.out and "hvs." not in done.out + done.err
    for end in (("release", "trader/anna"), ("thaw",)):
        firm.idac(*end, "--reason", "all\nis well", "--auto-approve", code=0)
    assert firm.apply()["status"] == "complete"


def test_told_twice_it_proves_again_and_a_release_needs_what_a_grant_needs(firm: Firm, tmp_path: Path) -> None:
    ward = people(firm, "anna")
    contain(firm, "anna")
    again = contain(firm, "anna")
    assert {p["status"] for p in again["proofs"]} == {"proved", "not-covered"}
    assert ward.powerless("anna")
    firm.configure(policy={"autoApprove": False})
    words = ("release", "trader/anna", "--reason", "INC-4711 closed")
    firm.idac(*words, "--auto-approve", code=3)
    contain(firm, "anna")  # which asks for nobody's approval
    firm.idac(*words, "--out", str(tmp_path / "release.json"), code=0)
    firm.idac("apply", "--plan", str(tmp_path / "release.json"), code=0)
    firm.configure(policy={"autoApprove": True})
    firm.apply()
    assert firm.holder("anna").login() == 200


def test_nothing_but_idac_yaml_is_needed(firm: Firm) -> None:
    ward = people(firm, "boss", "algo-owner", "late")
    firm.change("algo-owner", supervisor="boss")
    firm.apply()
    (firm.root / "traders/late.yaml").write_text("apiVersion: [\n")
    contain(firm, "boss")  # a supervisor, over a broken manifest of somebody else's
    shutil.rmtree(firm.root / "traders")
    shutil.rmtree(firm.root / "roles")
    (firm.root / "csr").rename(firm.home / "elsewhere")
    contain(firm, "algo-owner")
    firm.configure(manifests=["nowhere"], policy={"autoApprove": False, "removals": {"absolute": 0, "percent": 0}})
    contain(firm, "late")
    for name in ward.holders:
        assert ward.powerless(name), name


def test_an_entity_that_was_renamed_and_an_alias_that_was_moved_are_found(firm: Firm) -> None:
    ward = people(firm, "renamed", "moved")
    admin = firm.admin
    entity = admin.ok("GET", ward.entity("renamed")).data
    admin.ok("POST", f"identity/entity/id/{entity['id']}", {"name": f"elsewhere-{firm.name}"})
    stranger = admin.ok("POST", f"identity/entity/name/stranger-{firm.name}", {"policies": "default"}).data["id"]
    (alias,) = admin.ok("GET", ward.entity("moved")).data["aliases"]
    body = {"name": alias["name"], "canonical_id": stranger, "mount_accessor": alias["mount_accessor"]}
    admin.ok("POST", "identity/entity-alias", body)
    late = firm.holder("moved")
    assert late.login() == 200  # as the stranger
    for name in ("renamed", "moved"):
        contain(firm, name)
        assert ward.powerless(name), name
    assert late.renew() == 403
    assert admin.ok("GET", f"identity/entity/id/{stranger}").data["aliases"] == []


def test_a_name_that_nobody_knows_is_held_and_nobody_may_believe_that_anything_was_taken(firm: Firm) -> None:
    ward = people(firm, "jdoe")
    for _ in range(2):  # told twice, the hold of the first time makes the name no better known
        done = firm.idac("contain", "trader/jode", *WHY, code=3)
        last = done.err.splitlines()[-1]
        assert "nothing was taken from anybody" in last and "did you mean `trader/jdoe`?" in last
    said = firm.idac("--format", "json", "contain", "staff/jdoe", *WHY, code=3)
    (finding,) = said.json["findings"]
    assert (finding["code"], finding["severity"], finding["subject"]) == ("H04", "error", "staff/jdoe")
    assert "did you mean `trader/jdoe`?" in finding["message"]
    assert not ward.powerless("jdoe")
    assert [hold["subject"] for hold in firm.plan()["holds"]] == ["staff/jdoe", "trader/jode"]
    assert "see that the name is right" in firm.idac("contain", "bot/zz-top", *WHY, code=3).err


def test_a_name_that_is_yet_to_come_is_held_without_complaint_where_that_is_said(firm: Firm) -> None:
    done = firm.idac("contain", "trader/nobody", "--unknown", *WHY, code=0)
    assert "nothing was taken from anybody, and nobody here knows it" in done.err.splitlines()[-1]
    firm.trader("nobody")
    assert "its manifest is traders/nobody.yaml" in firm.idac("contain", "trader/nobody", *WHY, code=0).err
    firm.apply()
    assert not Ward(firm).delivered("nobody")
    assert [hold["subject"] for hold in firm.plan()["holds"]] == ["trader/nobody"]


def test_who_left_long_ago_is_known_from_the_ledger(firm: Firm) -> None:
    people(firm, "anna")
    firm.leave("anna")
    firm.apply()
    (firm.root / "traders/broken.yaml").write_text("apiVersion: [\n")
    assert (
        "nothing was taken from anybody. It is on hold, and known: record 0"
        in (firm.idac("contain", "trader/anna", *WHY, code=0).err.splitlines()[-1])
    )


@pytest.mark.parametrize(
    "name", ["anna", "trader/", "trader/a/b", "trader/Anna", "role/rfq-trader", "trader/../x"]
)
def test_what_names_no_subject_is_a_slip_of_the_pen(tmp_path: Path, name: str) -> None:
    assert idac(tmp_path, "contain", name, *WHY).code == 64
    assert idac(tmp_path, "contain", "trader/anna", "--reason", " ").code == 64


def test_a_system_that_does_not_answer_keeps_no_other_from_containing(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward = people(firm, "anna")
    honest = ServerConnection.readers

    def with_a_broken_one(self: ServerConnection) -> list[Reader]:
        return [*honest(self), Broken()]

    with monkeypatch.context() as patched:
        patched.setattr(ServerConnection, "readers", with_a_broken_one)
        done = firm.idac("contain", "trader/anna", *WHY, code=5)
    assert "Not seen: hsm: the token is locked" in done.out
    assert ward.powerless("anna")
    assert firm.admin.read(ward.entity("anna")).data["metadata"]["idac_state"] == "containing"
    firm.apply()
    assert firm.admin.read(ward.entity("anna")).data["metadata"]["idac_state"] == "contained"


class Broken:
    """A provider whose system is down."""

    name = "hsm"

    def observe(self) -> Any:
        raise Unreachable("the token is locked")

    def observe_subject(self, subject: SubjectRef) -> Any:
        raise Unreachable("the token is locked")


def test_with_the_hsm_down_all_else_goes_at_once_and_the_key_when_it_answers(
    openbao: Server, tmp_path: Path
) -> None:
    firm = keyed(openbao, tmp_path)
    firm.trader("anna", credentials=["mtls", "signing"])
    firm.apply()
    anna, key = firm.holder("anna"), Key(firm, "anna")
    assert anna.login() == 200
    with weather(openbao) as sky:
        straight = firm.environ
        firm.environ = {"VAULT_ADDR": sky.address, "VAULT_MAX_RETRIES": "0"}
        sky.fault(rf".* /v1/{key.path.split('/', maxsplit=1)[0]}/", status=503)
        done = firm.idac("contain", "trader/anna", *WHY, code=5)
        firm.environ = straight
    assert "Not seen: hsm.trade" in done.out
    assert (anna.read(), anna.login()) == (403, 400)
    assert firm.admin.call("POST", key.signs, {"input": "eA=="}).status == 200
    contain(firm, "anna")
    assert "soft-deleted" in firm.admin.call("POST", key.signs, {"input": "eA=="}).errors
    assert firm.plan()["changes"] == []


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_key_that_the_engine_does_not_describe_is_not_seen_and_all_else_goes(
    openbao: Server, tmp_path: Path
) -> None:
    firm = keyed(openbao, tmp_path)
    firm.trader("anna", credentials=["mtls", "signing"])
    firm.apply()
    anna = firm.holder("anna")
    assert anna.login() == 200
    with weather(openbao) as sky:
        straight = firm.environ
        firm.environ = {"VAULT_ADDR": sky.address, "VAULT_MAX_RETRIES": "0"}
        sky.fault(rf"^GET .*{Key(firm, 'anna').path}", status=200, body='{"data":[]}')
        done = firm.idac("contain", "trader/anna", *WHY, code=5)
        firm.environ = straight
    assert "Not seen: hsm.trade" in done.out
    assert (anna.read(), anna.login()) == (403, 400)


def test_a_key_in_a_token_that_idac_yaml_names_no_more_is_never_kept_quiet(
    openbao: Server, tmp_path: Path
) -> None:
    wide = {"autoApprove": True, "removals": {"absolute": 50, "percent": 100}}
    firm = keyed(openbao, tmp_path, policy=wide)
    for name in ("anna", "bob", "carl"):
        firm.trader(name, credentials=["mtls", "signing"])
    firm.apply()
    firm.configure(policy=wide)
    done = firm.idac("contain", "trader/anna", *WHY, code=5)
    assert "trader.anna.signing still signs: put the token back into `hsmTokens`" in done.out
    assert "no token in `hsmTokens` stands for it: nobody looks after them" in done.out
    firm.leave("bob")
    assert "trader.bob.signing still signs" in firm.idac("apply", "--auto-approve", code=5).out
    laid(firm)  # from now on the planner may not look there any more
    done = firm.idac("contain", "trader/carl", *WHY, code=0)
    assert "not-covered  hsm.trade: no token in `hsmTokens` stands for it, so a key may be left" in done.out
    firm.configure(policy=wide, hsmTokens=TOKENS)
    laid(firm)
    for name in ("anna", "carl"):
        contain(firm, name)
        assert "soft-deleted" in firm.admin.call("POST", Key(firm, name).signs, {"input": "eA=="}).errors


@pytest.mark.long
def test_killed_in_the_middle_it_is_told_again_and_converges(openbao: Server, tmp_path: Path) -> None:
    firm = found(openbao, tmp_path, removals={"absolute": 99, "percent": 100})
    ward = people(firm, *(f"k{at}" for at in range(1, 17, 5)))
    for at, side in zip(range(1, 17, 5), cycle(["before", "after"])):
        killed(firm, at, side, ("contain", f"trader/k{at}", *WHY))
        contain(firm, f"k{at}")
        assert ward.powerless(f"k{at}"), f"killed {side} call {at}"
    assert firm.plan()["changes"] == []
    firm.apply()
    listed = firm.idac("--format", "json", "records", "list", code=0).json["records"]
    assert sum(1 for r in listed if r["status"] == "interrupted") == 4
    firm.idac("records", "verify", code=0)


def test_whoever_holds_the_run_lock_is_not_waited_for(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emergency, "MEANWHILE", 0.0)
    ward = people(firm, "anna", "bob")
    with ServerConnection(firm.estate, firm.environ) as other:
        lock = other.lock("somebody-elses-run")
        lock.acquire()
        done = firm.idac("contain", "trader/anna", *WHY, code=0)
        assert "done without the estate's lock" in done.err and "somebody-elses-run" in done.err
        lock.alive()  # it was not taken from them
        lock.release()
    assert ward.powerless("anna")
    firm.admin.ok("POST", f"{firm.estate.mounts.kv}/data/lock", {"data": {"state": "nonsense"}})
    assert "damaged" in firm.idac("contain", "trader/bob", *WHY, code=0).err
    assert ward.powerless("bob")
    firm.idac("records", "verify", code=0)


def test_what_another_run_is_just_giving_goes_too(openbao: Server, firm: Firm) -> None:
    """The joiner's entity is being made when the desk calls: the run's next steps see the hold, and what it gave
    until then is found by a second look."""
    firm.trader("anna")
    command = [sys.executable, "-m", "reconciler.cli.main", "--config", str(firm.root / "idac.yaml")]
    environ = {n: v for n, v in os.environ.items() if not n.startswith(("VAULT_", "BAO_"))} | firm.environ
    called: list[subprocess.Popen[bytes]] = []

    def call() -> None:
        words = [*command, "contain", "trader/anna", *WHY]
        called.append(subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        while firm.admin.read(f"{firm.estate.mounts.kv}/metadata/holds/trader.anna").status != 200:
            time.sleep(0.05)

    with weather(openbao) as sky:
        straight, firm.environ = firm.environ, {"VAULT_ADDR": sky.address}
        sky.fault(r"POST /v1/identity/entity/name/.*trader.anna", times=1, then=call)
        result = firm.apply(code=None)
        firm.environ = straight
    out, _ = called[0].communicate(timeout=60)
    assert called[0].returncode == 0, out.decode()
    assert b"another run gave it something meanwhile: that goes too" in out
    said = {o["address"]: o["error"] for o in result["outcomes"]}
    assert "was put on hold meanwhile" in said["ca.certificate/trader/anna/mtls"]
    assert Ward(firm).powerless("anna")
    assert firm.admin.read(Ward(firm).entity("anna")).data["metadata"]["idac_state"] == "contained"


def test_the_number_of_requests_does_not_grow_with_the_estate(openbao: Server, tmp_path: Path) -> None:
    firm = found(openbao, tmp_path, removals={"absolute": 99, "percent": 100})
    sent: list[list[str]] = []
    people(firm, "t0", "t1")
    contain(firm, "t0")  # from the first revocation on, cert auth has lists to be looked at
    with weather(openbao) as sky:
        straight = firm.environ
        for more in (range(2, 3), range(3, 15)):
            for number in more:
                firm.trader(f"t{number}")
            firm.environ = straight
            firm.apply()
            firm.environ = {"VAULT_ADDR": sky.address}
            before = len(sky.lines)
            firm.idac("contain", f"trader/t{more[-1]}", *WHY, code=5)  # the relay ends TLS: no probe can log in
            # One look-up a live token: whose it is, the server does not list.
            own = [line for line in sky.lines[before:] if not line.endswith("auth/token/lookup-accessor")]
            sent.append(own)
    assert len(sent[0]) == len(sent[1]) <= 131
