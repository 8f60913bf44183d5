"""How the runners log in: every method, everything that is wrong with one, and what the environment may say."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from reconciler import x509
from reconciler.clock import rfc3339
from reconciler.errors import Denied, IdacError, InvalidInput, Overloaded, Rejected, TargetError, Unreachable
from reconciler.model.estate import Estate
from reconciler.model.secret import Secret
from reconciler.providers.protocol import Identity
from reconciler.providers.registry import open_connection
from reconciler.providers.vault.login import Logins
from reconciler.providers.vault.runners import POLICIES, PROBE
from tests.firm import Firm
from tests.integration.vault_world import accessors, configured, noted, runner, write_entry
from tests.openbao import Raw, Server, fresh_estate, make_estate
from tests.weather import Fault, Weather, weather

IDENTITIES: tuple[Identity, ...] = ("plan", "contain", "grant", "govern")
KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def estate(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Estate:
    return fresh_estate(shared_openbao, tmp_path_factory.mktemp("login") / "estate")


@pytest.fixture
def sky(openbao: Server) -> Iterator[Weather]:
    with weather(openbao) as relay:
        yield relay


@pytest.fixture(scope="module")
def jwt_mount(shared_openbao: Server, estate: Estate) -> str:
    """A JWT login method that trusts one key, with a role for each identity and one that gives batch tokens."""
    raw, mount = shared_openbao.raw(), f"jwt-{estate.name}"
    pem = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    raw.ok("POST", f"sys/auth/{mount}", {"type": "jwt"})
    raw.ok("POST", f"auth/{mount}/config", {"jwt_validation_pubkeys": [pem.decode()]})
    for name, suffixes in (*POLICIES.items(), ("batch", POLICIES["contain"])):
        role = {
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": ["idac"],
            "token_policies": [f"{estate.prefix}{suffix}" for suffix in suffixes],
            "token_no_default_policy": True,
            "token_type": "batch" if name == "batch" else "service",
            "token_ttl": 300,
        }
        raw.ok("POST", f"auth/{mount}/role/{name}", role)
    raw.close()
    return mount


def jwt(**claims: Any) -> str:
    """A signed JWT (RFC 7519, ES256)."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    body = {"sub": "ci", "aud": "idac", "iat": int(time.time()) - 10, "exp": int(time.time()) + 300, **claims}
    head = ".".join(part(json.dumps(one).encode()) for one in ({"alg": "ES256", "typ": "JWT"}, body))
    r, s = utils.decode_dss_signature(KEY.sign(head.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{head}.{part(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def alive(logins: Logins, identity: Identity) -> Mapping[str, Any]:
    return logins.client(identity).read("auth/token/lookup-self").data


# -- every method --------------------------------------------------------------------------------------


@pytest.mark.parametrize("identity", IDENTITIES)
def test_what_bootstrap_noted_logs_in(estate: Estate, openbao: Server, identity: Identity) -> None:
    with runner(estate, openbao) as logins:
        assert set(alive(logins, identity)["policies"]) == {f"{estate.prefix}{s}" for s in POLICIES[identity]}
        assert logins.client(identity) is logins.client(identity)


@pytest.mark.parametrize("identity", IDENTITIES)
def test_an_app_role_from_environment_and_file_logs_in(
    estate: Estate, openbao: Server, identity: Identity
) -> None:
    found = noted(estate, identity)
    secret = Path(estate.root) / f"{identity}.secret"
    secret.write_text(found["secret_id"] + "\n")
    secret.chmod(0o600)
    how = {"method": "approle", "roleId": {"env": "ROLE_ID"}, "secretId": {"file": secret.name}}
    with runner(configured(estate, **{identity: how}), openbao, ROLE_ID=f" {found['role_id']}\n") as logins:
        assert alive(logins, identity)["path"] == f"auth/{estate.mounts.run}/login"


@pytest.mark.parametrize("identity", IDENTITIES)
def test_a_jwt_logs_in(estate: Estate, openbao: Server, jwt_mount: str, identity: Identity) -> None:
    how = {"method": "jwt", "mount": jwt_mount, "role": identity, "token": {"env": "CI_JWT"}}
    with runner(configured(estate, **{identity: how}), openbao, CI_JWT=jwt()) as logins:
        assert alive(logins, identity)["path"] == f"auth/{jwt_mount}/login"


@pytest.mark.parametrize("identity", IDENTITIES)
def test_a_token_by_reference_is_used_and_not_given_back(
    estate: Estate, openbao: Server, admin: Raw, identity: Identity
) -> None:
    policies = [f"{estate.prefix}{suffix}" for suffix in POLICIES[identity]]
    token = admin.ok("POST", "auth/token/create", {"policies": policies, "ttl": "5m"}).body["auth"]["client_token"]
    how = {"method": "token", "token": {"env": "STATIC"}}
    with runner(configured(estate, **{identity: how}), openbao, STATIC=token) as logins:
        assert alive(logins, identity)["path"] == "auth/token/create"
    assert admin.with_token(token).read("auth/token/lookup-self").status == 200


def test_writing_logins_are_given_back_at_the_end(estate: Estate, openbao: Server, admin: Raw) -> None:
    before = accessors(admin)
    with runner(estate, openbao) as logins:
        for identity in IDENTITIES[1:]:
            logins.client(identity)
        assert len(accessors(admin) - before) == 3
    assert accessors(admin) - before == set()


def test_a_token_that_cannot_be_given_back_hides_no_other_error(estate: Estate, sky: Weather) -> None:
    sky.fault("revoke-self", status=500)
    with runner(estate, sky) as logins:
        logins.client("contain")
    assert sum("revoke-self" in line for line in sky.lines) == 1


# -- everything that is wrong with one -----------------------------------------------------------------


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("a wrong secret id", {"method": "approle", "roleId": {"env": "ROLE"}, "secretId": {"env": "BAD"}}, "invalid"),
    ("a wrong role id", {"method": "approle", "roleId": {"env": "BAD"}, "secretId": {"env": "SECRET"}}, "invalid"),
    ("no such mount", {"method": "jwt", "mount": "no", "role": "x", "token": {"env": "JWT"}}, "permission denied"),
    ("no such JWT role", {"method": "jwt", "role": "nobody", "token": {"env": "JWT"}}, "nobody"),
    ("an expired JWT", {"method": "jwt", "role": "contain", "token": {"env": "EXPIRED"}}, "expired"),
    ("a JWT for others", {"method": "jwt", "role": "contain", "token": {"env": "OTHERS"}}, "aud"),
    ("no JWT at all", {"method": "jwt", "role": "contain", "token": {"env": "BAD"}}, "refused"),
    ("a dead token", {"method": "token", "token": {"env": "BAD"}}, "expired or was revoked"),
    ("a batch token", {"method": "jwt", "role": "batch", "token": {"env": "JWT"}}, "batch"),
]  # fmt: skip


@pytest.mark.parametrize(("how", "words"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_a_login_that_is_wrong_is_denied_by_name_and_without_its_secret(
    estate: Estate, openbao: Server, jwt_mount: str, how: dict[str, Any], words: str
) -> None:
    found = noted(estate, "contain")
    secrets = {
        "ROLE": found["role_id"],
        "SECRET": found["secret_id"],
        "BAD": "c0ffee00-0000-4000-8000-00000c0ffee0",
        "JWT": jwt(),
        "EXPIRED": jwt(exp=int(time.time()) - 3600),
        "OTHERS": jwt(aud="others"),
    }
    how = {"mount": jwt_mount, **how} if how["method"] == "jwt" else how
    with runner(configured(estate, contain=how), openbao, **secrets) as logins:
        with pytest.raises(Denied, match=words) as caught:
            logins.client("contain")
        assert logins.writer_accessors == ()
    assert "contain login" in str(caught.value)
    assert not [name for name, secret in secrets.items() if secret in str(caught.value)]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ({"env": "NOT_SET"}, "NOT_SET .* is not set"),
        ({"env": "BLANK"}, "BLANK .* is not set"),
        ({"file": "absent"}, "absent .* cannot be read"),
        ({"file": "."}, r"cannot be read"),
        ({"file": "empty"}, "empty .* is empty"),
        ({"file": "binary"}, "binary .* cannot be read"),
        ({"file": "long"}, "too long"),
        ({"file": "two-lines"}, "characters that none has"),
        ({"file": "open"}, "can be read by everybody"),
        ({}, "token of target.logins.contain is missing"),
    ],
)
def test_a_reference_that_leads_to_no_secret_is_refused(
    openbao: Server, tmp_path: Path, reference: dict[str, str], words: str
) -> None:
    for name, content in {
        "empty": b" \n",
        "binary": b"\xff\xfe",
        "long": b"x" * 70_000,
        "two-lines": b"a\nb",
        "open": b"hush",
    }.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o604 if name == "open" else 0o600)
    made = make_estate(tmp_path, "refs")
    how = {"method": "token", "token": reference}
    with runner(configured(made, contain=how), openbao, BLANK=" ") as logins:
        with pytest.raises(InvalidInput, match=words) as caught:
            logins.client("contain")
        assert not logins.counts
    assert "hush" not in str(caught.value)


def test_a_token_file_may_be_read_by_its_group_and_a_jwt_file_by_all(
    estate: Estate, openbao: Server, jwt_mount: str, admin: Raw
) -> None:
    """As the agents and the platforms write them."""
    static = admin.ok("POST", "auth/token/create", {"policies": [f"{estate.prefix}grant"], "ttl": "5m"})
    for name, content, mode in (("ci", jwt(), 0o644), ("sink", static.body["auth"]["client_token"], 0o640)):
        (Path(estate.root) / name).write_text(content)
        (Path(estate.root) / name).chmod(mode)
    how: dict[str, Any] = {
        "contain": {"method": "jwt", "mount": jwt_mount, "role": "contain", "token": {"file": "ci"}},
        "grant": {"method": "token", "token": {"file": "sink"}},
    }
    with runner(configured(estate, **how), openbao) as logins:
        assert logins.client("contain").who == "contain"
        assert logins.client("grant").who == "grant"


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (None, 0o600, "nothing says how to log in as contain"),
        ('{"mount": "m", "role_id": "r", "secret_id": "s"}', 0o640, "can be read by others"),
        ('{"mount": "m", "role_id": "r"}', 0o600, "not a login that bootstrap wrote"),
        ('{"mount": "m", "role_id": "r", "secret_id": 5}', 0o600, "not a login that bootstrap wrote"),
        ("[]", 0o600, "not a JSON object"),
        ("{", 0o600, "cannot be read"),
        ("[" * 100_000, 0o600, "cannot be read"),
    ],
)
def test_a_noted_login_that_is_open_or_damaged_is_refused(
    openbao: Server, tmp_path: Path, content: str | None, mode: int, words: str
) -> None:
    file = tmp_path / ".idac/logins/contain.json"
    file.parent.mkdir(parents=True)
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    with runner(make_estate(tmp_path, "noted"), openbao) as logins, pytest.raises(InvalidInput, match=words):
        logins.client("contain")


