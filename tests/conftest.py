"""Fixtures that more than one room of the tests uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest
from hypothesis import HealthCheck, settings

from reconciler.model.estate import Estate
from tests.firm import Firm, found
from tests.openbao import Raw, Server, Servers, fresh_estate

# A busy machine is slow, and no property is about time. The examples are the same in every run; `make soak` draws
# new ones (--hypothesis-profile=soak).
settings.register_profile("soak", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("idac", settings.get_profile("soak"), derandomize=True)
settings.load_profile("idac")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long tests first, dealt to the heads of the workers' shares: a suite ends when its last test does."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("long")]
    rest = [item for item in items if not item.get_closest_marker("long")]
    ordered: list[pytest.Item] = []
    for worker in range(workers):  # xdist hands out the list in equal parts, one behind the other
        share = (len(items) * (worker + 1)) // workers - len(ordered)
        head = long[worker::workers]
        ordered += [*head, *rest[: share - len(head)]]
        rest = rest[max(share - len(head), 0) :]
    items[:] = [*ordered, *rest]


@pytest.fixture(autouse=True)
def untraced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Long tests count for no coverage: tracing makes them three times as long, and others run the same lines."""
    tracer = coverage.Coverage.current()
    if tracer is None or request.node.get_closest_marker("long") is None:
        yield
        return
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # what tells child processes to trace
    tracer.stop()
    yield
    tracer.start()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The worker's servers, all of which run until its last test is over."""
    started = Servers(lambda: tmp_path_factory.mktemp("openbao"))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def openbao(servers: Servers) -> Server:
    """A real OpenBao on raft; shared with other modules, so use an estate of your own."""
    return servers.roomy()


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
