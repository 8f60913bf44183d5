"""The run lock on the real server: one winner, the old runner fenced off, nothing believed that is not ours."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from reconciler.errors import Denied, IdacError, Overloaded, Refused, Rejected, Stale, TargetError, Unreachable
from reconciler.model.estate import Estate
from reconciler.providers.vault.lock import KvLock, use_plan
from reconciler.providers.vault.login import Logins
from tests.firm import Firm
from tests.integration.vault_world import (
    accessors,
    entry,
    environ,
    held_by,
    lock_path,
    locked,
    runner,
    with_expiry,
    write_entry,
)
from tests.openbao import Raw, Server, fresh_estate
from tests.weather import Weather, weather

PLAN_ID = "7d4f9c1e-2b3a-4c5d-8e6f-0a1b2c3d4e5f"  # the same in every process that collects these tests


@pytest.fixture(scope="module")
def home(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Estate:
    return fresh_estate(shared_openbao, tmp_path_factory.mktemp("lock") / "estate")


@pytest.fixture
def estate(home: Estate, admin: Raw) -> Estate:
    """One estate for all of these; its lock is free at the beginning of each."""
    write_entry(admin, home, {"state": "free"})
    return home


@pytest.fixture
def logins(estate: Estate, openbao: Server) -> Iterator[Logins]:
    with runner(estate, openbao) as made:
        yield made


@pytest.fixture
def other(estate: Estate, openbao: Server) -> Iterator[Logins]:
    with runner(estate, openbao) as made:
        yield made


@pytest.fixture
def sky(openbao: Server) -> Iterator[Weather]:
    with weather(openbao) as relay:
        yield relay


def dead_pid() -> int:
    """The id of a process that was, and is no more."""
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        return process.pid


def grow_old(lock: KvLock, seconds: float) -> None:
    """Let the run's own clock go on, as if it had been busy for so long."""
    now = lock._monotonic()
    lock._monotonic = lambda: now + seconds


# -- taking ------------------------------------------------------------------------------------------


def test_of_twenty_racers_one_wins(estate: Estate, openbao: Server, admin: Raw) -> None:
    gate = threading.Barrier(20)

    def race(number: int) -> str:
        with runner(estate, openbao) as logins:
            logins.client("plan"), logins.client("contain")
            lock = KvLock(logins, estate, f"run-{number}")
            gate.wait()
            try:
                lock.acquire()
            except Refused as error:
                return error.message
            finally:
                gate.wait()  # nobody's token ends before everybody has tried
            return f"run-{number}"

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(race, range(20)))
    winners = [result for result in results if result.startswith("run-")]
    assert winners == [entry(admin, estate)["run"]]
    assert all("took the lock" in r or "holds the estate's lock" in r for r in results if r not in winners)


def test_a_live_run_s_lock_is_not_taken(estate: Estate, logins: Logins, other: Logins, admin: Raw) -> None:
    locked(logins, estate)
    before = entry(admin, estate)
    with pytest.raises(Refused, match=r"run run-1 on .* holds the estate's lock"):
        locked(other, estate, "run-2")
    assert entry(admin, estate) == before
    logins.client("contain").write(lock_path(estate), {"data": {"state": "free"}})  # its token still writes


def test_an_expired_lock_is_taken_over_and_the_old_runner_s_next_write_is_refused(
    estate: Estate, logins: Logins, other: Logins, admin: Raw
) -> None:
    old = locked(logins, estate)
    grant = logins.client("grant")
    new = locked(other, with_expiry(estate, "0s"), "run-2")
    for client in (logins.client("contain"), grant):
        with pytest.raises(Denied, match="expired or was revoked"):
            client.write(lock_path(estate), {"data": {"state": "free"}})
    old.doubt()
    with pytest.raises(Refused, match="taken over by another run"):
        old.alive()
    with pytest.raises(Refused, match="does not hold the lock"):
        old.alive()
    old.release()
    assert entry(admin, estate)["run"] == "run-2"
    new.alive()


