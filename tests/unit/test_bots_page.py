"""What docs/bots.md quotes is valid: its bot, with the issuer that it names."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import yaml

from reconciler.expand import expand
from reconciler.load import load, load_estate
from reconciler.rules.estate import check
from tests.firm import LEI, ROLE
from tests.workloads import PROFILE

PAGE = Path(__file__).parents[2] / "docs" / "bots.md"


def blocks() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_bot_of_the_page_is_valid_in_an_estate_with_the_pages_issuer(tmp_path: Path) -> None:
    bot, issuers = blocks()
    named = yaml.safe_load(issuers)["workloadIssuers"]
    for issuer in named:
        issuer.pop("caCert")  # of a server that is none
    spec = {"trustDomain": "meridian.example", "workloadIssuers": named}
    person = {"entityLei": LEI, "function": "risk", "employment": {"start": "2024-02-01"}}
    people = [
        {
            "apiVersion": "idac/v1",
            "kind": "Staff",
            "metadata": {"name": name},
            "spec": {"personId": name, **person},
        }
        for name in ("ines-duarte", "aiko-brandt", "leah-roth")
    ]
    rules = [
        {"apiVersion": "idac/v1", "kind": kind, "metadata": {"name": name}, "spec": body}
        for kind, name, body in (("Role", "rfq-trader", ROLE), ("CertificateProfile", "bot-mtls", PROFILE))
    ]
    estate = {"apiVersion": "idac/v1", "kind": "Estate", "metadata": {"name": "meridian"}, "spec": spec}
    (tmp_path / "idac.yaml").write_text(yaml.safe_dump(estate))
    (tmp_path / "bot.yaml").write_text(bot)
    (tmp_path / "others.yaml").write_text(yaml.safe_dump_all([*people, *rules]))
    made = load_estate(tmp_path / "idac.yaml")
    tree = load(made)
    desired = expand(tree, made, date(2026, 11, 25))
    findings = (*tree.findings, *check(tree, made, date(2026, 11, 25)), *desired.findings)
    assert [f for f in findings if f.severity != "info"] == []
    assert "vault.login/bot/mm-eurusd/spire.4-2-0" in desired.resources
