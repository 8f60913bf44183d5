"""What stands in the estate and no manifest explains, and what is gone that should stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.drift.certificates import record_path, sign
from tests.drift.entities import entity, entity_path
from tests.drift.logins import login_path
from tests.firm import PROFILE, ROLE, Firm, found
from tests.openbao import Raw, Server

pytestmark = [pytest.mark.openbao, pytest.mark.long]


def test_membership_in_somebody_elses_group_is_named_in_every_plan_until_it_ends(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    admin = firm.admin
    body = {"name": f"inner-{firm.name}", "member_entity_ids": [entity(firm, admin, "anna")["id"]]}
    inner = admin.ok("POST", "identity/group", body).data["id"]
    body = {"name": f"outer-{firm.name}", "policies": ["root-like"], "member_group_ids": [inner]}
    outer = admin.ok("POST", "identity/group", body).data["id"]
    plan = firm.plan()
    (finding,) = [f for f in plan["findings"] if f["code"] == "F03"]
    assert (finding["severity"], finding["subject"]) == ("warning", "trader/anna")
    assert inner in finding["message"]
    assert outer in finding["message"]
    assert plan["changes"] == []
    admin.ok("DELETE", f"identity/group/id/{outer}")
    admin.ok("DELETE", f"identity/group/id/{inner}")
    admin.close()
    assert not [f for f in firm.plan()["findings"] if f["code"] == "F03"]


@dataclass(frozen=True, slots=True)
class Settled:
    """A plan that showed what was strange, the apply that mended it, and the plan after that."""

    firm: Firm
    plan: Any
    outcomes: Any
    proofs: Any
    after: Any

    def changes(self, address: str) -> list[tuple[str, str]]:
        return [(c["phase"], c["action"]) for c in self.plan["changes"] if c["address"].startswith(address)]


def settle(firm: Firm) -> Settled:
    plan = firm.idac("--format", "json", "plan", "--detailed-exitcode", code=2).json
    done = firm.apply(code=None)
    return Settled(firm, plan, done["outcomes"], done["proofs"], firm.idac("plan", "--detailed-exitcode"))


# ---- what no manifest explains ----------------------------------------------------------------------------------


def _made_up_person(firm: Firm, admin: Raw) -> None:
    marks = {"idac_estate": firm.name, "idac_subject": "trader/ghost", "idac_state": "active"}
    admin.ok("POST", entity_path(firm, "ghost"), {"policies": ["root-like"], "metadata": marks})


def _entity_with_our_name(firm: Firm, admin: Raw) -> None:
    admin.ok("POST", entity_path(firm, "namesake"), {"policies": ["root-like"]})


def _entity_on_our_mount(firm: Firm, admin: Raw) -> None:
    made = admin.ok("POST", "identity/entity", {"name": f"guest-{firm.name}"}).data["id"]
    accessor = admin.ok("GET", "sys/auth").data[f"{firm.estate.mounts.cert}/"]["accessor"]
    body = {"name": "trader.guest", "canonical_id": made, "mount_accessor": accessor}
    admin.ok("POST", "identity/entity-alias", body)


def _second_login(firm: Firm, admin: Raw) -> None:
    there = admin.ok("GET", login_path(firm, "anna")).data
    admin.ok("POST", login_path(firm, "anna").replace("mtls", "second"), there)


def _login_of_nobody(firm: Firm, admin: Raw) -> None:
    there = admin.ok("GET", login_path(firm, "anna")).data
    admin.ok("POST", f"auth/{firm.estate.mounts.cert}/certs/backdoor", {**there, "token_policies": ["root-like"]})


def _policy(firm: Firm, admin: Raw) -> None:
    admin.ok("POST", f"sys/policies/acl/{firm.estate.prefix}role-backdoor", {"policy": 'path "*" {}'})


def _pki_role(firm: Firm, admin: Raw) -> None:
    admin.ok("POST", f"{firm.estate.mounts.pki}/roles/backdoor", {"allow_any_name": True})


def _second_certificate(firm: Firm, admin: Raw) -> None:
    sign(firm, admin, "bob")


def _certificate_of_nobody(firm: Firm, admin: Raw) -> None:
    body = {"common_name": "whoever.example", "allow_any_name": True, "key_type": "ec", "key_bits": 256}
    role = f"{firm.estate.mounts.pki}/roles/once"
    admin.ok("POST", role, {**body, "enforce_hostnames": False})
    admin.ok("POST", f"{firm.estate.mounts.pki}/issue/once", {"common_name": "whoever.example", "ttl": "1h"})
    admin.ok("DELETE", role)


STRANGERS: dict[str, tuple[Callable[[Firm, Raw], None], str, tuple[str, str]]] = {
    "an entity without a manifest": (_made_up_person, "vault.entity/trader/ghost", ("contain", "delete")),
    "an entity named as ours": (_entity_with_our_name, "vault.entity/trader/namesake", ("contain", "delete")),
    "an entity on our mount": (_entity_on_our_mount, "vault.entity/trader/guest", ("contain", "delete")),
    "a second login of a person": (_second_login, "vault.login/trader/anna/second", ("contain", "delete")),
    "a login of nobody": (_login_of_nobody, "vault.login/unknown/backdoor", ("contain", "delete")),
    "a policy with our prefix": (_policy, "vault.policy/role/backdoor", ("govern", "delete")),
    "a PKI role": (_pki_role, "ca.profile/backdoor", ("govern", "delete")),
    "a second certificate of a person": (_second_certificate, "ca.certificate/orphan/", ("contain", "revoke")),
    "a certificate of nobody": (_certificate_of_nobody, "ca.certificate/orphan/", ("contain", "revoke")),
}  # fmt: skip


@pytest.fixture(scope="module")
def strangers(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Settled:
    firm = found(shared_openbao, tmp_path_factory.mktemp("strangers"), removals={"percent": 100})
    for name in ("anna", "bob", "carl"):
        firm.trader(name)
    firm.apply()
    admin = firm.admin
    for make, _, _ in STRANGERS.values():
        make(firm, admin)
    admin.close()
    return settle(firm)


@pytest.mark.parametrize("stranger", STRANGERS)
def test_what_no_manifest_explains_shows_in_the_plan_and_is_removed(strangers: Settled, stranger: str) -> None:
    _, address, expected = STRANGERS[stranger]
    assert expected in strangers.changes(address)
    mine = [o for o in strangers.outcomes if o["address"].startswith(address)]
    assert {o["status"] for o in mine} == {"applied"}


def test_two_certificates_that_nobody_asked_for_are_two_revocations(strangers: Settled) -> None:
    assert strangers.changes("ca.certificate/orphan/") == [("contain", "revoke")] * 2


def test_after_the_strangers_are_gone_nothing_is_left_to_do(strangers: Settled) -> None:
    assert strangers.after.code == 0, strangers.after.out
    assert {p["status"] for p in strangers.proofs} <= {"proved", "not-covered"}


def test_those_who_had_nothing_to_do_with_it_keep_their_access(strangers: Settled) -> None:
    for name in ("anna", "bob", "carl"):
        assert strangers.firm.holder(name).login() == 200


# ---- what is gone -----------------------------------------------------------------------------------------------


GONE: dict[str, tuple[str, str]] = {  # address -> what the plan does about it
    "vault.login/trader/login/mtls": ("grant", "create"),
    "ca.certificate/trader/record/mtls": ("grant", "update"),
    "vault.policy/role/gone": ("govern", "create"),
    "vault.policy/runner/grant": ("govern", "create"),
    "ca.profile/gone": ("govern", "create"),
    "ca.crl": ("contain", "update"),
}


@pytest.fixture(scope="module")
def gone(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Settled:
    firm = found(shared_openbao, tmp_path_factory.mktemp("gone"), removals={"percent": 100})
    firm.manifest("Role", "gone", ROLE)
    firm.manifest("CertificateProfile", "gone", PROFILE)
    for name in ("login", "record", "leaver"):
        firm.trader(name)
    firm.apply()
    firm.leave("leaver")  # whose serial is then on the lists
    firm.apply()
    admin, mounts, prefix = firm.admin, firm.estate.mounts, firm.estate.prefix
    admin.ok("DELETE", login_path(firm, "login"))
    admin.ok("DELETE", record_path(firm, "record"))
    admin.ok("DELETE", f"sys/policies/acl/{prefix}role-gone")
    admin.ok("DELETE", f"sys/policies/acl/{prefix}grant")
    admin.ok("DELETE", f"{mounts.pki}/roles/gone")
    admin.ok("DELETE", f"auth/{mounts.cert}/crls/idac")
    admin.close()
    return settle(firm)


@pytest.mark.parametrize("address", GONE)
def test_what_is_gone_shows_in_the_plan_and_is_made_again(gone: Settled, address: str) -> None:
    assert gone.changes(address) == [GONE[address]]
    assert [o["status"] for o in gone.outcomes if o["address"] == address] == ["applied"]


def test_after_all_is_made_again_nothing_is_left_to_do(gone: Settled) -> None:
    assert gone.after.code == 0, gone.after.out
    for name in ("login", "record"):
        assert gone.firm.holder(name).login() == 200


# ---- what was taken over ----------------------------------------------------------------------------------------


def test_an_alias_that_somebody_moved_to_an_entity_of_theirs_is_taken_from_it_and_given_back(firm: Firm) -> None:
    firm.trader("anna")
    firm.trader("bob")
    firm.apply()
    admin, anna = firm.admin, firm.holder("anna")
    thief = admin.ok("POST", "identity/entity", {"name": f"thief-{firm.name}", "policies": ["root-like"]}).data[
        "id"
    ]
    accessor = admin.ok("GET", "sys/auth").data[f"{firm.estate.mounts.cert}/"]["accessor"]
    body = {"name": "trader.anna", "canonical_id": thief, "mount_accessor": accessor}
    admin.ok("POST", "identity/entity-alias", body)
    assert anna.login() == 200  # as the thief's entity, with its policies

    done = settle(firm)

    assert done.changes("vault.alias/trader.anna") == [("contain", "delete")]
    assert {o["status"] for o in done.outcomes} == {"applied"}
    assert done.after.code == 0, done.after.out
    assert anna.read("auth/token/lookup-self") == 403
    assert anna.login() == 200
    assert admin.ok("GET", f"identity/entity/id/{thief}").data["aliases"] == []
    own = admin.ok("GET", entity_path(firm, "anna")).data
    assert [alias["name"] for alias in own["aliases"]] == ["trader.anna"]
    admin.close()
