"""Workload issuers: laid by bootstrap, watched by every plan, and what somebody does to their login methods."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler import x509
from tests.firm import Firm, found
from tests.keys import laid
from tests.openbao import Server, a_desk
from tests.workloads import Workload, WorkloadIssuer, bot, employ

pytestmark = pytest.mark.openbao


@pytest.fixture(scope="module")
def founded(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Firm:
    firm = found(shared_openbao, tmp_path_factory.mktemp("issuers"))
    admin = firm.admin
    a_desk(admin)
    admin.close()
    employ(firm, WorkloadIssuer())
    firm.trader("cro")
    firm.trader("head")
    firm.apply()
    return firm


@pytest.fixture
def house(founded: Firm) -> Firm:
    """The firm, with the bots of no other test."""
    for file in (founded.root / "bots").glob("*.yaml"):
        file.unlink()
    return founded


def named(firm: Firm, *issuers: WorkloadIssuer, **changed: Any) -> None:
    """Write idac.yaml with these issuers, and their key sets; nothing is laid."""
    for issuer in issuers:
        (firm.root / f"keys/{issuer.name}.json").write_text(json.dumps(issuer.jwks))
    policy = {"autoApprove": True, "removals": {"absolute": 50, "percent": 100}}
    firm.configure(policy=policy, workloadIssuers=[issuer.configuration(**changed) for issuer in issuers])


def hired(firm: Firm, issuer: WorkloadIssuer, name: str, **spec: Any) -> Workload:
    binding = {"issuer": issuer.name, "audience": "https://vault.meridian.test"}
    return replace(bot(firm, name, owner="head", **{"binding": binding, **spec}), issuer=issuer)


def findings(firm: Firm, code: str) -> list[str]:
    return [f["message"] for f in firm.plan()["findings"] if f["code"] == code]


def test_an_issuer_that_was_added_waits_for_bootstrap_and_containment_does_not(house: Firm) -> None:
    spire, kube = WorkloadIssuer(), WorkloadIssuer("kube")
    named(house, spire)
    laid(house)
    leaver = hired(house, spire, "leaver")
    house.apply()
    assert leaver.login() == 200
    named(house, spire, kube)
    joiner = hired(house, kube, "joiner")
    (house.root / "bots/leaver.yaml").unlink()
    (missing,) = findings(house, "F04")
    assert missing.startswith("idac.yaml names workload issuer kube, which bootstrap has not laid yet — ")
    assert findings(house, "F02") == []  # nobody has changed a rule
    house.apply(code=None)
    assert (leaver.read(), leaver.login(), joiner.login()) == (403, 400, 403)
    assert f"auth/idac-{house.name}-jwt-kube" in laid(house)
    house.apply()
    assert (joiner.login(), joiner.read()) == (200, 200)
    assert laid(house).startswith("everything stood already")


def test_a_new_key_set_is_a_finding_until_it_is_laid_and_then_the_old_key_is_refused(house: Firm) -> None:
    old, new = WorkloadIssuer(), WorkloadIssuer()
    named(house, old)
    laid(house)
    made = hired(house, old, "rotated")
    house.apply()
    assert made.login() == 200
    named(house, new)
    assert any("jwt_validation_pubkeys" in m for m in findings(house, "F02"))
    laid(house)
    assert (made.login(), made.login(signer=new)) == (400, 200)
    assert findings(house, "F02") == []


def test_an_issuer_that_is_taken_out_loses_its_logins(house: Firm) -> None:
    spire, kube = WorkloadIssuer(), WorkloadIssuer("kube")
    named(house, spire, kube)
    laid(house)
    made = hired(house, kube, "mover")
    house.apply()
    assert (made.login(), made.read()) == (200, 200)
    hired(house, spire, "mover")
    changes = {(c["address"], c["action"]) for c in house.plan()["changes"]}
    assert {("vault.login/bot/mover/kube.1-0", "delete"), ("vault.login/bot/mover/spire.1-0", "create")} <= changes
    named(house, spire)
    house.apply(code=None)  # nothing is granted while the runners' policies still name it
    assert (made.read(), made.login()) == (403, 400)
    laid(house)
    house.apply()
    moved = replace(made, issuer=spire)
    assert (moved.login(), moved.read()) == (200, 200)
    planned = house.plan()
    assert planned["changes"] == []
    assert f"login method auth/idac-{house.name}-jwt-kube" in planned["unmanaged"]


def test_what_somebody_puts_on_a_login_method_is_taken_away_or_told(house: Firm) -> None:
    spire = WorkloadIssuer()
    named(house, spire)
    laid(house)
    made = hired(house, spire, "beside")
    house.apply()
    admin, mount = house.admin, f"auth/{house.estate.mounts.workload('spire')}"
    theirs = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "x", "token_policies": "root-like"}
    for name in ("backdoor", "bot.nobody.spire.1-0", "bot.beside.kube.1-0", "bot.beside.spire.9"):
        admin.ok("POST", f"{mount}/role/{name}", theirs)
    house.apply()
    assert admin.list(f"{mount}/role").keys == ["bot.beside.spire.1-0"]
    assert made.login() == 200
    program = {"role_type": "jwt", "cel_program": {"expression": "pb.Auth{}"}}
    admin.ok("POST", f"{mount}/cel/role/program", program)
    assert any("CEL roles" in m and "program" in m for m in findings(house, "F02"))
    admin.ok("DELETE", f"{mount}/cel/role/program")
    standing = admin.ok("GET", f"{mount}/config").data
    admin.ok("POST", f"{mount}/config", {**standing, "bound_issuer": ""})
    assert any("bound_issuer" in m for m in findings(house, "F02"))
    laid(house)
    assert findings(house, "F02") == []
    admin.close()


def test_logins_that_somebody_took_away_are_told_of_when_they_are_made_again(house: Firm) -> None:
    spire = WorkloadIssuer()
    named(house, spire)
    laid(house)
    made = hired(house, spire, "disarmed")
    house.apply()
    admin = house.admin
    admin.ok("DELETE", f"auth/{house.estate.mounts.workload('spire')}/role/bot.disarmed.spire.1-0")
    admin.close()
    (told,) = findings(house, "H02")
    assert "bot/disarmed has no login although its entity stands" in told
    house.apply()
    assert made.login() == 200


def test_an_issuer_out_of_reach_holds_up_bootstraps_last_step_alone(house: Firm) -> None:
    spire = WorkloadIssuer()
    named(house, spire)
    laid(house)
    gone = hired(house, spire, "meanwhile")
    house.apply()
    entry = {n: v for n, v in WorkloadIssuer("far").configuration().items() if n != "jwksFile"}
    entry["discoveryUrl"] = "https://127.0.0.1:1/far"
    policy = {"autoApprove": True, "removals": {"absolute": 50, "percent": 100}}
    house.configure(policy=policy, workloadIssuers=[spire.configuration(), entry])
    ordinary, house.environ = house.environ, house.server.environ
    done = house.idac("bootstrap", code=1)
    house.environ = ordinary
    assert "error checking oidc discovery URL" in done.err
    assert [m for m in findings(house, "F02") if "jwt-far" not in m] == []
    (house.root / "bots/meanwhile.yaml").unlink()
    house.apply(code=None)
    assert gone.login() == 400


def test_a_bots_alias_that_somebody_moved_to_an_entity_of_theirs_is_taken_back(house: Firm) -> None:
    spire = WorkloadIssuer()
    named(house, spire)
    laid(house)
    made = hired(house, spire, "stolen")
    house.apply()
    admin = house.admin
    boss = admin.ok("POST", f"identity/entity/name/boss-{house.name}", {"policies": "default"}).data["id"]
    accessor = admin.ok("GET", "sys/auth").data[f"{house.estate.mounts.workload('spire')}/"]["accessor"]
    body = {"name": made.uri, "canonical_id": boss, "mount_accessor": accessor}
    admin.ok("POST", "identity/entity-alias", body)
    assert made.login() == 200
    assert made.read() == 403  # it is somebody else now
    house.apply()
    assert made.call("GET", "auth/token/lookup-self").status == 403
    assert (made.login(), made.read()) == (200, 200)
    admin.close()


def test_idac_contain_takes_a_bot_at_once_with_what_it_fetched(house: Firm) -> None:
    spire = WorkloadIssuer()
    named(house, spire)
    laid(house)
    made = hired(house, spire, "halted")
    house.apply()
    assert made.login() == 200
    serial = made.fetch().data["serial_number"]
    (house.root / "broken.yaml").write_text("kind: [")
    done = house.idac("contain", "bot/halted", "--reason", "INC-7")
    assert done.code == 0, done.err
    assert (made.read(), made.login(), made.fetch().status) == (403, 400, 403)
    admin = house.admin
    assert admin.ok("GET", f"{house.estate.mounts.pki}/cert/{serial}").data["revocation_time"] > 0
    admin.close()
    (house.root / "broken.yaml").unlink()
    assert [h["subject"] for h in house.plan()["holds"]] == ["bot/halted"]
    house.idac("release", "bot/halted", "--reason", "INC-7 closed", "--auto-approve", code=0)
    house.apply()
    assert (made.login(), made.read()) == (200, 200)


@pytest.mark.long
@pytest.mark.parametrize("text", [None, "oops", "[" * 60_000], ids=["missing", "garbled", "nested"])
def test_a_key_set_that_is_lost_stops_no_emergency_and_bars_that_issuers_bots_alone(
    house: Firm, text: str | None
) -> None:
    spire = WorkloadIssuer()
    named(house, spire)
    laid(house)
    made = hired(house, spire, "zeta")
    house.apply()
    file = house.root / "keys/spire.json"
    good = file.read_text()
    file.unlink() if text is None else file.write_text(text)
    hired(house, spire, "late")
    name = f"joiner-{len(text or '')}"
    house.trader(name)
    house.apply(code=None)
    told = {f["subject"] for f in house.plan()["findings"] if f["code"] == "X05" and f["severity"] == "error"}
    assert told == {"bot/zeta", "bot/late"} and not findings(house, "F02")
    assert (made.login(), house.holder(name).login()) == (200, 200)
    house.idac("contain", "bot/zeta", "--reason", "INC-8", code=0)
    assert (made.read(), made.login()) == (403, 400)
    house.idac("freeze", "--reason", "INC-8", code=0)
    house.idac("thaw", "--reason", "INC-8", "--auto-approve", code=0)
    file.write_text(good)
    house.idac("release", "bot/zeta", "--reason", "INC-8 closed", "--auto-approve", code=0)
    house.apply()
    assert (made.login(), made.read()) == (200, 200)


def test_idac_show_says_which_release_asks_for_which_login(house: Firm) -> None:
    spire = WorkloadIssuer()
    named(house, spire)
    laid(house)
    made = hired(house, spire, "shown")
    house.apply()
    assert made.login() == 200
    assert made.fetch().status == 200
    shown = house.idac("--format", "json", "show", "bot/shown", code=0).json
    assert {r["address"]: r["state"] for r in shown["resources"]} == dict.fromkeys(
        ("ca.certificate/runtime/bot/shown", "ca.issuer/bot/shown", "vault.entity/bot/shown",
         "vault.login/bot/shown/spire.1-0"),
        "as desired",
    )  # fmt: skip
    asks = {r["address"]: r["because"][0]["what"] for r in shown["resources"]}
    assert asks["vault.login/bot/shown/spire.1-0"] == "release 1.0"
    assert asks["ca.issuer/bot/shown"] == "credential runtime, profile bot-mtls"


@contextmanager
def serving(document: dict[str, Any], home: Path) -> Iterator[tuple[str, str]]:
    """A key set behind TLS on loopback: its URL, and the authority that vouches for the server."""

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    tls = x509.loopback_tls()
    (home / "tls.pem").write_text(tls.certificate)
    (home / "tls.key").write_text(tls.key.reveal())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "tls.pem", home / "tls.key")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}/keys", tls.authority
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_keys_may_come_from_a_url_and_a_new_one_needs_nobody(house: Firm, tmp_path: Path) -> None:
    first, second = WorkloadIssuer(), WorkloadIssuer()
    first.kid, second.kid = "first", "second"
    document = first.jwks
    with serving(document, tmp_path) as (url, authority):
        (house.root / "keys/ca.pem").write_text(authority)
        named(house, first, jwksFile=None, jwksUrl=url, caCert="keys/ca.pem")
        file = house.root / "idac.yaml"
        body = yaml.safe_load(file.read_text())
        del body["spec"]["workloadIssuers"][0]["jwksFile"]
        file.write_text(yaml.safe_dump(body))
        laid(house)
        made = hired(house, first, "fetched-keys")
        house.apply()
        assert made.login() == 200
        document["keys"] = second.jwks["keys"]
        assert made.login(signer=second) == 200
    house.idac("plan", "--detailed-exitcode", code=0)  # the server need not reach the issuer for that
