"""Bots from outside: tokens signed by an issuer of the test's own, certificates fetched from the real server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler import x509
from tests.firm import Firm
from tests.openbao import Server
from tests.workloads import OTHER, UNTIMELY, Workload, WorkloadIssuer, bot, firm_of_bots, key_file, release

pytestmark = pytest.mark.openbao

NEXT = f"sha256:{'4' * 64}"


@pytest.fixture(scope="module")
def issuer() -> WorkloadIssuer:
    return WorkloadIssuer()


@pytest.fixture(scope="module")
def house(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory, issuer: WorkloadIssuer) -> Firm:
    """A firm with a workload issuer and a risk officer; every test brings bots of its own."""
    return firm_of_bots(shared_openbao, tmp_path_factory.mktemp("bots"), issuer)


def hire(firm: Firm, issuer: WorkloadIssuer, name: str, **spec: Any) -> Workload:
    """A bot as it runs, everything of it applied."""
    made = replace(bot(firm, name, owner="head", **spec), issuer=issuer)
    firm.apply()
    return made


def change(firm: Firm, name: str, **spec: Any) -> None:
    file = firm.root / f"bots/{name}.yaml"
    document = yaml.safe_load(file.read_text())
    document["spec"].update(spec)
    file.write_text(yaml.safe_dump(document, sort_keys=False))


@pytest.fixture(scope="module")
def running(house: Firm, issuer: WorkloadIssuer) -> Workload:
    return hire(house, issuer, "mm-eurusd")


def test_a_bot_with_the_right_claims_logs_in_and_may_what_its_roles_allow(running: Workload) -> None:
    assert running.login() == 200
    assert running.read() == 200
    assert running.read("desk/data/rates/limits") == 403


def test_what_a_bot_fetches_for_itself_nobody_has_to_get(house: Firm, running: Workload) -> None:
    told = house.idac("cert", "get", f"bot/{running.name}/runtime", code=1).err
    assert "it is a runtime credential — the workload fetches its certificates itself (docs/bots.md)" in told
    assert "`idac show" in house.idac("cert", "get", f"bot/{running.name}/other", code=1).err


WRONG: dict[str, dict[str, Any]] = {
    "image": {"workload": {"image_digest": OTHER}},
    "model": {"workload": {"model_digest": OTHER}},
    "environment": {"workload": {"environment": "uat"}},
    "audience": {"aud": ["https://elsewhere.test"]},
    "subject": {"sub": "spiffe://meridian.test/prod/bot/another"},
    "capitals in the subject": {"sub": "spiffe://meridian.test/prod/bot/MM-EURUSD"},
    "issuer": {"iss": "https://elsewhere.test"},
    "no image": {"workload": {"image_digest": None}},
    "no model": {"workload": {"model_digest": None}},
    "no environment": {"workload": {"environment": None}},
    "no workload at all": {"workload": dict.fromkeys(("environment", "image_digest", "model_digest"))},
    "no audience": {"aud": None},
    "no subject": {"sub": None},
    "no issuer": {"iss": None},
    **UNTIMELY,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_token_with_one_claim_wrong_or_missing_is_refused(running: Workload, wrong: str) -> None:
    assert running.login(**WRONG[wrong]) == 400
    assert running.read() == 403


def test_a_token_of_another_key_is_refused(running: Workload) -> None:
    assert running.login(signer=WorkloadIssuer()) == 400


def test_an_unsigned_token_is_refused(running: Workload) -> None:
    class Unsigned(WorkloadIssuer):
        def token(self, claims: Any) -> str:
            return WorkloadIssuer.token(self, claims).rsplit(".", 1)[0] + "."

    assert running.login(signer=Unsigned(key=running.issuer.key)) == 400


def test_a_bot_cannot_log_in_as_another_one(house: Firm, running: Workload, issuer: WorkloadIssuer) -> None:
    hire(house, issuer, "hedger")
    assert running.login(role="bot.hedger.spire.1-0") == 400


def test_a_bot_fetches_a_ten_minute_certificate_for_its_own_key_and_openssl_accepts_it(
    running: Workload, tmp_path: Path
) -> None:
    assert running.login() == 200
    key, csr = key_file(tmp_path, "bot")
    made = running.fetch(csr=csr)
    assert made.status == 200, made.errors
    certificate = x509.read_certificate(made.data["certificate"])
    assert (certificate.common_name, certificate.uri_sans) == (running.principal, (running.uri,))
    ends, begins = (datetime.fromisoformat(t) for t in (certificate.not_after, certificate.not_before))
    assert 600 <= (ends - begins).total_seconds() <= 635
    verified = verify(running.firm, made.data["certificate"], tmp_path)
    assert (verified.returncode, verified.stdout.strip()) == (0, f"{tmp_path}/leaf.pem: OK"), verified.stderr
    public = ["openssl", "pkey", "-in", str(key), "-pubout"]
    inside = ["openssl", "x509", "-in", str(tmp_path / "leaf.pem"), "-noout", "-pubkey"]
    assert subprocess.check_output(public) == subprocess.check_output(inside)


def verify(firm: Firm, pem: str, home: Path) -> subprocess.CompletedProcess[str]:
    """`openssl verify`, with the CA's own CRL."""
    admin, mounts = firm.admin, firm.estate.mounts
    for name, text in (
        ("root", admin.ok("GET", f"{mounts.root}/cert/ca").data["certificate"]),
        ("issuing", admin.ok("GET", f"{mounts.pki}/cert/ca").data["certificate"]),
        ("leaf", pem),
        ("crl", admin.ok("GET", f"{mounts.pki}/cert/crl").data["certificate"]),
    ):
        (home / f"{name}.pem").write_text(x509.join_pem(text))
    admin.close()
    command = ["openssl", "verify", "-CAfile", str(home / "root.pem"), "-untrusted", str(home / "issuing.pem")]
    command += ["-crl_check", "-CRLfile", str(home / "crl.pem"), "-purpose", "sslclient", str(home / "leaf.pem")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


FETCHES: dict[str, tuple[dict[str, Any], int]] = {
    "another name": ({"common_name": "bot.hedger"}, 400),
    "a trader's name": ({"common_name": "trader.cro"}, 403),
    "another URI": ({"uri_sans": "spiffe://meridian.test/prod/bot/hedger"}, 400),
    "two URIs": (
        {"uri_sans": "spiffe://meridian.test/prod/bot/mm-eurusd,spiffe://meridian.test/prod/bot/hedger"},
        400,
    ),
    "no URI": ({"uri_sans": None}, 403),
    "a DNS name": ({"alt_names": "venue.example"}, 403),
    "its name as a DNS name": ({"exclude_cn_from_sans": "false"}, 403),
    "a later end": ({"not_after": "2099-01-01T00:00:00Z"}, 403),
    "another bot's role": ({"role": "{prefix}bot.hedger"}, 403),
    "a profile's role": ({"role": "bot-mtls"}, 403),
    "a key made by the server": ({"verb": "issue"}, 403),
    "whatever its request says": ({"verb": "sign-verbatim"}, 403),
}


@pytest.mark.parametrize("asked", FETCHES)
def test_a_bot_can_have_nothing_certified_but_its_own_name(
    house: Firm, running: Workload, issuer: WorkloadIssuer, asked: str
) -> None:
    body, status = FETCHES[asked]
    assert running.login() == 200
    filled = {n: v and v.format(prefix=house.estate.prefix) for n, v in body.items()}
    assert running.fetch(**filled).status == status


def test_what_a_bot_fetched_is_explained_and_no_drift(house: Firm, running: Workload) -> None:
    assert running.login() == 200
    assert {running.fetch().status for _ in range(3)} == {200}
    house.idac("plan", "--detailed-exitcode", code=0)


def test_a_new_release_joins_the_running_one_and_the_old_one_goes_without_touching_it(
    house: Firm, issuer: WorkloadIssuer
) -> None:
    old = hire(house, issuer, "quoter")
    assert (old.login(), old.read()) == (200, 200)
    change(house, "quoter", releases=[release(), release("1.1", NEXT, approval=None)])
    unapproved = house.plan()
    assert unapproved["changes"] == []
    assert "release 1.1 cannot log in: nobody has approved it" in [f["message"] for f in unapproved["findings"]]
    change(house, "quoter", releases=[release(), release("1.1", NEXT)])
    house.apply()
    new = replace(old, label="1-1", image=NEXT)
    assert (old.read(), new.login(), new.read()) == (200, 200, 200)
    assert new.login(role="bot.quoter.spire.1-0") == 400  # each release by its own login alone
    assert old.login() == new.login() == 200
    change(house, "quoter", releases=[release(retired=True), release("1.1", NEXT)])
    done = house.apply()
    assert [o["address"] for o in done["outcomes"] if o["status"] != "applied"] == []
    assert (old.read(), old.login()) == (403, 400)
    assert (new.read(), new.login(), new.fetch().status) == (200, 200, 200)
    house.idac("plan", "--detailed-exitcode", code=0)


def test_a_release_without_its_approval_any_more_is_not_bound(house: Firm, issuer: WorkloadIssuer) -> None:
    made = hire(house, issuer, "taker", releases=[release(), release("2.0", NEXT)])
    second = replace(made, label="2-0", image=NEXT)
    assert second.login() == 200
    change(house, "taker", releases=[release(), release("2.0", NEXT, approval=None)])
    house.apply()
    assert (second.read(), second.login(), made.login()) == (403, 400, 200)


LEAVING = {"deleted": None, "retired": {"status": "retired"}, "suspended": {"status": "suspended"}}


@pytest.mark.parametrize("how", LEAVING)
def test_after_containment_login_certificate_and_token_are_dead_within_the_run(
    house: Firm, issuer: WorkloadIssuer, how: str, tmp_path: Path
) -> None:
    made = hire(house, issuer, f"gone-{how}")
    other = hire(house, issuer, f"stays-{how}")
    assert (made.login(), other.login()) == (200, 200)
    certificates = [made.fetch().data["certificate"] for _ in range(2)]
    kept = other.fetch().data["certificate"]
    spec = LEAVING[how]
    if spec is None:
        (house.root / f"bots/{made.name}.yaml").unlink()
    else:
        change(house, made.name, **spec)
    planned = house.plan()
    certificates.append(made.fetch().data["certificate"])  # after the plan was made: it must not save anybody
    assert house.plan()["digest"] == planned["digest"]
    done = house.apply()
    proofs = {p["system"]: p["status"] for p in done["proofs"] if p["subject"] == f"bot/{made.name}"}
    assert {s for s, status in proofs.items() if status == "proved"} >= {
        "vault.entity", "vault.login", "vault.token", "ca.issuer", "ca.runtime", "ca.crl", "ca.ocsp", "ca.login",
    }  # fmt: skip
    assert (made.read(), made.fetch().status, made.login()) == (403, 403, 400)
    for pem in certificates:
        assert "certificate revoked" in verify(house, pem, tmp_path).stderr
    assert verify(house, kept, tmp_path).returncode == 0
    assert (other.read(), other.fetch().status, other.login()) == (200, 200, 200)
    assert house.plan()["changes"] == []


def test_a_bot_is_contained_at_once_without_a_manifest(
    house: Firm, issuer: WorkloadIssuer, tmp_path: Path
) -> None:
    made = hire(house, issuer, "runaway")
    assert made.login() == 200
    certificate = made.fetch().data["certificate"]
    for _ in range(2):  # told again it proves again
        done = house.idac("--format", "json", "contain", "bot/runaway", "--reason", "INC-7: it buys", code=0)
        assert {p["status"] for p in done.json["proofs"]} == {"proved", "not-covered"}
        assert (made.read(), made.fetch().status, made.login()) == (403, 403, 400)
    assert "certificate revoked" in verify(house, certificate, tmp_path).stderr
    assert house.plan()["changes"] == []
    house.idac("release", "bot/runaway", "--reason", "INC-7 closed", "--auto-approve", code=0)
    house.apply()
    assert made.login() == 200


def test_its_owner_is_contained_at_once_and_the_bot_goes_on(house: Firm, issuer: WorkloadIssuer) -> None:
    house.trader("keeper")
    kept = replace(bot(house, "kept", owner="keeper"), issuer=issuer)
    house.apply()
    owner = house.holder("keeper")
    assert (owner.login(), kept.login()) == (200, 200)
    house.idac("contain", "trader/keeper", "--reason", "INC-8", code=0)
    assert (owner.read(), owner.login()) == (403, 400)
    assert (kept.read(), kept.login()) == (200, 200)
    house.apply()
    assert kept.login() == 200


def test_a_suspended_bot_comes_back(house: Firm, issuer: WorkloadIssuer) -> None:
    made = hire(house, issuer, "back")
    assert made.login() == 200
    before = made.token
    change(house, "back", status="suspended")
    house.apply()
    change(house, "back", status="active")
    house.apply()
    assert replace(made, token=before).read() == 403
    assert (made.login(), made.read(), made.fetch().status) == (200, 200, 200)


def test_a_certificate_of_a_bot_that_somebody_else_revokes_is_an_emergency(
    house: Firm, issuer: WorkloadIssuer
) -> None:
    made = hire(house, issuer, "seized")
    assert made.login() == 200
    serial = made.fetch().data["serial_number"]
    admin = house.admin
    admin.ok("POST", f"{house.estate.mounts.pki}/revoke", {"serial_number": serial})
    admin.close()
    house.apply(code=None)
    assert (made.read(), made.login()) == (403, 400)
    assert "bot/seized" in [h["subject"] for h in house.plan()["holds"]]
    house.idac("release", "bot/seized", "--reason", "INC-1", "--auto-approve", code=0)
    house.apply()
    assert (made.login(), made.fetch().status) == (200, 200)


def test_an_entity_of_a_bot_that_somebody_else_deletes_is_an_emergency(
    house: Firm, issuer: WorkloadIssuer
) -> None:
    made = hire(house, issuer, "erased")
    admin = house.admin
    admin.ok("DELETE", f"identity/entity/name/{house.estate.prefix}bot.erased")
    assert made.login() == 200  # the server makes a fresh entity, without any policy
    assert made.read() == 403
    house.apply(code=None)
    assert made.login() == 400
    assert made.call("GET", "auth/token/lookup-self").status == 403
    assert "bot/erased" in [h["subject"] for h in house.plan()["holds"]]
    admin.close()
    house.idac("release", "bot/erased", "--reason", "INC-2", "--auto-approve", code=0)
    house.apply()
    assert (made.login(), made.read()) == (200, 200)


STRANGE: dict[str, dict[str, Any]] = {
    "for a day": {"ttl": "24h"},
    "for servers": {"server_flag": True},
    "without the mark": {"ou": []},
}


@pytest.fixture
def signed_by_hand(house: Firm, issuer: WorkloadIssuer) -> Iterator[Workload]:
    yield hire(house, issuer, "forged")


@pytest.mark.parametrize("strange", STRANGE)
def test_a_certificate_in_a_bots_name_that_its_issuer_does_not_explain_is_revoked(
    house: Firm, signed_by_hand: Workload, strange: str
) -> None:
    made, pki, admin = signed_by_hand, house.estate.mounts.pki, house.admin
    role = admin.ok("GET", f"{pki}/roles/{house.estate.prefix}{made.principal}").data
    admin.ok("POST", f"{pki}/roles/by-hand", {**role, "max_ttl": "24h", **STRANGE[strange]})
    _, csr = x509.new_key_and_csr("whatever")
    body = {"csr": csr, "common_name": made.principal, "uri_sans": made.uri, "exclude_cn_from_sans": True}
    serial = admin.ok("POST", f"{pki}/sign/by-hand", body).data["serial_number"]
    admin.ok("DELETE", f"{pki}/roles/by-hand")
    house.apply()
    assert admin.ok("GET", f"{pki}/cert/{serial}").data["revocation_time"] > 0
    assert made.login() == 200
    admin.close()


def test_an_owner_who_has_left_blocks_grants_to_the_bot_and_not_its_containment(
    house: Firm, issuer: WorkloadIssuer
) -> None:
    house.trader("departing")
    made = hire(house, issuer, "orphaned")
    change(house, "orphaned", owner="departing")
    house.apply()
    house.change("departing", employment={"start": "2024-02-01", "status": "left"})
    change(house, "orphaned", releases=[release(), release("1.1", NEXT)])
    house.apply(code=None)
    new = replace(made, label="1-1", image=NEXT)
    assert (made.login(), new.login()) == (200, 400)
    change(house, "orphaned", status="retired")
    house.apply(code=None)
    assert made.login() == 400
    (house.root / "bots/orphaned.yaml").unlink()
    house.leave("departing")
    house.apply()


def test_a_fault_in_a_bots_manifest_disarms_nothing(house: Firm, issuer: WorkloadIssuer) -> None:
    made = hire(house, issuer, "typo")
    assert made.login() == 200
    file = house.root / "bots/typo.yaml"
    good = file.read_text()
    file.write_text(good.replace("strategy:", "strategi:"))
    house.apply(code=None)
    assert (made.read(), made.login(), made.fetch().status) == (200, 200, 200)
    change(house, "typo", binding={"issuer": "nobody", "audience": "x"})
    file.write_text(file.read_text().replace("strategi:", "strategy:"))
    assert "X05" in {f["code"] for f in house.plan()["findings"]}
    house.apply(code=None)
    assert (made.read(), made.login(), made.fetch().status) == (200, 200, 200)
    file.write_text(good)
    assert house.plan()["changes"] == []


def test_a_token_used_twice_logs_in_twice(running: Workload) -> None:
    """The server keeps no replay cache: docs/bots.md says what follows from that."""
    token = running.issuer.token(running.claims())
    path = f"auth/{running.firm.estate.mounts.workload('spire')}/login"
    body = {"role": "bot.mm-eurusd.spire.1-0", "jwt": token}
    assert [running.call("POST", path, body).status for _ in range(2)] == [200, 200]
