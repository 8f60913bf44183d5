"""Collections of many keys: every page of them, or one subject's keys alone."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from reconciler.model.estate import Estate
from reconciler.model.secret import Secret
from reconciler.providers.ca.authority import inventory
from reconciler.providers.vault import listing, wire
from reconciler.providers.vault.client import HttpClient
from reconciler.providers.vault.listing import FEW
from reconciler.providers.vault.transport import Transport
from reconciler.providers.vault.wire import Pool
from reconciler.x509 import new_key_and_csr
from tests.openbao import Server, fresh_estate


@pytest.fixture(scope="module")
def estate(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Estate:
    return fresh_estate(shared_openbao, tmp_path_factory.mktemp("keys") / "estate")


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


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 18, 19])
@pytest.mark.parametrize("where", ["metadata", "detailed-metadata"])
def test_pages_put_together_are_everything(
    client: HttpClient, estate: Estate, count: int, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE", 6)
    names = [f"k{n:03}" for n in range(count)]
    for name in names:
        client.write(f"{estate.mounts.kv}/metadata/pages-{count}/{name}", {"custom_metadata": {"a": name}})
    answer = client.list(f"{estate.mounts.kv}/{where}/pages-{count}")
    assert list(answer.keys) == names
    if where == "detailed-metadata":
        shown = answer.data.get("key_info") or {}
        assert {name: info["custom_metadata"]["a"] for name, info in shown.items()} == {n: n for n in names}


def test_no_certificate_is_lost_between_two_pages(
    client: HttpClient, estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.write(
        f"{estate.mounts.pki}/roles/pages",
        {"allow_any_name": True, "enforce_hostnames": False, "ttl": "1h", "key_type": "ec"},
    )
    body = {"csr": new_key_and_csr("page")[1]}
    made = {client.write(f"{estate.mounts.pki}/sign/pages", body).data["serial_number"] for _ in range(120)}
    gone = sorted(made)[::2]
    for serial in gone:
        client.write(f"{estate.mounts.pki}/revoke", {"serial_number": serial})
    monkeypatch.setattr(listing, "PAGE", 7)
    there = inventory(client, estate)
    assert made <= there.ends.keys()
    assert there.revoked >= set(gone)


def test_answers_are_let_go_of_without_a_collection(client: HttpClient, estate: Estate) -> None:
    gc.collect()
    gc.disable()
    try:
        assert all(answer.found for _, answer in client.read_many(["sys/health"] * 300))
        assert not [one for one in gc.get_objects() if isinstance(one, wire._Answers)]
    finally:
        gc.enable()
