"""`idac show`: what the manifests want, what stands, why, and what would change."""

from __future__ import annotations

from tests.firm import ROLE, Firm


def test_one_subject_from_its_manifest_to_its_end(firm: Firm) -> None:
    firm.trader("anna")
    firm.trader("bob")
    before = firm.idac("show", "trader/anna", code=0).out
    assert "trader/anna  active\n  declared at traders/anna.yaml:1:1" in before
    assert "+ vault.entity/trader/anna  missing" in before
    assert "create ca.certificate/trader/anna/mtls (grant): no certificate is in force" in before
    firm.apply()
    standing = firm.idac("show", "trader/anna", code=0).out
    assert (
        "= vault.entity/trader/anna  as desired\n      because of role rfq-trader  (traders/anna.yaml:16:5)"
        in standing
    )
    assert "= ca.certificate/trader/anna/mtls  as desired" in standing
    assert "because of credential mtls, profile trader-mtls  (traders/anna.yaml:18:5)" in standing
    assert f"serial: {firm.holder('anna').certificate.serial}" in standing
    assert "Nothing would change." in standing and "bob" not in standing
    assert "token_ttl = 900" in firm.idac("-v", "show", "trader/anna").out
    firm.manifest("Role", "second", ROLE)
    firm.change("anna", roles=["rfq-trader", "second"])
    firm.idac("freeze", "--reason", "INC-9", code=0)
    changed = firm.idac("show", "trader/anna", code=0).out
    assert "~ vault.entity/trader/anna  differs" in changed
    assert (
        f"policies: desired [idac-{firm.name}-role-rfq-trader, idac-{firm.name}-role-second], actual [idac-"
        in changed
    )
    assert "! the estate is frozen since" in changed and "not now: grants are stopped by G12" in changed
    firm.idac("contain", "trader/anna", "--reason", "INC-4711", code=0)
    held = firm.idac("--format", "json", "show", "trader/anna", code=0).json
    assert (held["hold"]["reason"], held["frozen"]["reason"]) == ("INC-4711", "INC-9")
    assert {r["address"]: r["state"] for r in held["resources"]}["ca.certificate/trader/anna/mtls"] == "withheld"
    assert held["changes"] == []
    told = firm.idac("show", "trader/anna", code=0).out
    assert told.startswith("trader/anna  on hold (its manifest says active)\n")
    assert "= vault.entity/trader/anna  without power, as it must be" in told
    assert "· ca.certificate/trader/anna/mtls  not given" in told and "missing" not in told
    firm.leave("anna")
    left = firm.idac("show", "trader/anna", code=0).out
    assert "trader/anna  on hold (no manifest)" in left and "- vault.entity/trader/anna  not desired" in left
    assert "delete vault.entity/trader/anna (contain): its manifest was deleted" in left


def test_who_is_suspended_is_as_desired_when_nothing_would_change(firm: Firm) -> None:
    firm.trader("anna")
    firm.apply()
    firm.change("anna", employment={"start": "2024-02-01", "status": "suspended"})
    due = firm.idac("show", "trader/anna", code=0).out
    assert "trader/anna  suspended" in due and "- ca.certificate/trader/anna/mtls  not desired" in due
    firm.apply()
    done = firm.idac("show", "trader/anna", code=0).out
    assert "= vault.entity/trader/anna  without power, as it must be" in done
    assert "not desired" not in done and "Nothing would change." in done


def test_a_rule_shows_its_holders(firm: Firm) -> None:
    firm.trader("anna", credentials=("mtls", "report"))
    shown = firm.idac("show", "role/rfq-trader", code=0).out
    assert "+ vault.policy/role/rfq-trader  missing" in shown
    assert "asked for by 1:\n    trader/anna  (traders/anna.yaml:" in shown
    profile = firm.idac("--format", "json", "show", "profile/trader-mtls", code=0).json
    assert [h["what"] for h in profile["holders"]] == ["trader/anna/mtls", "trader/anna/report"]
    assert profile["resources"][0]["address"] == "ca.profile/trader-mtls"


def test_a_tier_is_declared_and_stands_or_is_to_be_made(firm: Firm) -> None:
    body = {"aal": 2, "acr": "mfa", "methods": ["totp"], "enforcedBy": ["vault"]}
    head = {"apiVersion": "idac/v1", "kind": "MfaTier", "metadata": {"name": "otp"}}
    firm.write("tiers/otp.yaml", {**head, "spec": body})
    firm.trader("anna", mfaTier="otp")
    for name in ("mfatier/otp", "tier/otp"):
        shown = firm.idac("show", name, code=0).out
        assert shown.startswith("mfatier/otp  active\n  declared at tiers/otp.yaml:1:1")
        assert "+ vault.mfa/otp  missing" in shown and "create vault.mfa/otp (govern)" in shown
        assert "asked for by 1:\n    trader/anna" in shown


def test_a_manifest_in_doubt_and_a_name_that_nobody_has(firm: Firm) -> None:
    firm.trader("anna")
    firm.change("anna", entityLei="nonsense")
    shown = firm.idac("show", "trader/anna", code=0).out
    assert "its manifest is invalid: nothing is changed for it" in shown
    assert "spec.entityLei must be an LEI" in shown
    assert "nothing is known of trader/nobody" in firm.idac("show", "trader/nobody", code=1).err
    assert "did you mean `trader/anna`?" in firm.idac("show", "trader/ana", code=1).err
    firm.idac("show", "nothing/anna", code=64)