@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_server_that_repeats_what_it_was_sent_is_not_repeated(estate: Estate, sky: Weather, status: int) -> None:
    found = noted(estate, "contain")
    body = json.dumps({"errors": [f"bad: {found['secret_id']} for {found['role_id']}\x1b[2J"]})
    sky.fault("POST .*/login", status=status, body=body)
    with runner(estate, sky) as logins, pytest.raises(TargetError, match="bad: … for …") as caught:
        logins.client("contain")
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        "{}",
        '{"auth": null}',
        '{"auth": []}',
        '{"auth": {"client_token": ""}}',
        '{"auth": {"client_token": {"a": 1}, "accessor": "x"}}',
        '{"auth": {"client_token": "t", "accessor": 5}}',
        '{"auth": {"client_token": "", "mfa_requirement": {"mfa_request_id": "x"}}}',
    ],
)
def test_a_login_that_is_answered_without_a_token_is_none(estate: Estate, sky: Weather, answer: str) -> None:
    sky.fault("POST .*/login", status=200, body=answer)
    with runner(estate, sky) as logins, pytest.raises(Denied, match="without a token"):
        logins.client("contain")


# -- certificates --------------------------------------------------------------------------------------


def probe_certificate(admin: Raw, estate: Estate, csr: str, **more: Any) -> str:
    made = admin.ok(
        "POST", f"{estate.mounts.pki}/sign/{PROBE}", {"csr": csr, "common_name": PROBE, "ttl": "30s", **more}
    ).data
    return x509.join_pem(made["certificate"], *made["ca_chain"])


