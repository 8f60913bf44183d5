"""Fixtures that more than one room of the tests uses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from reconciler.model.estate import Estate
from tests.firm import PROFILE, ROLE, Firm
from tests.openbao import Raw, Server, fresh_estate, start_server


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real OpenBao on raft, one for each test worker; shared, so use an estate of your own."""
    server = start_server(tmp_path_factory.mktemp("openbao"))
    yield server
    server.stop()


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


_FIRMS = count(1)


@pytest.fixture
def firm(openbao: Server, tmp_path: Path) -> Firm:
    """A bootstrapped estate with one role, one profile and no people; its own mounts on the shared server."""
    made = Firm(f"f{next(_FIRMS)}", tmp_path, openbao)
    made.root.mkdir()
    made.configure()
    made.manifest("Role", "rfq-trader", ROLE)
    made.manifest("CertificateProfile", "trader-mtls", PROFILE)
    made.environ = openbao.environ
    made.idac("-q", "bootstrap", code=0)
    made.environ = {"VAULT_ADDR": openbao.address, "VAULT_CACERT": str(openbao.ca_cert)}
    return made
