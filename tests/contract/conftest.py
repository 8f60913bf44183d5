"""Every provider under contract: the real ones on the real server, on one that answers as Vault, and the model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.contract.in_memory import InMemory
from tests.contract.on_server import OnServer
from tests.contract.stage import Stage
from tests.integration.ca_world import a_world
from tests.keys import TOKENS
from tests.openbao import Servers, make_estate
from tests.vaultlike import AsVault
from tests.weather import weather
from tests.workloads import WorkloadIssuer

PROVIDERS = ("vault", "ca", "hsm")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """From a server that answers as Vault one reads in other ways, and writes in the same."""
    if "stage" in metafunc.fixturenames:
        reading = metafunc.module.__name__.endswith("test_readers")
        targets = ("server", "vault", "memory") if reading else ("server", "memory")
        metafunc.parametrize("stage", targets, indirect=True, scope="package")


@pytest.fixture(scope="package")
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One target for the whole suite; every test brings its own subject."""
    home = tmp_path_factory.mktemp("contract")
    if request.param == "memory":
        yield Stage(InMemory(make_estate(home, "model", hsmTokens=TOKENS, **WorkloadIssuer().spec)))
        return
    servers: Servers = request.getfixturevalue("servers")
    with contextlib.ExitStack() as held:
        server = held.enter_context(servers.kept())
        if request.param == "vault":
            relay = held.enter_context(weather(server, AsVault))
            yield Stage(OnServer(held.enter_context(a_world(server, home, relay.address)), samples=3))
        else:
            yield Stage(OnServer(held.enter_context(a_world(server, home))))


@pytest.fixture(params=PROVIDERS)
def name(request: pytest.FixtureRequest) -> str:
    """The provider that the test is about."""
    return str(request.param)