def test_the_right_certificate_logs_in_and_a_wrong_role_does_not(
    estate: Estate, openbao: Server, admin: Raw
) -> None:
    key, csr = x509.new_key_and_csr(PROBE)
    chain = probe_certificate(admin, estate, csr)
    with runner(estate, openbao) as logins:
        assert logins.certificate_login(chain, key, PROBE).status == 200
        assert logins.certificate_login(chain, key, "trader.nobody.mtls").status >= 400


def test_a_certificate_of_another_authority_does_not_log_in(estate: Estate, openbao: Server) -> None:
    tls = x509.loopback_tls()
    with runner(estate, openbao) as logins:
        assert logins.certificate_login(tls.certificate, tls.key, PROBE).status >= 400


def test_an_expired_certificate_does_not_log_in(estate: Estate, openbao: Server, admin: Raw) -> None:
    key, csr = x509.new_key_and_csr(PROBE)
    chain = probe_certificate(admin, estate, csr, ttl="1s")
    while rfc3339(datetime.now(UTC)) <= x509.read_certificate(chain).not_after:
        time.sleep(0.1)
    with runner(estate, openbao) as logins, pytest.raises(Overloaded, match="has expired"):  # the server says 500
        logins.certificate_login(chain, key, PROBE)


def test_a_certificate_with_another_key_is_refused_here(estate: Estate, openbao: Server, admin: Raw) -> None:
    _, csr = x509.new_key_and_csr(PROBE)
    other, _ = x509.new_key_and_csr(PROBE)
    chain = probe_certificate(admin, estate, csr)
    with runner(estate, openbao) as logins, pytest.raises(Rejected, match="do not fit together"):
        logins.certificate_login(chain, other, PROBE)


