"""Policies, login roles, tokens and proofs on the real server: each write read back, nothing proved unasked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from reconciler import x509
from reconciler.clock import stamp
from reconciler.errors import Denied, IdacError, Rejected, TargetError
from reconciler.model.change import Action, Change, Phase
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Proof
from reconciler.model.resource import Fields, Resource
from reconciler.providers.protocol import Answer, Known, actual_of
from reconciler.providers.vault.login import Logins
from reconciler.providers.vault.ownership import aliases, judge
from reconciler.providers.vault.prover import CAPABILITIES, VaultProver
from reconciler.providers.vault.reader import VaultReader
from reconciler.providers.vault.resources import cert_login, role_policy
from reconciler.providers.vault.seen import certificate_digest, login_fields
from reconciler.providers.vault.tokens import LOOKUP, is_gone
from tests.firm import Firm
from tests.integration.desk import Desk, with_roles
from tests.integration.vault_world import accessors
from tests.openbao import Server
from tests.weather import Weather, weather


@pytest.fixture(scope="module")
def estate(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Estate:
    return with_roles(shared_openbao, tmp_path_factory.mktemp("writer") / "estate")


@pytest.fixture(scope="module")
def known(shared_openbao: Server, estate: Estate) -> Known:
    raw = shared_openbao.raw()
    pem = raw.ok("GET", f"{estate.mounts.pki}/cert/ca").data["certificate"]
    raw.close()
    return {"ca.authority": {"certificate": pem, "sha256": certificate_digest(pem)}}


# -- policies ------------------------------------------------------------------------------------------


def policy_change(desk: Desk, action: Action, actual: Resource | None = None, *able: str) -> Change:
    name = f"p-{desk.subject.name}"
    desired = role_policy(desk.estate, name, {"desk/data/fx": able or ("read",)}) if action != "delete" else None
    return Change(f"vault.policy/role/{name}", None, action, "govern", "", desired=desired, actual=actual)


def policy_path(desk: Desk) -> str:
    return f"sys/policies/acl/{desk.estate.prefix}role-p-{desk.subject.name}"


def test_a_policy_is_made_changed_and_deleted_and_each_can_be_told_twice(desk: Desk) -> None:
    made = policy_change(desk, "create")
    for _ in range(2):
        desk.writer.apply(made, {})
    changed = policy_change(desk, "update", made.desired, "read", "list")
    for _ in range(2):
        desk.writer.apply(changed, {})
    assert changed.desired is not None
    assert desk.admin.ok("GET", policy_path(desk)).data["policy"] == changed.desired.fields["document"]
    for _ in range(2):
        desk.writer.apply(policy_change(desk, "delete", changed.desired), {})
    assert desk.admin.read(policy_path(desk)).status == 404


@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_a_policy_that_somebody_changed_meanwhile_is_left_alone(desk: Desk, action: Action) -> None:
    made = policy_change(desk, "create")
    desk.writer.apply(made, {})
    theirs = '{"path":{}}'
    desk.admin.ok("POST", policy_path(desk), {"policy": theirs})
    actual = None if action == "create" else made.desired
    with pytest.raises(Rejected, match="changed since it was observed"):
        desk.writer.apply(policy_change(desk, action, actual, "list"), {})
    assert desk.admin.ok("GET", policy_path(desk)).data["policy"] == theirs


@pytest.mark.parametrize(("action", "verb", "words"), [
    ("update", "POST", "does not say what was written"), ("delete", "DELETE", "still there"),
])  # fmt: skip
def test_a_policy_that_was_written_in_word_alone_is_not_believed(
    desk: Desk, action: Action, verb: str, words: str
) -> None:
    made = policy_change(desk, "create")
    desk.writer.apply(made, {})
    desk.sky.fault(f"{verb} .*{policy_path(desk)}", status=204, body="")
    with pytest.raises(Rejected, match=words):
        desk.writer.apply(policy_change(desk, action, made.desired, "list"), {})


# -- login roles ---------------------------------------------------------------------------------------


def login_change(desk: Desk, action: Action, phase: Phase = "grant", actual: Resource | None = None) -> Change:
    desired = cert_login(
        desk.estate, desk.subject, "mtls", f"spiffe://{desk.estate.spec.trust_domain}/{desk.subject}"
    )
    address = f"vault.login/{desk.subject}/mtls"
    return Change(
        address, desk.subject, action, phase, "", desired=desired if action != "delete" else None, actual=actual
    )


def login_path(desk: Desk) -> str:
    return f"auth/{desk.estate.mounts.cert}/certs/{desk.subject.principal}.mtls"


def login_actual(desk: Desk) -> Resource:
    fields = login_fields(desk.admin.ok("GET", login_path(desk)).data)
    return Resource(f"vault.login/{desk.subject}/mtls", desk.subject, fields)


def test_a_login_role_is_made_and_deleted_and_each_can_be_told_twice(desk: Desk, known: Known) -> None:
    for _ in range(2):
        desk.writer.apply(login_change(desk, "create"), known)
    wanted = login_change(desk, "create").desired
    assert wanted is not None
    authority = known["ca.authority"]["sha256"]
    assert login_actual(desk).fields == {**wanted.fields, "trusted": authority}
    for _ in range(2):
        desk.writer.apply(login_change(desk, "delete", "contain"), known)
    assert desk.admin.read(login_path(desk)).status == 404


def test_a_login_role_that_somebody_changed_meanwhile_is_left_alone(desk: Desk, known: Known) -> None:
    desk.writer.apply(login_change(desk, "create"), known)
    actual = login_actual(desk)
    standing = desk.admin.ok("GET", login_path(desk)).data
    desk.admin.ok("POST", login_path(desk), {**standing, "allowed_common_names": ["trader.else"]})
    with pytest.raises(Rejected, match="changed since it was observed"):
        desk.writer.apply(login_change(desk, "update", actual=actual), known)
    assert desk.admin.ok("GET", login_path(desk)).data["allowed_common_names"] == ["trader.else"]


def test_without_a_ca_in_sight_no_login_role_is_written(desk: Desk) -> None:
    with pytest.raises(Rejected, match="CA was not seen"):
        desk.writer.apply(login_change(desk, "create"), {})
    assert desk.admin.read(login_path(desk)).status == 404


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda role: role.update(allowed_uri_sans=[]), "allowed_uri_sans"),
        (lambda role: role.update(token_policies=["root"]), "token_policies"),
        (lambda role: role.update(token_type="batch"), "token_type"),
        (lambda role: role.update(certificate=x509.loopback_tls().authority), "trusted"),
        (lambda role: role.update(allowed_common_names=[["trader.x"], 5]), "allowed_common_names"),
        (lambda role: role.clear(), "allowed_common_names"),
    ],
)
def test_a_login_role_that_was_stored_otherwise_is_not_believed(
    desk: Desk, known: Known, edit: Callable[[dict[str, Any]], object], words: str
) -> None:
    desk.writer.apply(login_change(desk, "create"), known)
    role = dict(desk.admin.ok("GET", login_path(desk)).data)
    edit(role)
    desk.sky.fault(f"GET .*{login_path(desk)}", status=200, body=json.dumps({"data": role}), skip=1)
    with pytest.raises(Rejected, match=f"does not say what was written: .*{words}"):
        desk.writer.apply(login_change(desk, "create"), known)


def test_a_login_role_that_was_deleted_in_word_alone_is_not_believed(desk: Desk, known: Known) -> None:
    desk.writer.apply(login_change(desk, "create"), known)
    desk.sky.fault(f"DELETE .*{login_path(desk)}", status=204, body="")
    with pytest.raises(Rejected, match="still there"):
        desk.writer.apply(login_change(desk, "delete", "contain"), known)


def test_a_login_role_of_nobody_is_deleted_by_its_own_name(desk: Desk, known: Known) -> None:
    desk.writer.apply(login_change(desk, "create"), known)
    role = {k: v for k, v in desk.admin.ok("GET", login_path(desk)).data.items() if v is not None}
    stray = f"auth/{desk.estate.mounts.cert}/certs/whatever"
    desk.admin.ok("POST", stray, role)
    desk.writer.apply(Change("vault.login/unknown/whatever", None, "delete", "contain", ""), {})
    assert desk.admin.read(stray).status == 404


# -- tokens --------------------------------------------------------------------------------------------


def token_change(desk: Desk) -> Change:
    actual = desk.actual()
    before = {"entity": actual.facts["id"]}
    return Change(
        f"vault.token/{desk.subject}", desk.subject, "revoke", "contain", "", before=before, actual=actual
    )


def dead(desk: Desk, accessor: str) -> bool:
    return "invalid accessor" in desk.admin.call("POST", LOOKUP, {"accessor": accessor}).errors


def test_every_token_of_an_entity_is_revoked_children_too(desk: Desk) -> None:
    """Told in any order: a child ends with its parent, and is then no longer known."""
    desk.create("a")
    create = {"path": {"auth/token/*": {"capabilities": ["update", "sudo"]}}}
    desk.admin.ok("POST", f"sys/policies/acl/{desk.estate.prefix}role-a", {"policy": json.dumps(create)})
    parent = desk.token()
    holder = desk.admin.with_token(parent["client_token"])
    children = [holder.ok("POST", "auth/token/create", {"ttl": "4m"}).body["auth"] for _ in range(3)]
    grandchild = (
        desk.admin.with_token(children[0]["client_token"]).ok("POST", "auth/token/create", {}).body["auth"]
    )
    bystander = desk.admin.ok("POST", "auth/token/create", {"policies": ["default"], "ttl": "5m"}).body["auth"]
    done = desk.writer.apply(token_change(desk), {})
    family = {token["accessor"] for token in (parent, *children, grandchild)}
    assert (set(done["_accessors"]), done["revoked"]) == (family, 5)
    assert all(dead(desk, accessor) for accessor in family)
    assert not dead(desk, bystander["accessor"])


def test_an_orphan_that_a_subject_made_belongs_to_no_entity_and_is_not_found(desk: Desk) -> None:
    """Why no Role may reach `auth/`: see docs/threat-model.md."""
    desk.create("a")
    create = {"path": {"auth/token/create-orphan": {"capabilities": ["update", "sudo"]}}}
    desk.admin.ok("POST", f"sys/policies/acl/{desk.estate.prefix}role-a", {"policy": json.dumps(create)})
    holder = desk.admin.with_token(desk.token()["client_token"])
    orphan = holder.ok("POST", "auth/token/create-orphan", {"ttl": "4m"}).body["auth"]
    assert orphan["entity_id"] == ""
    assert orphan["accessor"] not in desk.writer.apply(token_change(desk), {})["_accessors"]


def test_a_batch_token_has_no_accessor_and_ends_with_its_entity(desk: Desk) -> None:
    desk.create("a")
    before = accessors(desk.admin)
    batch = desk.token(token_type="batch", renewable=False)
    assert (batch["accessor"], accessors(desk.admin)) == ("", before)
    holder = desk.admin.with_token(batch["client_token"])
    assert holder.read("auth/token/lookup-self").status == 200
    desk.writer.apply(desk.disabling(desk.actual()), {})
    assert desk.writer.apply(token_change(desk), {})["revoked"] == 0
    assert holder.read("auth/token/lookup-self").status == 403
    desk.writer.apply(desk.change("delete", "contain", actual=desk.actual()), {})
    assert holder.read("auth/token/lookup-self").status == 403


@pytest.mark.parametrize(
    ("pattern", "fault", "expected", "words"),
    [
        ("LIST .*auth/token/accessors", {"status": 500}, TargetError, "500"),
        ("LIST .*auth/token/accessors", {"status": 204, "body": ""}, Rejected, "empty"),
        ("POST .*lookup-accessor", {"status": 403}, Denied, "not known which tokens"),
        ("POST .*lookup-accessor", {"status": 404, "body": '{"errors": []}'}, Rejected, "not known which tokens"),
        (
            "POST .*lookup-accessor",
            {"status": 200, "body": '{"data": {"entity_id": 5}}'},
            Rejected,
            "whose a token",
        ),
        ("POST .*revoke-accessor", {"status": 204, "body": ""}, Rejected, "still stand after"),
        ("POST .*revoke-accessor", {"status": 200, "body": '{"warnings": ["later"]}'}, Rejected, "later"),
        ("POST .*revoke-accessor", {"status": 500}, TargetError, "500"),
    ],
)
def test_tokens_that_may_stand_are_never_said_to_be_revoked(
    desk: Desk, pattern: str, fault: Any, expected: type[IdacError], words: str
) -> None:
    desk.create("a")
    desk.token()
    change = token_change(desk)
    desk.sky.fault(pattern, **fault)
    with pytest.raises(expected, match=words):
        desk.writer.apply(change, {})


@pytest.mark.parametrize(
    ("status", "said", "verdict"),
    [
        (200, [], False),
        (400, ["1 error occurred:\n\t* invalid accessor\n\n"], True),
        (400, ["1 error occurred:\n\t* invalid token\n\n"], True),
        (400, ["missing accessor"], Rejected),
        (400, [], Rejected),
        (403, ["permission denied"], Denied),
        (403, ["invalid accessor"], Denied),
        (404, [], Rejected),
        (422, ["invalid accessor"], Rejected),
    ],
)
def test_only_the_server_s_own_words_say_that_a_token_is_dead(status: int, said: list[str], verdict: Any) -> None:
    answer = Answer(status, {"errors": said})
    if isinstance(verdict, bool):
        assert is_gone(answer, LOOKUP) is verdict
    else:
        with pytest.raises(verdict, match="not known which tokens"):
            is_gone(answer, LOOKUP)


# -- proofs --------------------------------------------------------------------------------------------


def prove(desk: Desk, changes: Sequence[Change], known: Mapping[str, Fields]) -> dict[str, Proof]:
    """By system; of several answers about one the worst."""
    found: dict[str, Proof] = {}
    for proof in VaultProver(desk.logins.client, desk.estate).prove(changes, known):
        if proof.system not in found or proof.status == "failed":
            found[proof.system] = proof
    return found


def contained(desk: Desk, known: Known) -> tuple[list[Change], dict[str, Fields]]:
    """A subject that was contained up to the last step, and what was learned on the way."""
    desk.create("a")
    desk.writer.apply(login_change(desk, "create"), known)
    desk.token()
    changes = [desk.disabling(desk.actual()), login_change(desk, "delete", "contain"), token_change(desk)]
    return changes, {change.address: desk.writer.apply(change, known) for change in changes}


def test_what_is_gone_is_proved_and_what_nobody_asked_is_named(desk: Desk, known: Known) -> None:
    changes, learned = contained(desk, known)
    assert {s: p.status for s, p in prove(desk, changes, learned).items()} == {
        "vault.entity": "proved",
        "vault.login": "proved",
        "vault.token": "proved",
        "open connections": "not-covered",
        "venue passwords": "not-covered",
        "orders in the market": "not-covered",
    }
    desk.writer.apply(desk.change("delete", "contain", actual=desk.actual()), {})
    assert prove(desk, changes, learned)["vault.entity"].detail == "the entity is gone"


@pytest.mark.parametrize(
    ("pattern", "system"),
    [
        ("GET .*identity/entity", "vault.entity"),
        ("(LIST|GET) .*cert/certs", "vault.login"),
        (f"POST .*{CAPABILITIES}", "vault.token"),
    ],
)
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 503, "body": '{"errors": ["Vault is sealed"]}'},
        {"status": 403},
        {"status": 429},
        {"cut": True},
        {"status": 200, "body": "<html>"},
        {"status": 200, "body": '{"data": {"id": "another"}, "errors": ["x"]}'},
        {"status": 204, "body": ""},
        {"status": 302, "headers": {"Location": "/v1/x"}},
    ],
)
def test_what_could_not_be_asked_is_not_proved(
    desk: Desk, known: Known, contained_once: Any, pattern: str, system: str, fault: dict[str, Any]
) -> None:
    changes, learned = contained_once
    desk.sky.fault(pattern, **fault)
    found = prove(desk, changes, learned)
    assert found[system].status == "failed", found[system]
    others = {"vault.entity", "vault.login", "vault.token"} - {system}
    assert {found[s].status for s in others} == {"proved"}


@pytest.fixture(scope="module")
def contained_once(shared_openbao: Server, estate: Estate, relay: Weather, logins: Logins, known: Known) -> Any:
    raw = shared_openbao.raw()
    made = contained(Desk(estate, raw, relay, logins, SubjectRef("trader", "once")), known)
    raw.close()
    return made


def test_tokens_that_were_never_found_out_are_not_proved(desk: Desk, known: Known) -> None:
    """The sweep failed, so nobody knows the accessors: none of none answering proves nothing."""
    changes, learned = contained(desk, known)
    del learned[f"vault.token/{desk.subject}"]
    proof = prove(desk, changes, learned)["vault.token"]
    assert (proof.status, "not found out" in proof.detail) == ("failed", True)


def test_a_token_that_still_answers_is_a_failed_proof(desk: Desk, known: Known) -> None:
    changes, learned = contained(desk, known)
    live = desk.admin.ok("POST", "auth/token/create", {"policies": ["default"], "ttl": "5m"}).body["auth"]
    learned[f"vault.token/{desk.subject}"] = {"_accessors": [live["accessor"]]}
    proof = prove(desk, changes, learned)["vault.token"]
    assert (proof.status, proof.detail) == ("failed", "1 of 1 tokens still answer")
    assert live["accessor"] not in str(proof)


def test_an_entity_that_was_enabled_again_is_a_failed_proof(desk: Desk, known: Known) -> None:
    changes, learned = contained(desk, known)
    desk.admin.ok("POST", desk.path, {"disabled": False})
    assert prove(desk, changes, learned)["vault.entity"].detail == "the entity is enabled"


def test_another_entity_of_the_same_name_is_a_failed_proof(desk: Desk, known: Known) -> None:
    changes, learned = contained(desk, known)
    desk.admin.ok("DELETE", desk.path)
    desk.admin.ok("POST", desk.path, {"policies": ["default"]})
    proof = prove(desk, changes, learned)["vault.entity"]
    assert (proof.status, "another entity" in proof.detail) == ("failed", True)


def test_a_login_role_that_stands_is_a_failed_proof_whether_or_not_the_plan_knew_it(
    desk: Desk, known: Known
) -> None:
    changes, learned = contained(desk, known)
    desk.writer.apply(login_change(desk, "create"), known)
    proof = prove(desk, [c for c in changes if c.type != "vault.login"], learned)["vault.login"]
    assert (proof.status, f"{desk.subject.principal}.mtls" in proof.detail) == ("failed", True)


def test_one_subject_s_silence_says_nothing_about_another(desk: Desk, known: Known, contained_once: Any) -> None:
    changes, learned = contained(desk, known)
    entity = actual_of(changes[0]).facts["id"]
    desk.sky.fault(f"GET .*identity/entity/(id/{entity}|name/{desk.name})", status=500)
    others, more = contained_once
    found = VaultProver(desk.logins.client, desk.estate).prove([*changes, *others], {**learned, **more})
    said = {(str(p.subject), p.status) for p in found if p.system == "vault.entity"}
    assert said == {(str(desk.subject), "failed"), ("trader/once", "proved")}


def test_what_belongs_to_nobody_is_proved_by_nobody(desk: Desk) -> None:
    assert prove(desk, [Change("vault.login/unknown/x", None, "delete", "contain", "")], {}) == {}


def test_a_proof_that_fails_makes_exit_5_and_the_next_plan_tries_again(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    anna = firm.holder("anna")
    assert anna.login() == 200
    firm.leave("anna")
    with weather(firm.server) as sky:
        firm.environ = {"VAULT_ADDR": sky.address, "VAULT_MAX_RETRIES": "1"}
        sky.fault(f"POST .*{CAPABILITIES}", status=500)
        result = firm.apply(code=5)
        proofs = {p["system"]: p for p in result["proofs"]}
        assert proofs["vault.token"]["status"] == "failed"
        assert "could not be asked" in proofs["vault.token"]["detail"]
        (closing,) = [
            o for o in result["outcomes"] if o["action"] == "delete" and o["address"].startswith("vault.entity")
        ]
        assert (closing["status"], "vault.token" in closing["error"]) == ("not-attempted", True)
    firm.environ = {"VAULT_ADDR": firm.server.address, "VAULT_CACERT": str(firm.server.ca_cert)}
    assert [c["action"] for c in firm.plan()["changes"]] == ["revoke", "delete"]
    firm.apply()
    assert firm.plan()["changes"] == []


# -- whose is it ---------------------------------------------------------------------------------------


def test_an_alias_whose_login_method_is_gone_does_not_stop_a_plan(desk: Desk) -> None:
    """The server shows such an alias without a path."""
    mount = f"gone-{desk.subject.name}"
    desk.admin.ok("POST", f"sys/auth/{mount}", {"type": "userpass"})
    accessor = desk.admin.ok("GET", "sys/auth").data[f"{mount}/"]["accessor"]
    holder = desk.admin.ok("POST", "identity/entity", {"name": f"other-{mount}"}).data["id"]
    body = {"name": "x", "canonical_id": holder, "mount_accessor": accessor}
    desk.admin.ok("POST", "identity/entity-alias", body)
    desk.admin.ok("DELETE", f"sys/auth/{mount}")
    shown = desk.admin.ok("GET", f"identity/entity/id/{holder}").data
    assert list(aliases(shown)) == [f"accessor {accessor}:x"]
    assert judge(shown, desk.estate).owner == "other"
    observed = VaultReader(desk.logins.client("plan"), desk.estate).observe()
    assert f"entity other-{mount}" in observed.unmanaged


def test_an_entity_of_another_owner_on_our_mount_is_foreign_and_never_written(desk: Desk) -> None:
    made = desk.create("a")
    desk.admin.ok("POST", f"identity/entity/id/{made['id']}", {"metadata": {"idac_estate": "another"}})
    with pytest.raises(Rejected, match="estate"):
        desk.writer.apply(desk.disabling(replace(desk_actual(desk, made["id"]))), {})
    assert not desk.shown()["disabled"]
    desk.admin.ok("DELETE", desk.path)


def desk_actual(desk: Desk, id: str) -> Resource:
    """As it was observed before somebody took it for another estate."""
    return replace(desk.wanted("a"), facts={"id": id})


def test_the_writer_s_clock_is_the_one_clock() -> None:
    assert stamp().endswith("Z")