def test_a_dead_local_process_s_lock_is_taken_over(
    estate: Estate, logins: Logins, other: Logins, admin: Raw
) -> None:
    other.client("contain")
    write_entry(admin, estate, held_by(dead_pid(), *other.writer_accessors))
    lock = locked(logins, estate)
    assert entry(admin, estate)["run"] == "run-1"
    with pytest.raises(Denied):
        other.client("contain").write(lock_path(estate), {"data": {"state": "free"}})
    lock.alive()


@pytest.mark.parametrize("where", ["another machine", ""])
def test_a_process_of_another_machine_is_not_judged_by_its_number(
    estate: Estate, logins: Logins, admin: Raw, where: str
) -> None:
    write_entry(admin, estate, held_by(dead_pid(), where=where))
    with pytest.raises(Refused, match="holds the estate's lock"):
        locked(logins, estate)


def test_a_process_that_belongs_to_somebody_else_is_alive(estate: Estate, logins: Logins, admin: Raw) -> None:
    write_entry(admin, estate, held_by(1))
    with pytest.raises(Refused, match="holds the estate's lock"):
        locked(logins, estate)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"state": "HELD"},
        {"state": "held"},
        {"state": None, "run": "x"},
        {**held_by(1), "pid": "1"},
        {**held_by(1), "pid": True},
        {**held_by(1), "pid": 0},
        {**held_by(1), "pid": -1},
        {**held_by(1), "pid": 2**70},
        {**held_by(1), "run": 7},
        {**held_by(1), "accessors": "abc"},
        {**held_by(1), "accessors": [1]},
        {**held_by(1), "accessors": [""]},
        {**held_by(1), "accessors": {"a": 1}},
        {"state": "held", "nested": [[{"a": [None]}]]},
    ],
)
def test_a_damaged_entry_stops_the_run_before_any_login_that_writes(
    estate: Estate, logins: Logins, admin: Raw, data: dict[str, Any]
) -> None:
    write_entry(admin, estate, data)
    before = entry(admin, estate)
    with pytest.raises(Refused, match="damaged") as caught:
        locked(logins, with_expiry(estate, "0s"))
    assert lock_path(estate) in caught.value.remedy
    assert (entry(admin, estate), logins.writer_accessors) == (before, ())


def test_an_entry_that_somebody_deleted_is_damaged_too(estate: Estate, logins: Logins, admin: Raw) -> None:
    admin.ok("DELETE", lock_path(estate))
    with pytest.raises(Refused, match="damaged"):
        locked(logins, estate)


def test_a_lock_that_never_was_is_free(
    openbao: Server, tmp_path_factory: pytest.TempPathFactory, admin: Raw
) -> None:
    new = fresh_estate(openbao, tmp_path_factory.mktemp("lock") / "new")
    with runner(new, openbao) as logins:
        locked(logins, new).release()
    assert (entry(admin, new)["state"], entry(admin, new)["version"]) == ("free", 2)


def test_only_the_estate_s_own_runners_are_fenced_off(estate: Estate, logins: Logins, admin: Raw) -> None:
    """Whoever can write the lock must not have contain revoke whom they like."""
    somebody = admin.ok("POST", "auth/token/create", {"policies": ["default"], "ttl": "5m"}).body["auth"]
    write_entry(admin, estate, held_by(dead_pid(), somebody["accessor"]))
    with pytest.raises(Refused, match="no login of this estate's runners"):
        locked(logins, with_expiry(estate, "0s"))
    assert admin.with_token(somebody["client_token"]).read("auth/token/lookup-self").status == 200
    assert entry(admin, estate)["run"] == "other"


def test_an_old_runner_whose_tokens_ended_by_themselves_needs_no_fence(
    estate: Estate, logins: Logins, admin: Raw
) -> None:
    write_entry(admin, estate, held_by(dead_pid(), "nosuchaccessor"))
    locked(logins, estate)


