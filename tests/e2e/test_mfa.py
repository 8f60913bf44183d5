"""A tier that Vault enforces: no login without the code, from before the login role stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.model.change import Change
from reconciler.model.resource import Fields
from reconciler.providers.protocol import Known
from reconciler.providers.vault.tierwriter import TierWriter
from tests.codes import begin, enforcements, enrol, log_in, method_of
from tests.firm import Firm
from tests.openbao import Raw, a_desk
from tests.openbao import log_in as vault_log_in

pytestmark = [pytest.mark.openbao, pytest.mark.counted]


@pytest.fixture
def desk(admin: Raw, firm: Firm) -> Iterator[Firm]:
    a_desk(admin)
    yield firm
    for name in enforcements(firm):  # the server is shared, and a login looks at every enforcement
        admin.ok("DELETE", f"identity/mfa/login-enforcement/{name}")


def tier(firm: Firm, name: str = "otp", **spec: Any) -> None:
    body = {"aal": 2, "acr": "mfa", "methods": ["totp"], "enforcedBy": ["vault"], **spec}
    document = {"apiVersion": "idac/v1", "kind": "MfaTier", "metadata": {"name": name}, "spec": body}
    firm.write(f"tiers/{name}.yaml", document)


def reasons(plan: Any, type: str = "vault.mfa") -> list[tuple[str, str, str]]:
    return [(c["phase"], c["action"], c["reason"]) for c in plan["changes"] if c["address"].startswith(type)]


def test_a_joiner_under_a_tier_never_logs_in_without_the_code(desk: Firm) -> None:
    tier(desk)
    desk.trader("anna", mfaTier="otp")
    desk.trader("bob")
    result = desk.apply()
    proofs = [(p["subject"], p["status"]) for p in result["proofs"] if p["system"] == "vault.mfa"]
    assert proofs == [("mfatier/otp", "proved")]
    anna, bob = desk.holder("anna"), desk.holder("bob")
    assert bob.login() == 200 and bob.token
    token, asked = begin(anna)
    assert not token and asked
    telephone = enrol(desk, "anna", "otp")
    assert log_in(anna, telephone, "000000") == 403
    code = telephone.code()
    assert log_in(anna, telephone, code) == 200
    assert anna.read() == 200
    assert log_in(anna, telephone, code) == 403  # a code counts once
    assert desk.plan()["changes"] == []
    desk.leave("anna")
    desk.apply()
    assert anna.read() == 403
    assert desk.plan()["changes"] == []


def test_whoever_comes_under_a_tier_is_logged_out_and_needs_the_code_from_then_on(desk: Firm) -> None:
    for name in ("anna", "bob"):
        desk.trader(name)
    desk.apply()
    anna, bob = desk.holder("anna"), desk.holder("bob")
    assert (anna.login(), bob.login(), anna.read(), bob.read()) == (200, 200, 200, 200)
    tier(desk)
    desk.change("anna", mfaTier="otp")
    desk.apply()  # the tier itself is new: it is made before anybody comes under it
    assert anna.read() == 403 and bob.read() == 200
    assert begin(anna)[0] == ""
    desk.change("bob", mfaTier="otp")
    said = "trader/bob: from now on a login needs the code of MFA tier otp"
    assert reasons(desk.plan()) == [("contain", "update", said)]  # the tier stands: power is taken first
    desk.apply()
    assert bob.read() == 403
    assert begin(bob)[0] == ""
    assert desk.plan()["changes"] == []


def test_whoever_moves_is_under_the_new_tier_before_they_leave_the_old_one(desk: Firm) -> None:
    tier(desk)
    tier(desk, "long", totp={"digits": 8})
    desk.trader("anna", mfaTier="otp")
    desk.apply()
    desk.change("anna", mfaTier="long")
    result = desk.apply()
    steps = [o["address"] for o in result["outcomes"] if o["address"].startswith("vault.mfa")]
    assert steps == ["vault.mfa/long", "vault.mfa/otp"]
    anna = desk.holder("anna")
    telephone = enrol(desk, "anna", "long")
    assert telephone.digits == 8
    assert log_in(anna, telephone, telephone.code()) == 200
    assert desk.plan()["changes"] == []


def test_leaving_a_tier_is_said_aloud_and_a_tier_with_holders_does_not_vanish(desk: Firm) -> None:
    tier(desk)
    for name in ("anna", "bob"):
        desk.trader(name, mfaTier="otp")
    desk.apply()
    file = desk.root / "tiers/otp.yaml"
    text = file.read_text()
    file.unlink()
    desk.apply(code=None)  # both still name it: an error, and nobody is let off
    assert begin(desk.holder("anna"))[0] == ""
    file.write_text(text)
    assert desk.plan()["changes"] == []
    desk.change("anna", mfaTier=None)
    said = "trader/anna: nothing asks them for the code of MFA tier otp any more"
    assert reasons(desk.plan()) == [("grant", "update", said)]
    desk.apply()
    assert begin(desk.holder("anna"))[0]
    assert begin(desk.holder("bob"))[0] == ""
    file.unlink()
    desk.change("bob", mfaTier=None)
    desk.apply()
    assert begin(desk.holder("bob"))[0]
    assert enforcements(desk) == {}
    assert desk.plan()["changes"] == []


def test_a_suspension_does_not_lift_the_tier(desk: Firm) -> None:
    tier(desk)
    desk.trader("anna", mfaTier="otp")
    desk.apply()
    desk.change("anna", employment={"start": "2024-02-01", "status": "suspended"})
    desk.apply()
    assert desk.plan()["changes"] == []
    desk.change("anna", employment={"start": "2024-02-01", "status": "active"})
    desk.apply()
    assert begin(desk.holder("anna"))[0] == ""
    assert desk.plan()["changes"] == []


def test_what_somebody_loosens_is_seen_and_restored_and_whoever_slipped_in_is_logged_out(desk: Firm) -> None:
    tier(desk)
    for name in ("anna", "bob"):
        desk.trader(name, mfaTier="otp")
    desk.apply()
    ((name, one),) = enforcements(desk).items()
    path = f"identity/mfa/login-enforcement/{name}"
    entity = desk.admin.ok("GET", f"identity/entity/name/{desk.estate.prefix}trader.anna").data["id"]
    left = [e for e in one["identity_entity_ids"] if e != entity]
    desk.admin.ok("POST", path, {**one, "identity_entity_ids": left})
    anna = desk.holder("anna")
    assert anna.login() == 200 and anna.read() == 200
    desk.apply()
    assert anna.read() == 403 and begin(anna)[0] == ""
    other = desk.admin.ok("POST", "identity/mfa/method/totp", {"method_name": f"x-{desk.name}", "issuer": "x"})
    also = [*one["mfa_method_ids"], other.data["method_id"]]
    mount = desk.admin.read("sys/auth").body["data"][f"{desk.estate.mounts.cert}/"]["accessor"]
    desk.admin.ok("POST", path, {**one, "mfa_method_ids": also, "auth_method_accessors": [mount]})
    shown = next(c for c in desk.plan()["changes"] if c["address"] == "vault.mfa/otp")
    assert shown["phase"] == "contain" and len(shown["before"]["deviations"]) == 2
    desk.apply()
    mended = enforcements(desk)[name]
    assert mended["mfa_method_ids"] == [method_of(desk, "otp")["id"]]
    assert mended["auth_method_accessors"] == []
    desk.admin.ok("DELETE", path)
    desk.apply()
    assert desk.plan()["changes"] == []
    assert begin(anna)[0] == ""
    desk.admin.ok("DELETE", f"identity/mfa/method/totp/{other.data['method_id']}")


def test_whoever_logs_in_while_the_tier_is_being_made_is_logged_out_all_the_same(
    desk: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("anna", "bob"):
        desk.trader(name)
    desk.apply()
    anna = desk.holder("anna")
    assert desk.holder("bob").login() == 200
    tier(desk)
    desk.change("anna", mfaTier="otp")
    desk.leave("bob")  # the run looks for his tokens before anybody is under the tier
    plainly, logins = TierWriter.apply, []

    def meanwhile(self: TierWriter, change: Change, known: Known) -> Fields:
        if change.phase == "govern":
            logins.append(anna.login())
        return plainly(self, change, known)

    monkeypatch.setattr(TierWriter, "apply", meanwhile)
    assert desk.apply()["status"] == "complete"
    assert logins == [200] and anna.read() == 403
    assert begin(anna)[0] == ""


def test_an_enforcement_with_another_method_is_put_right_and_ends_what_it_let_in_frozen_or_not(desk: Firm) -> None:
    tier(desk)
    tier(desk, "weak")
    desk.trader("anna", mfaTier="otp")
    desk.trader("bob", mfaTier="weak")
    desk.apply()
    anna, telephone = desk.holder("anna"), enrol(desk, "anna", "weak")
    (name,) = (n for n in enforcements(desk) if ".otp" in n)
    standing, weak = enforcements(desk)[name], method_of(desk, "weak")["id"]
    nobody = {"auth_method_accessors": "", "auth_method_types": "", "identity_group_ids": ""}
    body = {"mfa_method_ids": [weak], "identity_entity_ids": standing["identity_entity_ids"], **nobody}
    grant = vault_log_in(desk.server, desk.estate, "grant")
    grant.ok("POST", f"identity/mfa/login-enforcement/{name}", body)
    grant.close()
    assert (log_in(anna, telephone, telephone.code()), anna.read()) == (200, 200)
    desk.idac("freeze", "--reason", "INC-3", code=0)
    desk.apply(code=None)
    assert anna.read() == 403
    assert enforcements(desk)[name]["mfa_method_ids"] == [method_of(desk, "otp")["id"]]
    desk.idac("thaw", "--reason", "INC-3", "--auto-approve", code=0)
    assert desk.plan()["changes"] == []


def test_every_field_of_the_method_is_managed(desk: Firm) -> None:
    tier(desk)
    desk.apply()
    there = method_of(desk, "otp")
    other = {"issuer": "x", "algorithm": "SHA512", "digits": 8, "period": 60, "skew": 0, "key_size": 32}
    other |= {"qr_size": 0, "max_validation_attempts": 9}
    shown = {"type", "id", "name", "namespace_id", "namespace_path"}
    assert there.keys() == other.keys() | shown  # a field that nobody judged fails here
    desk.admin.ok("POST", "identity/mfa/method/totp", {"method_name": there["name"], **other})
    change = next(c for c in desk.plan()["changes"] if c["address"] == "vault.mfa/otp")
    assert (change["before"], change["phase"]) == (other, "govern")
    desk.apply()
    assert method_of(desk, "otp") == there
    assert desk.plan()["changes"] == []


def test_an_enforcement_on_the_runners_own_mount_is_named_as_what_locks_them_out(desk: Firm) -> None:
    method = desk.admin.ok("POST", "identity/mfa/method/totp", {"method_name": f"x-{desk.name}", "issuer": "x"})
    mount = desk.admin.read("sys/auth").body["data"][f"{desk.estate.mounts.run}/"]["accessor"]
    path = f"identity/mfa/login-enforcement/x-{desk.name}"
    desk.admin.ok("POST", path, {"mfa_method_ids": [method.data["method_id"]], "auth_method_accessors": [mount]})
    said = desk.idac("plan", code=1).err
    desk.admin.ok("DELETE", path)
    assert "was answered without a token: it was asked for a second factor" in said
    assert f"take auth/{desk.estate.mounts.run} out of the login enforcement" in said


def test_where_the_server_lets_the_probe_in_nothing_is_granted_under_the_tier(desk: Firm) -> None:
    tier(desk)
    desk.trader("anna", mfaTier="otp")
    desk.apply()
    probe = desk.admin.ok("GET", f"identity/entity/name/{desk.estate.prefix}probe-mfa").data
    # Without its alias the probe logs in as somebody whom no tier holds: so would any subject.
    desk.admin.ok("DELETE", f"identity/entity-alias/id/{probe['aliases'][0]['id']}")
    desk.trader("bob", mfaTier="otp")
    desk.trader("carl")
    result = desk.apply(code=5)
    applied = {o["subject"] for o in result["outcomes"] if o["phase"] == "grant" and o["status"] == "applied"}
    assert "trader/carl" in applied and "trader/bob" not in applied
    assert [p["status"] for p in result["proofs"] if p["system"] == "vault.mfa"] == ["failed"]
    assert "the probe was given a token without a code" in str(result["outcomes"])
    desk.environ, environ = desk.server.environ, desk.environ
    desk.idac("-q", "bootstrap", code=0)
    desk.environ = environ
    desk.apply()
    assert desk.plan()["changes"] == []
    assert begin(desk.holder("bob"))[0] == ""
