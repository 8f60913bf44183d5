"""Bootstrap makes an estate's mounts, logins and probe once, and mends what somebody changed."""

from __future__ import annotations

import itertools
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.errors import InvalidInput, Rejected
from reconciler.model.estate import Estate
from reconciler.providers.vault.bootstrap import bootstrap
from reconciler.providers.vault.policies import grant_document
from reconciler.providers.vault.resources import document
from reconciler.providers.vault.runners import LIFE, POLICIES
from tests.openbao import PlainClient, Raw, Server, fresh_estate, log_in, make_estate

pytestmark = pytest.mark.openbao


def _timeless(data: dict[str, object]) -> dict[str, object]:
    changing = {"aliases", "last_update_time", "modified", "version"}
    return {name: value or None for name, value in data.items() if name not in changing}


def everything(admin: Raw, estate: Estate) -> dict[str, object]:
    """All that bootstrap makes, as the server shows it."""
    mounts = estate.mounts
    paths = [f"sys/auth/{mounts.cert}/tune", f"sys/auth/{mounts.run}/tune", f"auth/{mounts.cert}/config"]
    paths += [f"{mounts.kv}/config", f"auth/{mounts.cert}/certs/idac-probe"]
    paths += [f"auth/{mounts.run}/role/{identity}" for identity in POLICIES]
    paths += [f"identity/entity/name/{estate.prefix}probe"]
    paths += [f"sys/policies/acl/{estate.prefix}{n}" for n in ("plan", "contain", "grant", "issue", "govern")]
    shown: dict[str, object] = {path: _timeless(admin.ok("GET", path).data) for path in paths}
    for identity in POLICIES:
        role = f"auth/{mounts.run}/role/{identity}/secret-id"
        shown[role] = admin.ok("LIST", role).data
    logins = Path(estate.root) / ".idac" / "logins"
    return shown | {file.name: file.read_text() for file in logins.iterdir()}


def test_the_second_bootstrap_changes_nothing(admin: Raw, estate: Estate) -> None:
    before = everything(admin, estate)
    assert bootstrap(PlainClient(admin), estate, admin.address) == ()
    assert everything(admin, estate) == before


def test_every_identity_logs_in_with_its_own_policies_and_a_bounded_life(openbao: Server, estate: Estate) -> None:
    for identity, suffixes in POLICIES.items():
        raw = log_in(openbao, estate, identity)
        token = raw.ok("GET", "auth/token/lookup-self").data
        raw.close()
        assert token["policies"] == [f"{estate.prefix}{suffix}" for suffix in suffixes]  # and not "default"
        assert token["explicit_max_ttl"] == LIFE[identity]
        assert (token["type"], token["orphan"]) == ("service", True)


def test_only_the_owner_can_read_the_logins(estate: Estate) -> None:
    logins = Path(estate.root) / ".idac" / "logins"
    assert stat.S_IMODE(logins.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in logins.iterdir()} == {0o600}
    assert set(json.loads((logins / "plan.json").read_text())) == {"address", "mount", "role_id", "secret_id"}


def test_a_lost_login_is_made_again_and_only_that(openbao: Server, admin: Raw, estate: Estate) -> None:
    logins = Path(estate.root) / ".idac" / "logins"
    (logins / "grant.json").unlink()
    (logins / "govern.json").write_text("{")
    assert bootstrap(PlainClient(admin), estate, admin.address) == ("login grant", "login govern")
    log_in(openbao, estate, "grant").close()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("auth/{mounts.run}/role/plan", {"token_policies": "root", "token_explicit_max_ttl": 0}),
        ("auth/{mounts.cert}/certs/idac-probe", {"token_policies": "root"}),
        ("auth/{mounts.cert}/config", {"disable_binding": True}),
        ("sys/auth/{mounts.cert}/tune", {"listing_visibility": "unauth", "max_lease_ttl": "9000h"}),
        ("sys/policies/acl/{prefix}contain", {"policy": '{"path":{"*":{"capabilities":["sudo","update"]}}}'}),
        ("identity/entity/name/{prefix}probe", {"policies": "somebody-else"}),
    ],
)  # fmt: skip
def test_what_somebody_changed_is_mended(admin: Raw, estate: Estate, path: str, body: dict[str, object]) -> None:
    before = everything(admin, estate)
    admin.ok("POST", path.format(mounts=estate.mounts, prefix=estate.prefix), body)
    assert bootstrap(PlainClient(admin), estate, admin.address) == (
        path.format(mounts=estate.mounts, prefix=estate.prefix),
    )
    assert everything(admin, estate) == before


def test_the_grant_policy_is_left_to_govern_once_it_stands(admin: Raw, estate: Estate) -> None:
    path = f"sys/policies/acl/{estate.prefix}grant"
    admin.ok("POST", path, {"policy": '{"path":{}}'})
    assert bootstrap(PlainClient(admin), estate, admin.address) == ()
    assert admin.ok("GET", path).data["policy"] == '{"path":{}}'


def test_a_mount_of_another_type_is_refused(openbao: Server, admin: Raw, tmp_path: Path) -> None:
    estate = make_estate(tmp_path, "clash")
    admin.ok("POST", f"sys/mounts/{estate.mounts.kv}", {"type": "transit"})
    with pytest.raises(Rejected, match="type transit, not kv"):
        bootstrap(PlainClient(admin), estate, admin.address)


def test_an_estate_whose_policies_look_like_another_estates_roles_is_refused(admin: Raw, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="could not be told"):
        bootstrap(PlainClient(admin), make_estate(tmp_path, "prod-role"), "https://127.0.0.1:1")


def test_two_estates_stand_side_by_side(openbao: Server, tmp_path: Path) -> None:
    first, second = (fresh_estate(openbao, tmp_path / name) for name in ("a", "b"))
    planner = log_in(openbao, first, "plan")
    assert planner.list(f"{first.mounts.pki}/roles").keys == ["idac-probe"]
    assert planner.list(f"{second.mounts.pki}/roles").status == 403
    planner.close()


def test_two_at_once_on_one_machine_wait_for_each_other(openbao: Server, tmp_path: Path) -> None:
    spec = {"trustDomain": "trading.example"}
    document = {"apiVersion": "idac/v1", "kind": "Estate", "metadata": {"name": "twice"}, "spec": spec}
    (tmp_path / "idac.yaml").write_text(json.dumps(document))
    command = [sys.executable, "-m", "reconciler.cli.main", "--config", str(tmp_path / "idac.yaml"), "bootstrap"]
    environ = {**os.environ, **openbao.environ, "PYTHONPATH": os.getcwd()}
    runs = [subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate(timeout=120)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    raw = openbao.raw()
    issuers = raw.ok("LIST", "idac-twice-pki/issuers").data["key_info"].values()
    raw.close()
    assert len([i for i in issuers if i["key_id"]]) == 1


def test_the_longest_policy_that_idac_makes_is_kept_by_the_server(estate: Estate, admin: Raw) -> None:
    roles = [f"role{number:02}" for number in range(16)]
    combinations = list(itertools.combinations(roles, 8))[::100]
    count = len(combinations)
    while count:
        try:
            text = document(grant_document(estate, {"trader": combinations[:count]}))
            break
        except InvalidInput:
            count -= 1
    assert len(json.dumps(text)) > 1_000_000
    path = f"sys/policies/acl/{estate.prefix}grant"
    admin.ok("POST", path, {"policy": text})
    assert admin.read(path).data["policy"] == text
