"""The HSM provider on the real transit engine: requests that openssl verifies, and what its writer refuses."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from reconciler.errors import Refused, Rejected
from reconciler.model.change import Action, Change, Phase
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Fields, Resource
from reconciler.providers.hsm.resources import key
from reconciler.providers.hsm.seen import resource
from reconciler.providers.hsm.tokens import tokens
from reconciler.providers.hsm.transit import TYPES, TransitToken, stored
from reconciler.providers.hsm.writer import HsmWriter
from reconciler.providers.protocol import Answer
from reconciler.providers.vault.runners import KEY_TYPES
from reconciler.x509 import read_csr
from tests.integration.ca_world import World, a_world
from tests.openbao import Server

pytestmark = pytest.mark.openbao


@pytest.fixture(scope="module")
def world(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(shared_openbao, tmp_path_factory.mktemp("hsm")) as made:
        yield made


def desired(world: World, name: str, algorithm: str = "ec-p256") -> Resource:
    subject, (token,) = SubjectRef("trader", name), world.estate.spec.hsm_tokens
    return key(world.estate, subject, "signing", token, algorithm, None)


def change(
    wanted: Resource, action: Action = "create", actual: Resource | None = None, after: Fields | None = None
) -> Change:
    phase: Phase = "grant" if action in ("create", "rotate", "update") else "contain"
    return Change(wanted.address, wanted.subject, action, phase, "why", after=after, desired=wanted, actual=actual)


def writer(world: World) -> HsmWriter:
    return HsmWriter(tokens(world.estate, world.clients), world.estate)


def seen(world: World, wanted: Resource) -> Resource:
    (token,) = tokens(world.estate, world.clients).values()
    there = token.read(str(wanted.fields["name"]))
    assert there is not None
    return resource(world.estate, token, there)


def test_the_grant_login_may_make_every_type_that_profiles_ask_for() -> None:
    assert sorted(TYPES.values()) == sorted(KEY_TYPES)


@pytest.mark.parametrize("algorithm", ["ec-p256", "ec-p384", "rsa-2048"])
def test_a_request_that_the_token_signed_is_verified_by_openssl(world: World, algorithm: str) -> None:
    wanted = desired(world, f"req-{algorithm}", algorithm)
    made = writer(world).apply(change(wanted), {})
    pem = writer(world).request(wanted.address, str(made["spki"]))
    done = subprocess.run(
        ["openssl", "req", "-verify", "-noout"], input=pem.encode(), capture_output=True, check=True
    )
    assert b"verify OK" in done.stdout + done.stderr
    csr = read_csr(pem)
    assert f"{csr.key_type}-{'p' if csr.key_type == 'ec' else ''}{csr.key_bits}" == algorithm
    assert csr.spki == made["spki"]


def test_a_request_for_another_key_than_was_planned_is_refused(world: World) -> None:
    wanted = desired(world, "other")
    made = writer(world).apply(change(wanted), {})
    writer(world).apply(change(wanted, "rotate", seen(world, wanted)), {})
    with pytest.raises(Rejected, match="changed since it was observed"):
        writer(world).request(wanted.address, str(made["spki"]))


def test_a_renewal_told_twice_makes_one_version(world: World) -> None:
    wanted = desired(world, "twice")
    writer(world).apply(change(wanted), {})
    once = change(wanted, "rotate", seen(world, wanted))
    first, second = writer(world).apply(once, {}), writer(world).apply(once, {})
    assert first == second
    assert [*first["versions"]] == ["1", "2"]


def test_versions_are_retired_once_and_only_below_the_newest(world: World) -> None:
    wanted = desired(world, "retire")
    writer(world).apply(change(wanted), {})
    writer(world).apply(change(wanted, "rotate", seen(world, wanted)), {})
    retire = change(wanted, "revoke", seen(world, wanted), after={"version": "2"})
    for _ in range(2):
        assert [*writer(world).apply(retire, {})["versions"]] == ["2"]
    writer(world).apply(change(wanted, "rotate", seen(world, wanted)), {})
    with pytest.raises(Rejected, match="other versions than 2"):
        writer(world).apply(retire, {})


def test_a_key_that_is_deactivated_can_still_be_retired_destroyed_or_activated(world: World) -> None:
    wanted = desired(world, "asleep")
    writer(world).apply(change(wanted), {})
    before = seen(world, wanted)
    deactivate = change(wanted, "revoke", before, after={"state": "deactivated"})
    for _ in range(2):
        writer(world).apply(deactivate, {})
    asleep = seen(world, wanted)
    assert asleep.fields["state"] == "deactivated"
    for _ in range(2):
        writer(world).apply(change(wanted, "update", asleep), {})
    assert seen(world, wanted) == before
    writer(world).apply(deactivate, {})
    for _ in range(2):
        writer(world).apply(change(wanted, "delete", asleep), {})
    (token,) = tokens(world.estate, world.clients).values()
    assert token.read(str(wanted.fields["name"])) is None


def test_a_token_that_idac_yaml_does_not_name_is_refused_by_name(world: World) -> None:
    wanted = desired(world, "nowhere")
    elsewhere = replace(wanted, address=wanted.address.replace("/trade", "/ops"))
    with pytest.raises(Refused, match="there is no HSM token ops"):
        writer(world).apply(change(elsewhere), {})


@pytest.mark.parametrize("keys", [["1"], {"first": {}}, "1"])
def test_an_engine_that_answers_otherwise_is_refused(keys: object) -> None:
    with pytest.raises(Rejected, match=r"does not say .* which versions"):
        stored("x", Answer(200, {"data": {"type": "ecdsa-p256", "keys": keys}}))


@pytest.mark.parametrize("keys", [{}, {"1": 1700000000}, {"1": {"public_key": "x", "creation_time": "y"}}])
def test_a_key_whose_public_part_cannot_be_read_counts_as_one_that_may_be_somewhere_else(
    world: World, keys: object
) -> None:
    (token,) = tokens(world.estate, world.clients).values()
    there = stored("x", Answer(200, {"data": {"type": "ecdsa-p256", "keys": keys}}))
    assert "versions" in resource(world.estate, token, there).facts["burnt"]


def test_a_mount_that_is_no_transit_engine_is_no_token(world: World) -> None:
    wrong = TransitToken(world.clients, "wrong", world.estate.mounts.kv)
    with pytest.raises(Rejected, match="no transit engine is mounted"):
        wrong.identity()
