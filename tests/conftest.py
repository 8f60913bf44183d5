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

TESTS = Path(__file__).parent
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)  # workers are traced; the processes that tests start are not


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal for `--dist loadgroup`: what shares an estate goes to one worker, and what takes long goes first.

    A suite ends when its last test does, and an estate that every worker makes anew takes as long as many tests.
    """
    for item in items:
        if shared := _shared(item):
            item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}{shared}"))
    items.sort(key=_turn)


def _shared(item: pytest.Item) -> str:
    """What a test shares with others of its module: nothing (empty), or everything under this word."""
    assert isinstance(item, pytest.Function)
    if item.path.is_relative_to(TESTS / "unit"):
        return "" if item.get_closest_marker("long") else " "
    made = [one[-1] for one in item._fixtureinfo.name2fixturedefs.values()]
    wide = {one.argname for one in made if one.scope in ("module", "package") and one.argname != "openbao"}
    variant = item.callspec.params.get("stage", "") if "stage" in wide else ""
    return f" {variant}" if wide else ""


def _turn(item: pytest.Item) -> int:
    """Long tests, then those with estates to share, then all others; in order otherwise."""
    return 0 if item.get_closest_marker("long") else 1 if item.get_closest_marker("xdist_group") else 2


@pytest.fixture(autouse=True)
def untraced(request: pytest.FixtureRequest) -> Iterator[None]:
    """What goes through the whole tool counts for no coverage, unless it is marked `counted`.

    Tracing makes such tests up to three times as long, and most run the same lines once more.
    """
    tracer = coverage.Coverage.current()
    whole = request.path.is_relative_to(TESTS / "e2e") or request.node.get_closest_marker("long")
    if tracer is None or not whole or request.node.get_closest_marker("counted"):
        yield
        return
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
