"""Stolen logins of contain, grant and govern: what plain API calls with them cannot do.

What they can do, and nothing here prevents, is listed in docs/threat-model.md; the tests that end in
`..._is_open` hold that list to the truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.providers.vault.resources import PINNED_LOGIN, TARGETS
from tests.integration.attack import Field, field, picture, spec
from tests.integration.attacks import (
    ALIAS,
    BOT_ALIAS,
    BOT_ENTITY,
    BOT_LOGIN,
    BOT_ROLE,
    CONTAIN,
    ENFORCEMENT,
    ENTITY,
    EVERYTHING,
    FOR_ALL,
    GOVERN,
    GRANT,
    HELD,
    KEY,
    LOGIN,
    NEW_KEY,
    OWN_ALIAS,
    PERSON,
    PERSON_ALIAS,
    PERSON_LOGIN,
    SIGN,
    WORKLOAD,
    Attack,
)
from tests.openbao import fresh_estate, start_server

pytestmark = pytest.mark.openbao


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """A server of its own, of which pictures are soon taken."""
    root = tmp_path_factory.mktemp("escapes")
    server = start_server(root)
    made = field(server, fresh_estate(server, root, **spec()))
    yield made
    made.close()
    server.stop()


@pytest.mark.parametrize(
    ("identity", "attacks"),
    [("contain", CONTAIN), ("grant", GRANT), ("govern", GOVERN), ("plan", CONTAIN + GRANT)],
)
def test_a_stolen_login_is_refused_what_is_not_its_own(
    attacked: Field, identity: str, attacks: list[Attack]
) -> None:
    thief = attacked.logins[identity]
    before = picture(attacked.admin)
    let_through = []
    for method, path, body in FOR_ALL + attacks:
        patch = "application/merge-patch+json" if method == "PATCH" else "application/json"
        reply = thief.call(method, attacked.path(path), attacked.body(body), content_type=patch)
        if reply.status != 403:
            let_through.append((method, path, body, reply.status, reply.errors))
    assert let_through == []
    assert picture(attacked.admin) == before


def _certificate(made: Field, raw: Any) -> dict[str, Any]:
    reply: dict[str, Any] = raw.ok("POST", made.path("{pki}/sign/mtls"), made.body(SIGN)).data
    return reply


def test_the_grant_login_can_do_its_work(attacked: Field) -> None:
    grant, plan = attacked.logins["grant"], attacked.logins["plan"]
    for policies in ("{prefix}role-desk", "{prefix}role-desk,{prefix}role-viewer", ""):
        body = {"policies": policies, "metadata": {"idac_estate": "{estate}"}, "disabled": "false"}
        grant.ok("POST", attacked.path(ENTITY), attacked.body(body))
        wanted = attacked.path(policies).split(",") if policies else []
        assert plan.ok("GET", attacked.path(ENTITY)).data["policies"] == wanted
    grant.ok("POST", ALIAS, attacked.body(OWN_ALIAS))
    made = _certificate(attacked, grant)
    assert plan.read(attacked.path("{pki}/cert/") + made["serial_number"]).status == 200
    path = attacked.path("{cert}/certs/trader.jdoe.mtls")
    grant.ok("POST", path, attacked.body(LOGIN))
    role = plan.ok("GET", path).data
    assert {name: role[name] for name in PINNED_LOGIN} == {
        name: value or role[name] for name, value in PINNED_LOGIN.items()
    }
    grant.ok("POST", attacked.path(BOT_LOGIN), attacked.body(WORKLOAD))
    shown = plan.ok("GET", attacked.path(BOT_LOGIN)).data
    assert (shown["bound_claims"], shown["bound_subject"]) == (WORKLOAD["bound_claims"], WORKLOAD["bound_subject"])
    grant.ok("POST", attacked.path(PERSON_LOGIN), attacked.body(PERSON))
    grant.ok("POST", ALIAS, attacked.body(PERSON_ALIAS))
    grant.ok("POST", attacked.path(BOT_ENTITY), attacked.body({"policies": "{prefix}role-desk,{prefix}runtime"}))
    bot = plan.ok("GET", attacked.path(BOT_ENTITY)).data["id"]
    grant.ok("POST", ALIAS, {**attacked.body(BOT_ALIAS), "canonical_id": bot})
    grant.ok("POST", attacked.path("{kv}/data/certificates/trader.jdoe.mtls"), {"data": {"certificate": "x"}})
    note = {"custom_metadata": {"serial": made["serial_number"]}}
    grant.ok("POST", attacked.path("{kv}/metadata/certificates/trader.jdoe.mtls"), note)
    grant.ok("POST", attacked.path("{kv}/data/releases/trader.jdoe"), {"data": {"reason": "cleared"}})
    grant.ok("POST", attacked.path("{kv}/data/plans/1"), {"data": {}, "options": {"cas": 0}})


def test_the_contain_login_can_do_its_work(attacked: Field) -> None:
    contain, admin = attacked.logins["contain"], attacked.admin
    entity, login = attacked.path(ENTITY.replace("jdoe", "gone")), attacked.path("{cert}/certs/trader.gone.mtls")
    admin.ok("POST", entity, attacked.body({"policies": ["{prefix}role-desk"]}))
    admin.ok("POST", login, attacked.body(LOGIN))
    contain.ok("POST", entity, {"disabled": "true", "metadata": {"idac_state": "containing"}})
    standing = admin.ok("GET", entity).data
    assert (standing["disabled"], standing["policies"]) == (True, [attacked.path("{prefix}role-desk")])
    contain.ok("DELETE", login)
    serial = _certificate(attacked, attacked.logins["grant"])["serial_number"]
    for tree in ("data", "metadata"):
        body = {"data": {"reason": "gone"}} if tree == "data" else {"custom_metadata": {"reason": "gone"}}
        for name in (f"revocations/{serial.replace(':', '-')}", "holds/trader.gone", "distrusted/00"):
            contain.ok("POST", attacked.path(f"{{kv}}/{tree}/{name}"), body)
    contain.ok("POST", attacked.path("{pki}/revoke"), {"serial_number": serial})
    for which, name in (("rotate", "crl"), ("rotate-delta", "delta-crl")):
        contain.ok("GET", attacked.path(f"{{pki}}/crl/{which}"))
        listed = admin.ok("GET", attacked.path(f"{{pki}}/cert/{name}")).data["certificate"]
        pushed = attacked.path("{cert}/crls/idac") + ("" if name == "crl" else "-delta")
        contain.ok("POST", pushed, {"crl": listed})
    assert serial in [_colons(one) for one in admin.ok("GET", attacked.path("{cert}/crls/idac")).data["serials"]]
    token = admin.ok("POST", "auth/token/create", {"policies": ["default"]}).body["auth"]
    accessors = contain.ok("LIST", "auth/token/accessors").keys
    assert token["accessor"] in accessors
    ask = {"accessor": token["accessor"]}
    assert contain.ok("POST", "auth/token/lookup-accessor", ask).data["policies"] == ["default"]
    contain.ok("POST", "sys/capabilities-accessor", {**ask, "paths": ["secret/desk"]})
    contain.ok("POST", "auth/token/revoke-accessor", ask)
    assert attacked.server.raw(token["client_token"]).read("auth/token/lookup-self").status == 403
    contain.ok("DELETE", attacked.path("{jwt}/role/bot.mm.spire.1-0"))
    contain.ok("DELETE", attacked.path(BOT_ROLE))
    contain.ok("DELETE", entity)
    contain.ok("POST", attacked.path("{kv}/data/lock"), {"data": {"owner": "x"}, "options": {"cas": 0}})


def test_the_grant_login_makes_keys_and_the_contain_login_ends_them(attacked: Field) -> None:
    grant, contain, admin = attacked.logins["grant"], attacked.logins["contain"], attacked.admin
    key = attacked.path(f"{{hsm}}/keys/{attacked.names['key']}2")
    grant.ok("POST", key, NEW_KEY)
    assert "CERTIFICATE REQUEST" in grant.ok("POST", f"{key}/csr", {"version": "1"}).data["csr"]
    grant.ok("POST", f"{key}/rotate", {})
    grant.ok("POST", f"{key}/config", {"auto_rotate_period": "0", "deletion_allowed": "false"})
    contain.ok("POST", f"{key}/config", {"min_decryption_version": "2", "min_encryption_version": "2"})
    contain.ok("POST", f"{key}/trim", {"min_available_version": "2"})
    assert [*admin.ok("GET", key).data["keys"]] == ["2"]
    contain.ok("DELETE", f"{key}/soft-delete")
    grant.ok("POST", f"{key}/soft-delete-restore", {})
    contain.ok("DELETE", f"{key}/soft-delete")
    contain.ok("POST", f"{key}/config", {"deletion_allowed": "true"})
    contain.ok("DELETE", key)
    assert attacked.logins["plan"].read(key).status == 404


def test_the_govern_login_can_do_its_work(attacked: Field) -> None:
    govern, plan = attacked.logins["govern"], attacked.logins["plan"]
    policy = attacked.path("sys/policies/acl/{prefix}role-new")
    govern.ok("POST", policy, {"policy": '{"path":{}}'})
    assert plan.ok("GET", policy).data["policy"] == '{"path":{}}'
    govern.ok("DELETE", policy)
    grant = attacked.path("sys/policies/acl/{prefix}grant")
    govern.ok("POST", grant, {"policy": plan.ok("GET", grant).data["policy"]})
    own = attacked.path("{pki}/roles/{prefix}bot.other")
    govern.ok("POST", own, {"allowed_domains": "bot.other"})
    govern.ok("DELETE", own)
    profile = attacked.path("{pki}/roles/new")
    govern.ok("POST", profile, {"allowed_domains": "trader.*"})
    govern.ok("DELETE", profile)


def _colons(decimal: str) -> str:
    text = f"{int(decimal):x}"
    text = text.zfill(len(text) + len(text) % 2)
    return ":".join(text[at : at + 2] for at in range(0, len(text), 2))


# -- what no ACL of this server holds back: docs/threat-model.md ---------------------------------------------


def test_a_stolen_grant_login_reaching_foreign_entities_through_an_alias_is_open(attacked: Field) -> None:
    grant = attacked.logins["grant"]
    body = {**OWN_ALIAS, "name": "trader.boss", "canonical_id": "{boss}"}
    assert grant.call("POST", ALIAS, attacked.body(body)).status == 200
    found = attacked.logins["plan"].ok("GET", attacked.path("identity/entity/id/{boss}")).data["aliases"]
    assert [alias["name"] for alias in found] == [
        "trader.boss"
    ]  # but the planner sees it, and the next plan shows it


def test_a_stolen_grant_login_binding_a_bots_login_to_other_claims_is_open(attacked: Field) -> None:
    body = {**WORKLOAD, "bound_claims": {}, "bound_subject": "spiffe://trading.example/anybody"}
    path = attacked.path("{jwt}/role/bot.evil.spire.1-0")
    attacked.logins["grant"].ok("POST", path, attacked.body(body))  # the next plan deletes it: no manifest says so
    attacked.admin.ok("DELETE", path)


def test_a_stolen_grant_login_binding_a_persons_sign_in_to_no_acr_is_open(attacked: Field) -> None:
    body = {**PERSON, "bound_claims": {}, "bound_subject": "00uAnybody"}
    path = attacked.path("{corp}/role/staff.evil.corp.sign-in")
    attacked.logins["grant"].ok("POST", path, attacked.body(body))  # the next plan deletes it: no manifest says so
    attacked.admin.ok("DELETE", path)


def test_a_stolen_grant_login_letting_a_subject_off_its_tier_is_open(attacked: Field) -> None:
    body = attacked.body({**HELD, "identity_entity_ids": ["{boss}"], **dict.fromkeys(TARGETS, "")})
    attacked.logins["grant"].ok("POST", attacked.path(ENFORCEMENT), body)
    shown = attacked.logins["plan"].ok("LIST", "identity/mfa/login-enforcement").data["key_info"]
    assert shown[attacked.path(ENFORCEMENT).rsplit("/", 1)[-1]]["identity_entity_ids"] == [attacked.names["boss"]]


def test_a_stolen_govern_login_deleting_methods_that_nothing_enforces_is_open(attacked: Field) -> None:
    govern = attacked.logins["govern"]
    assert govern.call("DELETE", attacked.path("identity/mfa/method/totp/{own_method}")).status == 500  # enforced
    made = attacked.admin.ok("POST", "identity/mfa/method/totp", {"method_name": "spare", "issuer": "x"})
    govern.ok("DELETE", f"identity/mfa/method/totp/{made.data['method_id']}")


def test_a_stolen_grant_login_enabling_a_contained_subject_is_open(attacked: Field) -> None:
    entity = attacked.path(ENTITY.replace("jdoe", "held"))
    attacked.admin.ok("POST", entity, {"disabled": True})
    attacked.logins["grant"].ok("POST", entity, {"disabled": "false"})


def test_a_stolen_contain_login_ending_anybodys_token_is_open(attacked: Field) -> None:
    token = attacked.admin.ok("POST", "auth/token/create", {"policies": ["default"]}).body["auth"]
    attacked.logins["contain"].ok("POST", "auth/token/revoke-accessor", {"accessor": token["accessor"]})


def test_a_stolen_contain_login_telling_cert_auth_that_nothing_is_revoked_is_open(attacked: Field) -> None:
    other = attacked.admin.ok("GET", attacked.path("{root}/cert/crl")).data["certificate"]
    attacked.logins["contain"].ok("POST", attacked.path("{cert}/crls/idac"), {"crl": other})


def test_a_stolen_govern_login_writing_any_rule_into_a_role_is_open(attacked: Field) -> None:
    path = attacked.path("sys/policies/acl/{prefix}role-evil")
    attacked.logins["govern"].ok("POST", path, {"policy": EVERYTHING})
    attacked.admin.ok("DELETE", path)


def test_a_stolen_contain_login_deleting_anybodys_alias_is_open(attacked: Field) -> None:
    stranger = attacked.admin.ok("POST", f"identity/entity/name/stranger-{attacked.estate.name}", {}).data["id"]
    body = {"name": "stranger", "canonical_id": stranger, "mount_accessor": "{token_accessor}"}
    alias = attacked.admin.ok("POST", ALIAS, attacked.body(body)).data["id"]
    attacked.logins["contain"].ok("DELETE", f"identity/entity-alias/id/{alias}")


def test_a_stolen_govern_login_drawing_a_foreign_entity_into_the_estate_is_open(attacked: Field) -> None:
    made = attacked.admin.ok("POST", f"identity/entity/name/drawn-{attacked.estate.name}", {"policies": "default"})
    path = f"identity/entity/id/{made.data['id']}"
    attacked.logins["govern"].ok("POST", path, attacked.body({"name": "{prefix}trader.drawn"}))
    assert attacked.admin.ok("GET", path).data["policies"] == ["default"]  # its power is what it was


def test_a_stolen_grant_login_renewing_and_activating_anybodys_key_is_open(attacked: Field) -> None:
    grant, key = attacked.logins["grant"], attacked.path(KEY)
    grant.ok("POST", f"{key}/rotate", {})  # the next plan certifies the new version: nobody else has it
    attacked.admin.ok("DELETE", f"{key}/soft-delete")
    grant.ok("POST", f"{key}/soft-delete-restore", {})  # which gives nobody a login to use it with
    grant.ok("POST", f"{key}-more", NEW_KEY)  # which no manifest explains
    attacked.admin.ok("POST", f"{key}-more/config", {"deletion_allowed": True})
    attacked.admin.ok("DELETE", f"{key}-more")


def test_a_stolen_contain_login_ending_anybodys_key_is_open(attacked: Field) -> None:
    contain, key = attacked.logins["contain"], attacked.path(f"{KEY}-other")
    attacked.admin.ok("POST", key, {"type": "ecdsa-p256"})
    contain.ok("DELETE", f"{key}/soft-delete")
    contain.ok("POST", f"{key}/config", {"deletion_allowed": "true"})
    contain.ok("DELETE", key)
    assert attacked.admin.read(key).status == 404
