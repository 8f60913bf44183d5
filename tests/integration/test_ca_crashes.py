"""Killed before and after every single call, the CA's writer and the next plan converge.

Dying after one call and dying before the next leave the same server behind, so each place is tried once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from reconciler.model.manifest import SubjectRef
from reconciler.providers.ca import store
from reconciler.providers.ca.authority import inventory
from reconciler.x509 import new_key_and_csr
from tests.integration.ca_world import Killed, World, a_world
from tests.openbao import Server

pytestmark = pytest.mark.openbao

Prepare = Callable[[World, SubjectRef], None]


@pytest.fixture(scope="module")
def world(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(shared_openbao, tmp_path_factory.mktemp("ca-crashes")) as made:
        made.settle()
        yield made


def issue(world: World, subject: SubjectRef) -> None:
    """Nothing stands yet: the run creates."""


def replace_key(world: World, subject: SubjectRef) -> None:
    world.settle()
    world.wanted[subject] = new_key_and_csr("x")[1]


def replace_key_twice(world: World, subject: SubjectRef) -> None:
    replace_key(world, subject)
    replace_key(world, subject)


def leave(world: World, subject: SubjectRef) -> None:
    replace_key(world, subject)
    world.settle()
    world.leave(subject)


def repair(world: World, subject: SubjectRef) -> None:
    world.settle()
    world.client.delete(f"{world.estate.mounts.kv}/data/certificates/{subject.principal}.mtls")


SCENARIOS: dict[str, Prepare] = {p.__name__: p for p in (issue, replace_key, replace_key_twice, leave, repair)}


def live_serials(world: World, subject: SubjectRef) -> frozenset[str]:
    """Serials that a verifier would accept, from the CA itself."""
    there = inventory(world.client, world.estate)
    live = there.live("0")
    read = world.reader().observe().resources
    named = {s for r in read if r.subject == subject for s in r.facts.get("serials", (r.facts.get("serial"),))}
    return live & named


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_every_call_it_converges(world: World, scenario: str) -> None:
    for index in range(60):
        subject = world.trader(f"{scenario.replace('_', '-')}-{index}")
        SCENARIOS[scenario](world, subject)
        world.watch.arm(max(index - 1, 0), "after" if index else "before")
        try:
            world.run()
            finished = True
        except Killed:
            finished = False
        world.watch.disarm()
        world.settle()
        check(world, subject)
        world.wanted.pop(subject, None)
        world.settle()
        assert live_serials(world, subject) == set()
        if finished:
            assert index >= 3
            return
    raise AssertionError("a run never got to its end")


def check(world: World, subject: SubjectRef) -> None:
    """Nothing unexplained is alive, one certificate is in force and delivered, and cert auth is in step."""
    resources = world.actual().resources
    assert [a for a in resources if "/orphan/" in a] == []
    assert resources["ca.crl"].fields == {"fresh": True, "in_step": True}
    if subject not in world.wanted:
        assert world.address(subject) not in resources
        assert live_serials(world, subject) == set()
        return
    facts = resources[world.address(subject)].facts
    assert facts["revoked"] == "no"
    assert live_serials(world, subject) == set(facts["serials"])
    assert len(facts["serials"]) <= 2
    entry = store.read_entry(world.client, world.estate, f"{subject.principal}.mtls")
    assert entry.intact
    assert entry.serial == facts["serial"]