@pytest.mark.parametrize(
    ("pattern", "fault", "expected", "words"),
    [
        ("GET .*/data/lock", {"status": 500}, Overloaded, "500"),
        ("GET .*/data/lock", {"status": 403}, Denied, "may not"),
        ("GET .*/data/lock", {"cut": True}, Unreachable, "tried 2 times"),
        ("GET .*/data/lock", {"status": 200, "body": '{"data": {"data": {"state": 1}}}'}, Refused, "damaged"),
        ("GET .*/data/lock", {"status": 200, "body": '{"data": []}'}, Refused, "damaged"),
        ("GET .*/data/lock", {"status": 204, "body": ""}, Rejected, "empty"),
        ("GET .*sys/health", {"status": 200, "body": '{"server_time_utc": "soon"}'}, Rejected, "its time"),
        ("POST .*lookup-accessor", {"status": 403}, Denied, "not known which tokens"),
        ("POST .*lookup-accessor", {"status": 400}, Rejected, "not known which tokens"),
        ("POST .*revoke-accessor", {"status": 403}, Denied, "may not"),
        ("POST .*revoke-accessor", {"status": 204, "body": ""}, Rejected, "still stands"),
        ("POST .*/data/lock", {"status": 400, "body": '{"errors": ["no"]}'}, Rejected, "no"),
        ("POST .*/data/lock", {"status": 500}, Overloaded, "500"),
        ("POST .*/data/lock", {"cut": True}, Unreachable, "not known"),
        ("POST .*/data/lock", {"status": 200, "body": '{"data": {"version": "7"}}'}, Unreachable, "its version"),
    ],
)
def test_whatever_fails_while_a_stale_lock_is_taken_it_is_not_taken(
    estate: Estate, sky: Weather, admin: Raw, pattern: str, fault: Any, expected: type[IdacError], words: str
) -> None:
    with runner(estate, sky) as old, runner(estate, sky) as logins:
        locked(old, estate)
        before = entry(admin, estate)
        sky.fault(pattern, **fault)
        lock = KvLock(logins, with_expiry(estate, "0s"), "run-2")
        with pytest.raises(expected, match=words):
            lock.acquire()
        with pytest.raises(Refused, match="does not hold"):
            lock.alive()
        assert entry(admin, estate) == before


def test_a_lock_whose_answer_was_lost_is_ours_all_the_same(estate: Estate, sky: Weather, admin: Raw) -> None:
    sky.fault("POST .*/data/lock", cut=True, after=True, times=1)
    with runner(estate, sky) as logins:
        lock = locked(logins, estate)
        lock.doubt()
        lock.alive()
        lock.release()
    assert entry(admin, estate)["state"] == "free"


# -- a token that two runs share ----------------------------------------------------------------------


def shared(estate: Estate, admin: Raw) -> tuple[Estate, str, str]:
    """The estate with a static token for contain; the token and its accessor."""
    policy = f"{estate.prefix}contain"
    made = admin.ok("POST", "auth/token/create", {"policies": [policy], "no_default_policy": True, "ttl": "5m"})
    document = estate.spec.model_dump(by_alias=True)
    document["target"]["logins"]["contain"] = {"method": "token", "token": {"env": "SHARED"}}
    spec = type(estate.spec).model_validate(document)
    return (
        estate.model_copy(update={"spec": spec}),
        made.body["auth"]["client_token"],
        made.body["auth"]["accessor"],
    )


def test_a_silent_run_with_the_same_static_token_cannot_be_fenced_off_and_is_not_taken_over(
    estate: Estate, openbao: Server, admin: Raw
) -> None:
    static, token, accessor = shared(estate, admin)
    write_entry(admin, estate, held_by(1, accessor))
    with runner(static, openbao, SHARED=token) as logins, pytest.raises(Refused, match="the same token"):
        locked(logins, with_expiry(static, "0s"))


