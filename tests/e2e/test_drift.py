"""Every managed field, changed behind the tool's back: the plan shows it, apply mends it, and then all is quiet.

What is managed is asked of the resources themselves: a field that is managed from now on fails here until there is
a case for it, and a field of the server's that nobody thought of fails too.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from reconciler.expand import expand
from reconciler.providers.ca.resources import READ_ONLY, ROLE_FIELDS
from reconciler.providers.hsm.resources import POSTURE
from reconciler.providers.vault.resources import LOGIN_FIELDS, PLAIN_POLICY, TOKEN_LOGIN_FIELDS
from tests.cli import Done
from tests.drift.bots import bots, issuer_path, people
from tests.drift.bots import login_path as workload_login_path
from tests.drift.case import ANY, WORKLOAD, Case
from tests.drift.certificates import CERTIFICATE, PARTNER, record_path
from tests.drift.entities import ENTITY, entity
from tests.drift.keys import KEY
from tests.drift.logins import OLDER_NAMES, login_path, logins
from tests.drift.rules import POLICY, profiles
from tests.firm import PROFILE, ROLE, Firm
from tests.keys import TOKENS, Key, keyed
from tests.openbao import Server
from tests.signing_in import configuration, corp, subject_of, tier
from tests.workloads import WorkloadIssuer, bot, employ

pytestmark = [pytest.mark.openbao, pytest.mark.long]

CASES = [
    *ENTITY,
    *logins((*LOGIN_FIELDS, "trusted")),
    *CERTIFICATE,
    *KEY,
    *POLICY,
    *profiles(f for f in ROLE_FIELDS if f != READ_ONLY),
    *bots(TOKEN_LOGIN_FIELDS, (f for f in ROLE_FIELDS if f != READ_ONLY)),
    *people(TOKEN_LOGIN_FIELDS),
]
# Managed, and not among the cases: shown by the server alone, fixed by the address, or shown elsewhere.
ELSEWHERE = {
    ("ca.profile", READ_ONLY),  # the server shows it, and nobody can write it
    ("ca.issuer", READ_ONLY),
    ("vault.policy", "name"),  # another name is another policy, and the address another
    ("hsm.key", "name"),
    ("hsm.key", "token"),  # both are in the address
    *(("hsm.key", name) for name in ("algorithm", "derived", "imported_key")),  # another key: test_key_drift.py
    ("hsm.key", "state"),  # somebody else deactivated it: an emergency, and there too
    ("ca.crl", "fresh"),  # tests/integration/test_ca_revocation.py: only time changes it
    ("ca.crl", "in_step"),  # below
}
# What the server shows of each, and what becomes of it.
SERVER = {
    "vault.entity": {
        **dict.fromkeys(("name", "policies", "aliases", "disabled"), "managed"),
        "metadata": "the marks are managed; what others keep there stays",
        **dict.fromkeys(("id", "namespace_id", "merged_entity_ids", "creation_time", "last_update_time"), "shown"),
        **dict.fromkeys(
            ("group_ids", "direct_group_ids", "inherited_group_ids"), "a finding: F03, tests/e2e/test_strangers.py"
        ),
    },
    "alias": {
        **dict.fromkeys(("name", "mount_path"), "managed, within the entity's `aliases`"),
        **dict.fromkeys(("mount_accessor", "mount_type", "canonical_id", "id"), "follows from these"),
        **dict.fromkeys(("creation_time", "last_update_time", "merged_from_canonical_ids", "local"), "shown"),
        **dict.fromkeys(("custom_metadata", "metadata"), "no policy of ours has templates that could read it"),
    },
    "vault.login": {**dict.fromkeys(LOGIN_FIELDS, "managed"), "certificate": "managed, as `trusted`"},
    "vault.policy": {
        **dict.fromkeys((*PLAIN_POLICY, "name"), "managed"),
        "policy": "managed, as `document`",
        **dict.fromkeys(("modified", "version"), "shown"),
    },
    "hsm.key": {
        **dict.fromkeys(POSTURE["transit"], "managed"),
        **{"name": "managed", "type": "managed, as `algorithm`", "soft_deleted": "managed, as `state`"},
        **dict.fromkeys(("keys", "latest_version"), "shown; each version's certificate must be explained"),
        **dict.fromkeys(
            ("min_available_version", "min_decryption_version", "min_encryption_version"),
            "which older versions may be used: what is destroyed stays so, and the rest is explained",
        ),
        **dict.fromkeys(
            [f"supports_{what}" for what in ("decryption", "derivation", "encryption", "signing")],
            "follows from the type",
        ),
    },
    WORKLOAD: dict.fromkeys(TOKEN_LOGIN_FIELDS, "managed"),
    "ca.profile": dict.fromkeys(ROLE_FIELDS, "managed"),
    "ca.issuer": dict.fromkeys(ROLE_FIELDS, "managed"),
    "ca.certificate": {
        **dict.fromkeys(
            ("custom_metadata", "current_metadata_version", "metadata_cas_required"), "managed, as `record`"
        ),
        **dict.fromkeys(("max_versions", "cas_required"), "managed, as `record`"),
        **dict.fromkeys(("current_version", "versions", "delete_version_after"), "managed, as `delivery`"),
        **dict.fromkeys(("created_time", "updated_time", "oldest_version"), "shown"),
    },
}
SERVER["vault.policy"].pop("expiration")  # shown only while it is set
SERVER[WORKLOAD].pop("poll_interval")  # the same


@dataclass(frozen=True, slots=True)
class Drifted:
    """An estate that was changed, planned, mended and planned again."""

    firm: Firm
    shown: dict[str, Any]  # by the case's name: what the field was made to be
    plan: Any
    code: int
    mended: Any
    after: Done


def populate(firm: Firm) -> None:
    for case in CASES:
        match case.type:
            case "vault.policy":
                firm.manifest("Role", case.name, ROLE)
            case _ if case.kind == "bot":
                bot(firm, case.name)
            case _ if case.how == "person":
                sign_in = {"provider": "corp", "subject": subject_of(case.name)}
                firm.trader(case.name, mfaTier="strong", signIn=sign_in, credentials=[])
            case "ca.profile":
                firm.manifest("CertificateProfile", case.name, PROFILE)
            case "hsm.key":
                firm.trader(case.name, credentials=["mtls", "signing"])
            case _:
                firm.trader(case.name)
    firm.trader(PARTNER)
    bot(firm, PARTNER)
    firm.trader("cro")


@pytest.fixture(scope="module")
def drifted(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Drifted:
    firm = keyed(shared_openbao, tmp_path_factory.mktemp("drift"))
    tier(firm)
    (firm.root / "keys").mkdir()
    (firm.root / "keys/corp.json").write_text(json.dumps(corp().jwks))
    employ(firm, WorkloadIssuer(), hsmTokens=TOKENS, identityProviders=[configuration()])
    populate(firm)
    firm.apply()
    firm.idac("plan", "--detailed-exitcode", code=0)
    admin = firm.admin
    shown = {case.name: case.tamper(firm, admin, case.name) for case in CASES}
    planned = firm.idac("--format", "json", "plan", "--detailed-exitcode")
    mended = firm.idac("--format", "json", "apply", "--auto-approve")
    after = firm.idac("plan", "--detailed-exitcode")
    admin.close()
    return Drifted(firm, shown, planned.json, planned.code, mended.json, after)


def test_drift_is_a_change_that_the_exit_code_tells(drifted: Drifted) -> None:
    assert drifted.code == 2


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_field_changed_behind_the_tools_back_shows_in_the_plan_and_apply_mends_it(
    drifted: Drifted, case: Case
) -> None:
    changes = [c for c in drifted.plan["changes"] if c["address"] == case.address]
    found = [c for c in changes if case.field in (c["before"] or {})]
    assert found, f"{case.field} does not show: {changes}"
    was = drifted.shown[case.name]
    assert was is ANY or found[0]["before"][case.field] == was
    assert any(c["after"] is None or c["after"].get(case.field) != was for c in found)
    outcomes = [o for o in drifted.mended["outcomes"] if o["address"] == case.address]
    assert {o["status"] for o in outcomes} == {"applied"}, outcomes


def test_after_one_apply_nothing_is_left_to_mend(drifted: Drifted) -> None:
    assert drifted.after.code == 0, drifted.after.out


def test_only_the_certificate_that_somebody_put_in_place_of_the_holders_is_revoked(drifted: Drifted) -> None:
    firm = drifted.firm
    for field in ("spki", "uri-san"):
        name = f"certificate-{field}"
        assert firm.holder(name).login() == 200
        put = next(
            c["before"]["serials"]
            for c in drifted.plan["changes"]
            if c["address"].endswith(f"{name}/mtls") and "serials" in c["before"]
        )
        assert len(put) == 1
        assert firm.admin.read(f"{firm.estate.mounts.pki}/cert/{put[0]}").data["revocation_time"] > 0
    assert firm.holder(PARTNER).login() == 200


def test_there_is_a_case_for_every_field_of_every_resource_that_the_manifests_ask_for(drifted: Drifted) -> None:
    firm = drifted.firm
    managed: defaultdict[str, set[str]] = defaultdict(set)
    for resource in expand(firm.tree, firm.estate, date.today()).resources.values():
        managed[WORKLOAD if "bound_subject" in resource.fields else resource.type] |= set(resource.fields)
    covered = {(case.type, case.field) for case in CASES} | ELSEWHERE
    assert {(type_, field) for type_, fields in managed.items() for field in fields} == covered


def test_every_field_that_the_server_shows_is_managed_or_known_not_to_give_power(drifted: Drifted) -> None:
    firm, admin = drifted.firm, drifted.firm.admin
    there = entity(firm, admin, PARTNER)
    key = Key(firm, "key-deletion-allowed").read().data
    shown = {
        "vault.entity": set(there),
        "alias": set(there["aliases"][0]),
        "vault.login": set(admin.ok("GET", login_path(firm, PARTNER)).data),
        "vault.policy": set(admin.ok("GET", f"sys/policies/acl/{firm.estate.prefix}role-rfq-trader").data),
        "hsm.key": set(key) | {"backed_up", "restored"},  # `backup_info`, `restore_info`: shown where there is one
        WORKLOAD: set(admin.ok("GET", workload_login_path(firm, PARTNER)).data),
        "ca.profile": set(admin.ok("GET", f"{firm.estate.mounts.pki}/roles/trader-mtls").data),
        "ca.issuer": set(admin.ok("GET", issuer_path(firm, PARTNER)).data),
        "ca.certificate": set(admin.ok("GET", record_path(firm, PARTNER)).data),
    }
    assert shown == {kind: set(fields) for kind, fields in SERVER.items()}


def test_a_login_role_takes_no_field_that_is_not_managed_under_its_own_name_or_a_newer_one(
    drifted: Drifted,
) -> None:
    document = drifted.firm.admin.ok("GET", "sys/internal/specs/openapi").body
    path = document["paths"][f"/auth/{drifted.firm.estate.mounts.cert}/certs/{{name}}"]
    schema = path["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
    taken = set(document["components"]["schemas"][schema]["properties"])
    assert taken == {*LOGIN_FIELDS, "certificate", *OLDER_NAMES}
    assert all(document["components"]["schemas"][schema]["properties"][old]["deprecated"] for old in OLDER_NAMES)
