"""Whatever happens in a firm, and wherever `apply` dies in it: after the next apply all promises hold.

`make soak` plays a long life. `IDAC_SOAK_STEPS` says how long, `IDAC_SOAK_SEED` which one.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from time import monotonic

import pytest

from tests.firm import Firm
from tests.keys import Key
from tests.life import Life

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def the_plan_is_empty(life: Life) -> None:
    assert life.firm.plan()["changes"] == []


def only_whom_the_manifests_name_is_in_the_server(life: Life) -> None:
    admin, prefix = life.firm.admin, f"{life.firm.estate.prefix}trader."
    names = {n.removeprefix(prefix) for n in admin.list("identity/entity/name").keys if n.startswith(prefix)}
    assert names == {n for n, p in life.people.items() if p.status != "left" and p.arrived}
    for name in names:
        person, entity = life.people[name], admin.read(f"identity/entity/name/{prefix}{name}").data
        assert entity["disabled"] is not person.works, name
        if person.works:
            assert sorted(entity["policies"] or []) == life.policies(name)
    logins = set(admin.list(f"auth/{life.firm.estate.mounts.cert}/certs").keys) - {"idac-probe", "idac-probe-mfa"}
    assert logins == {f"trader.{n}.{c}" for n, p in life.people.items() if p.works for c in p.credentials}


def no_live_certificate_is_without_a_manifest(life: Life) -> None:
    live = life.live()
    assert set(live) == {f"trader.{n}" for n, p in life.people.items() if p.works}
    for name, person in life.people.items():
        if person.works:  # beside each there may be the one that it renewed, for an overlap
            count, most = len(live[f"trader.{name}"]), 2 if life.ageing else 1
            own = len(person.credentials) + person.signs
            assert own <= count <= most * own, name


def keys_sign_for_those_who_work_and_for_nobody_else(life: Life) -> None:
    admin, mount = life.firm.admin, life.firm.estate.hsm_mount("trade")
    prefix = f"{life.firm.estate.prefix}trader."
    there = {name.removeprefix(prefix).removesuffix(".signing") for name in admin.list(f"{mount}/keys").keys}
    assert there <= {n for n, p in life.people.items() if p.signs and p.status != "left"}
    for name, person in life.people.items():
        if person.signs:
            asked = admin.call("POST", Key(life.firm, name).signs, {"input": "eA=="})
            assert (asked.status == 200) is person.works, name


def what_was_taken_never_works_again(life: Life) -> None:
    for grave in life.random.sample(life.graves, min(6, len(life.graves))):
        assert grave.login() >= 400, grave.role
    for dead in life.random.sample(life.dead_tokens, min(6, len(life.dead_tokens))):
        assert (dead.read(), dead.renew()) == (403, 403), dead.role


def who_should_work_can_work(life: Life) -> None:
    workers = sorted(n for n, p in life.people.items() if p.works)
    for name in life.random.sample(workers, min(2, len(workers))):
        holder = life.firm.holder(name, life.random.choice(life.people[name].credentials))
        assert holder.login() == 200, name
        assert holder.read() == (200 if life.people[name].roles else 403), name
        life.people[name].tokens.append(holder)


def no_hold_is_undone_and_none_is_made_of_our_own_work(life: Life) -> None:
    shown = life.firm.plan()["holds"]
    holds = {hold["subject"].replace("/", ".") for hold in shown}
    held = {f"trader.{n}" for n, p in life.people.items() if p.held and p.status != "left"}
    gone = {f"trader.{n}" for n, p in life.people.items() if p.status == "left"}
    assert held <= holds
    assert {h for h in holds - held - gone if h.removeprefix("trader.") in life.people} == set()


def every_apply_has_a_record_that_verifies(life: Life) -> None:
    records = life.firm.idac("--format", "json", "records", "list", code=0).json["records"]
    assert len(records) == life.records
    assert sum(1 for r in records if r["status"] == "interrupted") == life.deaths
    life.firm.idac("records", "verify", code=0)


PROMISES = (
    the_plan_is_empty,
    only_whom_the_manifests_name_is_in_the_server,
    no_live_certificate_is_without_a_manifest,
    keys_sign_for_those_who_work_and_for_nobody_else,
    what_was_taken_never_works_again,
    who_should_work_can_work,
    no_hold_is_undone_and_none_is_made_of_our_own_work,
    every_apply_has_a_record_that_verifies,
)


@contextmanager
def told(life: Life, seed: int) -> Iterator[None]:
    """A failure says what had happened before it."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"IDAC_SOAK_SEED={seed}\n" + "\n".join(life.said))
        raise


def play(firm: Firm, seed: int, steps: int, *, ageing: bool) -> Life:
    life = Life(firm, Random(seed), ageing)
    with told(life, seed):
        life.begin()
        for step in range(steps):
            life.said.append(f"-- step {step}")
            life.step()
            if monotonic() - life.applied > 60:  # so slow a machine that certificates age unseen
                life.settle()
            for promise in PROMISES:
                promise(life)
    return life


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 4])
def test_a_short_life_keeps_every_promise(firm: Firm, seed: int) -> None:
    life = play(firm, seed, 5, ageing=False)
    assert len(life.graves) > 2


@pytest.mark.soak
def test_a_long_life_keeps_every_promise(firm: Firm) -> None:
    seed = int(os.environ.get("IDAC_SOAK_SEED") or secrets.randbelow(10**9))
    life = play(firm, seed, int(os.environ.get("IDAC_SOAK_STEPS", "150")), ageing=True)
    print(f"IDAC_SOAK_SEED={seed}: {life.records} records, {life.deaths} deaths, {len(life.graves)} graves")