# -- tokens that end half-way --------------------------------------------------------------------------


def ending(sky: Weather, admin: Raw, pattern: str, *, skip: int = 0, whose: str = "idac-f") -> Fault:
    """From this request on, every token of the estate's runners is dead."""

    def end() -> None:
        for accessor in accessors(admin):
            shown = admin.call("POST", "auth/token/lookup-accessor", {"accessor": accessor}).data
            if shown.get("path", "").startswith(f"auth/{whose}"):
                admin.call("POST", "auth/token/revoke-accessor", {"accessor": accessor})

    return sky.fault(pattern, skip=skip, times=1, then=end)


def test_a_planner_s_token_that_ends_while_it_looks_is_named(firm: Firm, sky: Weather, admin: Raw) -> None:
    firm.environ = {"VAULT_ADDR": sky.address}
    ending(sky, admin, "LIST .*identity/entity/id")
    done = firm.idac("plan")
    assert done.code in (1, 5)
    assert "expired or was revoked" in done.out + done.err


def test_tokens_that_end_while_a_plan_is_applied_stop_the_run_and_the_next_one_mends_it(
    firm: Firm, sky: Weather, admin: Raw
) -> None:
    for name in ("anna", "bob"):
        firm.trader(name)
    firm.environ = {"VAULT_ADDR": sky.address}
    ending(sky, admin, r"(POST|PUT) .*pki/sign/trader-mtls")
    done = firm.idac("apply", "--auto-approve")
    assert done.code in (1, 5), done.out
    assert "revoked" in done.out + done.err
    firm.environ = {"VAULT_ADDR": firm.server.address, "VAULT_CACERT": str(firm.server.ca_cert)}
    write_entry(admin, firm.estate, {"state": "free"})  # the broken run could not give its lock back
    firm.apply()
    assert firm.plan()["changes"] == []
    assert [firm.holder(name).login() for name in ("anna", "bob")] == [200, 200]


# -- the address and the environment -------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:8200",
        "ftp://127.0.0.1",
        "unix:///run/openbao.sock",
        "https://",
        "https://:8200",
        "https:///v1",
        "https://127.0.0.1:8200/v1",
        "https://127.0.0.1:8200?x=1",
        "https://127.0.0.1:8200#x",
        "https://127.0.0.1:0",
        "https://127.0.0.1:99999",
        "https://127.0.0.1:eight",
        "https://[::1",
        "https://::1:8200",
        "https://a b",
        "https://a\r\nX-Evil: 1",
        "https://host\x1b[2J",
        "https://wörld.example",
        f"https://{'a' * 64}.example",
        "https://a..b",
        "javascript:alert(1)",
        " https://127.0.0.1:8200",
    ],
)
def test_an_address_that_is_none_is_refused_before_anything_is_sent(tmp_path: Path, address: str) -> None:
    with pytest.raises(InvalidInput, match="not of the form https://host:port") as caught:
        Logins(make_estate(tmp_path, "odd"), {"VAULT_ADDR": address})
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("address", ["https://idac:hunter2@127.0.0.1:8200", "https://hunter2@x/y", "hunter2@"])
def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path: Path, address: str) -> None:
    with pytest.raises(InvalidInput, match="carries a user or password") as caught:
        Logins(make_estate(tmp_path, "odd"), {"VAULT_ADDR": address})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://vault.example:8200", "http://10.0.0.1", "http://127.0.0.1.example"])
