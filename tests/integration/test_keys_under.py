"""Asking for one subject's keys out of a collection of many."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.model.estate import Estate
from reconciler.model.secret import Secret
from reconciler.providers.vault.client import FEW, HttpClient
from reconciler.providers.vault.transport import Transport
from reconciler.providers.vault.wire import Pool
from tests.openbao import Server, fresh_estate


@pytest.fixture(scope="module")
def estate(openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Estate:
    return fresh_estate(openbao, tmp_path_factory.mktemp("keys") / "estate")


@pytest.fixture
def client(openbao: Server) -> Iterator[HttpClient]:
    transport = Transport(Pool(openbao.address, str(openbao.ca_cert)))
    yield HttpClient(transport, Secret(openbao.root_token), who="root")
    transport.close()


@pytest.mark.parametrize("count", [0, 1, FEW - 1, FEW, FEW + 1, 2 * FEW])
def test_exactly_the_keys_of_one_subject_are_found_among_their_neighbours(
    client: HttpClient, estate: Estate, count: int
) -> None:
    folder = f"{estate.mounts.kv}/metadata/found-{count}"
    own = [f"trader.jdoe.c{n:03}" for n in range(count)]
    neighbours = ["bot.jdoe.mtls", "trader.jdo.mtls", "trader.jdoe-2.mtls", "trader.jdoe2.mtls", "trader.zoe.mtls"]
    for name in (*own, *neighbours):
        client.write(f"{folder}/{name}", {"custom_metadata": {"a": "b"}})
    client.counts.clear()
    assert client.keys_under(folder, "trader.jdoe.") == own
    assert client.counts.total() <= count // FEW + 2


def test_a_key_that_is_the_prefix_itself_is_found(client: HttpClient, estate: Estate) -> None:
    folder = f"{estate.mounts.kv}/metadata/odd"
    for name in ("trader.jdoe", "trader.jdoe.", "trader.jdoe.a"):
        client.write(f"{folder}/{name}", {"custom_metadata": {"a": "b"}})
    assert client.keys_under(folder, "trader.jdoe.") == ["trader.jdoe.", "trader.jdoe.a"]


def test_nothing_there_has_no_keys(client: HttpClient, estate: Estate) -> None:
    assert client.keys_under(f"{estate.mounts.kv}/metadata/nowhere", "trader.jdoe.") == []


def test_an_endpoint_that_does_not_page_gives_the_same_keys(client: HttpClient, estate: Estate) -> None:
    names = [f"{estate.prefix}role-r{n:03}" for n in range(FEW)]
    for name in names:
        client.write(f"sys/policies/acl/{name}", {"policy": "{}"})
    assert client.keys_under("sys/policies/acl", f"{estate.prefix}role-") == names
