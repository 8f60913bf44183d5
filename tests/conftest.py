"""Fixtures that more than one room of the tests uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest
from hypothesis import HealthCheck, settings

from reconciler.model.estate import Estate
from tests.dealing import Dealer, turn
from tests.firm import Firm, found
from tests.openbao import Raw, Server, Servers, fresh_estate

# A busy machine is slow, and no property is about time. The examples are the same in every run; `make soak` draws
# new ones (--hypothesis-profile=soak).
settings.register_profile("soak", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("idac", settings.get_profile("soak"), derandomize=True)
settings.load_profile("idac")

TESTS = Path(__file__).parent
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)  # workers are traced; the processes that tests start are not


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Dealer:
    """See `tests.dealing`."""
    config.option.loadscopereorder = False
    return Dealer(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order in which they are dealt; a suite ends when its last test does."""
    items.sort(key=turn)


@pytest.fixture(autouse=True)
def untraced(request: pytest.FixtureRequest) -> Iterator[None]:
    """What goes through the whole tool counts for no coverage, unless it is marked `counted`.

    Tracing makes such tests up to three times as long, and most run the same lines once more.
    """
    tracer = coverage.Coverage.current()
    whole = request.path.is_relative_to(TESTS / "e2e")
    if tracer is None or not whole or request.node.get_closest_marker("counted"):
        yield
        return
    tracer.stop()
    yield
    tracer.start()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The worker's servers, one at a time."""
    mine = Servers(lambda: tmp_path_factory.mktemp("openbao"))
    yield mine
    mine.stop()


@pytest.fixture
def openbao(servers: Servers) -> Server:
    """A real OpenBao on raft; shared with other tests, so use an estate of your own."""
    return servers.roomy()


@pytest.fixture(scope="module")
def shared_openbao(servers: Servers) -> Iterator[Server]:
    """The same for what a whole module shares: until it is over, `openbao` is this one too."""
    with servers.kept() as server:
        yield server


@pytest.fixture
def admin(openbao: Server) -> Iterator[Raw]:
    """Plain calls to the shared server with the root token."""
    raw = openbao.raw()
    yield raw
    raw.close()


@pytest.fixture
def estate(openbao: Server, tmp_path: Path) -> Estate:
    """A bootstrapped estate with mounts of its own."""
    return fresh_estate(openbao, tmp_path)


@pytest.fixture
def firm(openbao: Server, tmp_path: Path) -> Firm:
    """A bootstrapped estate with one role, one profile and no people; its own mounts on the shared server."""
    return found(openbao, tmp_path)