def test_a_dead_run_with_the_same_static_token_is_taken_over_and_the_token_lives(
    estate: Estate, openbao: Server, admin: Raw
) -> None:
    static, token, accessor = shared(estate, admin)
    write_entry(admin, estate, held_by(dead_pid(), accessor))
    with runner(static, openbao, SHARED=token) as logins:
        locked(logins, static).release()
    assert admin.with_token(token).read("auth/token/lookup-self").status == 200  # it is not ours to give back


# -- keeping ------------------------------------------------------------------------------------------


def test_a_lock_is_renewed_when_a_third_of_its_life_is_over(estate: Estate, logins: Logins, admin: Raw) -> None:
    lock = locked(logins, estate)
    lock.alive()
    first = entry(admin, estate)["version"]
    grow_old(lock, 29)
    lock.alive()
    assert entry(admin, estate)["version"] == first
    grow_old(lock, 2)
    lock.alive()
    assert entry(admin, estate)["version"] == first + 1


def test_every_login_is_in_the_entry_before_it_is_used(estate: Estate, logins: Logins, admin: Raw) -> None:
    locked(logins, estate)
    for identity in ("grant", "govern"):
        logins.client(identity)
        assert entry(admin, estate)["accessors"] == list(logins.writer_accessors)
    assert len(set(logins.writer_accessors)) == 3


def test_a_login_that_cannot_be_written_down_is_given_back_and_never_used(
    estate: Estate, logins: Logins, admin: Raw
) -> None:
    locked(logins, estate)
    write_entry(admin, estate, held_by(1))  # somebody took the lock
    before = accessors(admin)
    for _ in range(2):  # nor by asking again
        with pytest.raises(Refused):
            logins.client("grant")
        assert accessors(admin) == before
    assert len(logins.writer_accessors) == 1


def test_after_the_lock_was_given_back_no_new_login_writes(estate: Estate, logins: Logins) -> None:
    locked(logins, estate).release()
    with pytest.raises(Refused, match="does not hold the lock"):
        logins.client("govern")


def test_a_lost_lock_is_noticed_at_the_next_renewal(estate: Estate, logins: Logins, admin: Raw) -> None:
    lock = locked(logins, estate)
    write_entry(admin, estate, held_by(1))
    grow_old(lock, 31)
    with pytest.raises(Refused, match="taken over"):
        lock.alive()
    lock.release()
    assert entry(admin, estate)["run"] == "other"


def test_a_login_that_ended_while_the_lock_stands_is_no_lost_lock(
    estate: Estate, logins: Logins, admin: Raw
) -> None:
    lock = locked(logins, estate)
    admin.ok("POST", "auth/token/revoke-accessor", {"accessor": logins.writer_accessors[0]})
    lock.doubt()
    with pytest.raises(Denied, match="expired or was revoked"):
        lock.alive()


def test_a_renewal_that_fails_is_tried_again_until_it_is_late(estate: Estate, sky: Weather, admin: Raw) -> None:
    with runner(estate, sky) as logins:
        lock = locked(logins, estate)
        first = entry(admin, estate)["version"]
        fault = sky.fault("POST .*/data/lock", status=500)
        grow_old(lock, 31)
        lock.alive()
        grow_old(lock, 30)
        with pytest.raises(Overloaded):
            lock.alive()
        fault.times = 0
        lock.alive()
        assert entry(admin, estate)["version"] == first + 1


def test_a_renewal_whose_answer_is_lost_still_counts(estate: Estate, sky: Weather, admin: Raw) -> None:
    with runner(estate, sky) as logins:
        lock = locked(logins, estate)
        sky.fault("POST .*/data/lock", cut=True, after=True, times=1)
        lock.doubt()
        lock.alive()
        lock.doubt()
        lock.alive()
        assert entry(admin, estate)["run"] == "run-1"


