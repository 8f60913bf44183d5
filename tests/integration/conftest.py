"""A runner behind the weather, and a desk with one new subject a test. A module brings its own `estate`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.providers.vault.login import Logins
from tests.integration.desk import Desk
from tests.integration.vault_world import runner
from tests.openbao import Raw, Server
from tests.weather import Weather, weather

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def relay(shared_openbao: Server) -> Iterator[Weather]:
    with weather(shared_openbao) as made:
        yield made


@pytest.fixture(scope="module")
def logins(estate: Estate, relay: Weather) -> Iterator[Logins]:
    with runner(estate, relay) as made:
        yield made


@pytest.fixture
def desk(estate: Estate, admin: Raw, relay: Weather, logins: Logins) -> Iterator[Desk]:
    yield Desk(estate, admin, relay, logins, SubjectRef("trader", f"t{next(NUMBERS)}"))
    relay.faults.clear()