def test_tokens_leave_this_machine_with_tls_alone(tmp_path: Path, address: str) -> None:
    with pytest.raises(InvalidInput, match="without TLS"):
        Logins(make_estate(tmp_path, "plain"), {"VAULT_ADDR": address})


@pytest.mark.parametrize(
    "address", ["HTTPS://LOCALHOST:8200/", "https://[::1]:8200", "http://[::1]", "https://a_b.c."]
)
def test_an_address_may_be_written_in_any_usual_way(tmp_path: Path, address: str) -> None:
    with Logins(make_estate(tmp_path, "usual"), {"VAULT_ADDR": address}) as logins:
        assert logins.server.address == address


def test_no_address_at_all_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no server is named"):
        open_connection(make_estate(tmp_path, "none"), {"VAULT_ADDR": ""})


def test_the_environment_wins_over_the_configuration(estate: Estate, openbao: Server) -> None:
    target = {"address": "https://127.0.0.1:9", "caCert": "nowhere.pem", "namespace": "nowhere"}
    document = estate.spec.model_dump(by_alias=True)
    document["target"].update(target)
    other = estate.model_copy(update={"spec": type(estate.spec).model_validate(document)})
    with pytest.raises(InvalidInput, match=r"nowhere\.pem cannot be used"):
        Logins(other, {})
    with runner(other, openbao, VAULT_NAMESPACE="") as logins:
        assert (logins.server.address, logins.server.namespace) == (openbao.address, "nowhere")
    with runner(other, openbao, VAULT_NAMESPACE="elsewhere") as logins:
        assert logins.server.namespace == "elsewhere"
        with pytest.raises(TargetError):
            logins.client("plan")  # there is no such name space


def test_a_server_of_another_authority_is_not_spoken_to(estate: Estate, openbao: Server, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_text(x509.loopback_tls().authority)
    with runner(estate, openbao, VAULT_CACERT=str(other)) as logins:
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            logins.client("contain")
        assert not logins.counts


@pytest.mark.parametrize("value", ["1", "true", "TRUE", " t "])
def test_verification_cannot_be_skipped(estate: Estate, openbao: Server, value: str) -> None:
    with pytest.raises(InvalidInput, match="VAULT_SKIP_VERIFY"), runner(estate, openbao, VAULT_SKIP_VERIFY=value):
        pass


@pytest.mark.parametrize("value", ["", "0", "false"])
def test_verification_that_is_not_skipped_needs_no_words(estate: Estate, openbao: Server, value: str) -> None:
    with runner(estate, openbao, VAULT_SKIP_VERIFY=value) as logins:
        assert logins.client("plan").who == "plan"


def test_the_environment_s_token_is_the_planner_s_and_no_writer_s(
    estate: Estate, openbao: Server, admin: Raw
) -> None:
    with runner(estate, openbao, VAULT_TOKEN=f"{openbao.root_token}\n") as logins:
        assert alive(logins, "plan")["policies"] == ["root"]
        assert alive(logins, "contain")["policies"] == [f"{estate.prefix}contain"]
    with runner(estate, openbao, VAULT_TOKEN=" ") as logins:
        assert alive(logins, "plan")["policies"] == [f"{estate.prefix}plan"]


def test_a_token_with_characters_that_none_has_is_refused_and_not_repeated(
    estate: Estate, openbao: Server
) -> None:
    with runner(estate, openbao, VAULT_TOKEN="hush\r\nX-Evil: 1") as logins:
        with pytest.raises(InvalidInput, match="characters that none has") as caught:
            logins.client("plan")
        assert "hush" not in str(caught.value)
        assert not logins.counts


def test_a_login_that_meets_an_overloaded_server_says_so(estate: Estate, sky: Weather) -> None:
    sky.fault("POST .*/login", status=429)
    with runner(estate, sky) as logins, pytest.raises(Overloaded) as caught:
        logins.client("contain")
    assert isinstance(caught.value, IdacError)


def test_a_secret_given_to_a_login_is_in_no_repr(estate: Estate, openbao: Server) -> None:
    with runner(estate, openbao) as logins:
        client = logins.given(Secret("hush-hush"))
        assert "hush" not in repr(client) + repr(vars(client)) + repr(logins)
