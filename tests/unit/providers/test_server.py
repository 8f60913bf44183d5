"""Which server, and who says so: a secret goes to no address that a pull request alone could have written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import InvalidInput
from reconciler.providers.registry import bootstrap_estate
from reconciler.providers.vault.login import Logins
from reconciler.providers.vault.server import find_server, noted_login
from reconciler.providers.vault.wire import Pool
from tests.openbao import make_estate

NOWHERE = "https://127.0.0.1:9"
OTHER = "https://vault.example:8200"


def note(root: Path, name: str, said: Mapping[str, Any]) -> None:
    file = root / ".idac" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(said))
    file.chmod(0o600)


def test_the_environment_comes_before_idac_yaml_and_that_before_the_trial_server(tmp_path: Path) -> None:
    note(tmp_path, "server.json", {"address": NOWHERE, "ca_cert": "/ca"})
    bare, named = make_estate(tmp_path, "x"), make_estate(tmp_path, "x", target={"address": OTHER})
    found = [
        find_server(named, {"VAULT_ADDR": "https://a.example"}),
        find_server(named, {}),
        find_server(bare, {}),
    ]
    assert [s.address for s in found] == ["https://a.example", OTHER, NOWHERE]
    assert [s.named_by for s in found] == ["environment", "idac.yaml", "trial server"]
    assert found[2].ca_cert == "/ca"
    again = find_server(bare, {"VAULT_ADDR": NOWHERE})
    assert ["idac dev up" in s.remedy for s in (*found, again)] == [False, False, True, True]


def test_a_trial_server_elsewhere_is_refused(tmp_path: Path) -> None:
    note(tmp_path, "server.json", {"address": OTHER})
    with pytest.raises(InvalidInput, match="on this machine alone"):
        find_server(make_estate(tmp_path, "x"), {})


@pytest.mark.parametrize(
    ("login", "environ", "secret"),
    [
        (None, {"VAULT_TOKEN": "canary"}, "VAULT_TOKEN"),
        (
            {"method": "token", "token": {"env": "CI_SECRET"}},
            {"CI_SECRET": "canary"},
            "token of target.logins.plan",
        ),
        ({"method": "token", "token": {"file": "/etc/hostname"}}, {}, "token of target.logins.plan"),
        ({"method": "jwt", "role": "r", "token": {"env": "CI_SECRET"}}, {"CI_SECRET": "canary"}, "token of"),
        ({"method": "approle", "roleId": {"env": "A"}, "secretId": {"env": "A"}}, {"A": "canary"}, "role_id of"),
    ],
)
def test_no_secret_goes_to_an_address_that_only_idac_yaml_names(
    tmp_path: Path, login: dict[str, Any] | None, environ: dict[str, str], secret: str
) -> None:
    logins = {"plan": login} if login else {}
    estate = make_estate(tmp_path, "x", target={"address": NOWHERE, "logins": logins})
    with Logins(estate, environ) as run, pytest.raises(InvalidInput, match=secret) as refused:
        run.client("plan")
    assert "VAULT_ADDR" in str(refused.value)
    assert "canary" not in str(refused.value)
    assert not run.counts


def test_a_login_of_bootstrap_goes_only_to_the_server_it_is_for(tmp_path: Path) -> None:
    said = {"address": NOWHERE, "mount": "m", "role_id": "r", "secret_id": "canary"}
    note(tmp_path, "logins/plan.json", said)
    same, other = (make_estate(tmp_path, "x", target={"address": a}) for a in (NOWHERE, OTHER))
    assert noted_login(same, "plan", find_server(same, {})) == said
    with pytest.raises(InvalidInput, match=r"which is for https://127\.0\.0\.1:9"):
        noted_login(other, "plan", find_server(other, {}))
    assert noted_login(other, "plan", find_server(other, {"VAULT_ADDR": OTHER})) == said  # somebody said so


def test_an_administrators_token_goes_to_no_address_that_only_idac_yaml_names(tmp_path: Path) -> None:
    estate = make_estate(tmp_path, "x", target={"address": NOWHERE})
    with pytest.raises(InvalidInput, match="VAULT_TOKEN would be sent"):
        bootstrap_estate(estate, {"VAULT_TOKEN": "canary"})


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidInput) as refused:
        Pool("https://user:canary@vault.example:8200")
    assert "canary" not in str(refused.value)
