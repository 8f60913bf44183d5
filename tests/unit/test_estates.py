"""The estates that other tests use are valid, and expand to what they say."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from reconciler.expand import expand
from reconciler.load import find_estate, load, load_estate
from reconciler.model.manifest import SubjectRef
from reconciler.rules.estate import check
from tests.estates import write_estate, write_trader

TODAY = date(2026, 11, 25)


def test_a_generated_estate_has_no_errors_and_everything_its_traders_ask_for(tmp_path: Path) -> None:
    write_estate(tmp_path, 3)
    estate = load_estate(find_estate(tmp_path))
    tree = load(estate)
    desired = expand(tree, estate, TODAY)
    findings = (*tree.findings, *check(tree, estate, TODAY), *desired.findings)
    assert [f for f in findings if f.severity != "info"] == []
    assert tree.absence_is_intent
    assert sorted(desired.resources) == [
        "ca.certificate/trader/t00000/mtls",
        "ca.certificate/trader/t00001/mtls",
        "ca.certificate/trader/t00002/mtls",
        "ca.crl",
        "ca.profile/trader-mtls",
        "vault.entity/trader/t00000",
        "vault.entity/trader/t00001",
        "vault.entity/trader/t00002",
        "vault.login/trader/t00000/mtls",
        "vault.login/trader/t00001/mtls",
        "vault.login/trader/t00002/mtls",
        "vault.policy/role/order-entry",
        "vault.policy/role/rfq-trader",
        "vault.policy/runner/grant",
    ]


def test_a_leaver_and_a_suspended_trader_keep_a_lifecycle_and_nothing_else(tmp_path: Path) -> None:
    write_estate(tmp_path, 2)
    write_trader(tmp_path, 0, status="left", new_key=False)
    write_trader(tmp_path, 1, status="suspended", new_key=False)
    estate = load_estate(tmp_path / "idac.yaml")
    desired = expand(load(estate), estate, TODAY)
    assert desired.lifecycles == {
        SubjectRef("trader", "t00000"): "left",
        SubjectRef("trader", "t00001"): "suspended",
    }
    assert not [r for r in desired.resources.values() if r.subject is not None]