def test_an_older_renewal_that_arrives_late_does_not_leave_a_login_unfenced(
    estate: Estate, sky: Weather, admin: Raw
) -> None:
    with runner(estate, sky) as logins:
        lock = locked(logins, estate)
        standing = entry(admin, estate)
        late = {name: value for name, value in standing.items() if name != "version"}
        sky.fault(
            "POST .*/data/lock", status=500, times=1, then=lambda: write_entry(admin, estate, late)
        )  # the write was carried out after all, but only after ...
        logins.client("grant")  # ... this one
        assert entry(admin, estate)["accessors"] == list(logins.writer_accessors)
        assert len(logins.writer_accessors) == 2
        lock.alive()


def test_a_renewal_and_a_login_at_the_same_moment_do_not_wait_for_each_other(estate: Estate, sky: Weather) -> None:
    with runner(estate, sky) as logins, ExitStack() as stack:
        lock = locked(logins, estate)
        in_login = threading.Event()
        sky.fault("POST .*/login", delay=0.2, times=1, then=in_login.set)
        pool = stack.enter_context(ThreadPoolExecutor(2))
        login = pool.submit(logins.client, "grant")
        assert in_login.wait(20)
        lock.doubt()
        renewal = pool.submit(lock.alive)
        renewal.result(20)
        assert login.result(20).who == "grant"


def test_a_run_whose_lock_is_taken_half_way_stops_and_leaves_the_rest_to_the_next(
    firm: Firm, sky: Weather, openbao: Server, admin: Raw
) -> None:
    for name in ("anna", "bob"):
        firm.trader(name)
    firm.environ = {"VAULT_ADDR": sky.address, "VAULT_MAX_RETRIES": "1"}
    with runner(firm.estate, openbao) as thief:
        stale = with_expiry(firm.estate, "0s")
        sky.fault("(POST|PUT) .*pki/sign/", times=1, then=lambda: locked(thief, stale, "run-2"))
        done = firm.idac("apply", "--auto-approve")
        assert (done.code, "taken over by another run" in done.err) == (3, True), done.err
        assert entry(admin, firm.estate)["run"] == "run-2"
        assert not admin.list(f"{firm.estate.mounts.pki}/certs/revoked").keys
        write_entry(admin, firm.estate, {"state": "free"})
    firm.environ = environ(openbao)
    firm.apply()
    assert firm.plan()["changes"] == []


# -- giving back --------------------------------------------------------------------------------------


def test_a_lock_is_given_back_once_and_the_next_run_takes_it(
    estate: Estate, logins: Logins, other: Logins
) -> None:
    lock = locked(logins, estate)
    lock.release()
    lock.release()
    with pytest.raises(Refused, match="does not hold"):
        lock.alive()
    locked(other, estate, "run-2").release()


def test_a_lock_that_cannot_be_given_back_hides_no_other_error(estate: Estate, sky: Weather, admin: Raw) -> None:
    with runner(estate, sky) as logins:
        lock = locked(logins, estate)
        sky.fault("POST .*/data/lock", status=500)
        lock.release()
    assert entry(admin, estate)["state"] == "held"


# -- plans are used once ------------------------------------------------------------------------------


def test_a_plan_is_used_once(estate: Estate, logins: Logins, other: Logins) -> None:
    plan_id = str(uuid.uuid4())
    use_plan(logins, estate, plan_id, "run-1")
    with pytest.raises(Stale, match="applied before"):
        use_plan(other, estate, plan_id, "run-2")


@pytest.mark.parametrize("plan_id", ["", "../lock", "x" * 36, PLAN_ID.upper(), f"{PLAN_ID}\n"])
def test_a_plan_id_that_is_none_is_refused_before_anything_is_written(
    estate: Estate, logins: Logins, plan_id: str
) -> None:
    with pytest.raises(Stale, match="not one that idac gives"):
        use_plan(logins, estate, plan_id, "run-1")
    assert not logins.counts


@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_plan_that_could_not_be_marked_as_used_is_not_applied(estate: Estate, sky: Weather, status: int) -> None:
    sky.fault("POST .*/data/plans", status=status)
    with runner(estate, sky) as logins, pytest.raises(TargetError) as caught:
        use_plan(logins, estate, str(uuid.uuid4()), "run-1")
    assert not isinstance(caught.value, Stale)
