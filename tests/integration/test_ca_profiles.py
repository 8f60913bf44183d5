"""PKI roles, pinned field by field, on the real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import InvalidInput
from reconciler.providers.ca.bootstrap import bootstrap_ca
from reconciler.providers.ca.resources import PROBE_ROLE, READ_ONLY, ROLE_FIELDS, Profile, profile
from tests.drift.rules import pki_role
from tests.integration.ca_world import Killed, Watched, World, a_world
from tests.openbao import Server, make_estate

pytestmark = pytest.mark.openbao


@pytest.fixture(scope="module")
def world(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(shared_openbao, tmp_path_factory.mktemp("ca-profiles")) as made:
        made.settle()
        yield made


@pytest.mark.parametrize("field", [f for f in ROLE_FIELDS if f != READ_ONLY])
def test_a_field_changed_behind_the_tools_back_shows_as_drift_and_is_mended(world: World, field: str) -> None:
    wanted = dict(profile(world.estate, world.profile).fields)
    body = {n: v for n, v in wanted.items() if n != READ_ONLY}
    issuer = world.client.read(f"{world.estate.mounts.pki}/issuer/default").data["issuer_id"]
    changed = pki_role(field, wanted, issuer)
    world.client.write(
        f"{world.estate.mounts.pki}/roles/{world.profile.name}", {**body, **changed}, tolerate=("",)
    )

    (change,) = world.plan()

    assert (change.address, change.action, change.phase) == (
        f"ca.profile/{world.profile.name}",
        "update",
        "govern",
    )
    assert change.before == changed
    world.writer().apply(change, {})
    assert world.plan() == []


def test_every_field_that_the_server_has_is_pinned(world: World) -> None:
    shown = world.client.read(f"{world.estate.mounts.pki}/roles/{world.profile.name}").data
    assert tuple(sorted(shown)) == ROLE_FIELDS


def test_every_pinned_field_is_one_that_the_servers_openapi_document_names(world: World) -> None:
    document = world.client.read("sys/internal/specs/openapi").body
    path = document["paths"][f"/{world.estate.mounts.pki}/roles/{{name}}"]
    name = path["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
    assert set(ROLE_FIELDS) - set(document["components"]["schemas"][name]["properties"]) == {READ_ONLY}


def test_a_role_that_no_manifest_explains_is_deleted(world: World) -> None:
    world.client.write(f"{world.estate.mounts.pki}/roles/backdoor", {"allow_any_name": True}, tolerate=("",))
    (change,) = world.run()
    assert (change.address, change.action, change.phase) == ("ca.profile/backdoor", "delete", "govern")
    assert world.plan() == []


def test_a_deleted_role_is_made_again(world: World) -> None:
    world.client.delete(f"{world.estate.mounts.pki}/roles/{world.profile.name}")
    assert [c.action for c in world.run()] == ["create"]
    assert world.plan() == []


def test_the_probes_role_is_no_profile_and_its_name_is_reserved(world: World) -> None:
    assert world.client.read(f"{world.estate.mounts.pki}/roles/{PROBE_ROLE}").found
    assert f"ca.profile/{PROBE_ROLE}" not in world.actual().resources
    with pytest.raises(InvalidInput, match="reserved"):
        profile(world.estate, Profile(PROBE_ROLE, ("trader",), 3600))


def test_an_unknown_key_usage_is_refused_before_it_reaches_the_server(world: World) -> None:
    with pytest.raises(InvalidInput, match="digital_signature"):
        profile(world.estate, Profile("p", ("trader",), 3600, key_usages=("digital_signature",)))


def test_bootstrap_told_twice_changes_nothing_the_second_time(world: World) -> None:
    world.watch.calls.clear()
    bootstrap_ca(Watched(world.client, world.watch), world.estate, world.server.address)
    assert [call for call in world.watch.calls if not call.startswith(("GET", "LIST"))] == []


def test_bootstrap_killed_at_every_call_and_run_again_makes_one_root_and_one_issuing_ca(
    world: World, tmp_path: Path
) -> None:
    client = Watched(world.client, world.watch)
    for index in range(30):
        estate = make_estate(tmp_path, f"boot-{index}")
        world.watch.arm(index, "after")
        try:
            bootstrap_ca(client, estate, world.server.address)
            assert index > 5
            break
        except Killed:
            world.watch.disarm()
            bootstrap_ca(client, estate, world.server.address)
        for mount in (estate.mounts.root, estate.mounts.pki):
            assert len(client.list(f"{mount}/issuers").keys) == 1
            assert len(client.list(f"{mount}/keys").keys) == 1
    world.watch.disarm()
