"""Runners of one estate on the real server, as separate as two machines would be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reconciler.model.estate import Estate
from reconciler.providers.vault.lock import KvLock
from reconciler.providers.vault.lockentry import machine
from reconciler.providers.vault.login import Logins
from tests.openbao import Raw, Server
from tests.weather import Weather

QUICK = {"VAULT_MAX_RETRIES": "1", "VAULT_CLIENT_TIMEOUT": "20s"}


def environ(server: Server | Weather) -> dict[str, str]:
    """Where the server is, directly or through the weather."""
    if isinstance(server, Weather):
        return {"VAULT_ADDR": server.address, **QUICK}
    return {"VAULT_ADDR": server.address, "VAULT_CACERT": str(server.ca_cert), **QUICK}


@contextmanager
def runner(estate: Estate, server: Server | Weather, **more: str) -> Iterator[Logins]:
    """The four logins of one run."""
    with Logins(estate, {**environ(server), **more}) as logins:
        yield logins


def with_expiry(estate: Estate, expiry: str) -> Estate:
    """The same estate under another `lockExpiry`; `0s` makes every lock a stale one."""
    policy = estate.spec.policy.model_copy(update={"lock_expiry": expiry})
    return estate.model_copy(update={"spec": estate.spec.model_copy(update={"policy": policy})})


def lock_path(estate: Estate) -> str:
    return f"{estate.mounts.kv}/data/lock"


def entry(raw: Raw, estate: Estate) -> dict[str, Any]:
    """The lock's entry as it stands, with its version."""
    shown = raw.ok("GET", lock_path(estate)).data
    return {**shown["data"], "version": shown["metadata"]["version"]}


def write_entry(raw: Raw, estate: Estate, data: Mapping[str, Any]) -> None:
    raw.ok("POST", lock_path(estate), {"data": data})


def held_by(pid: int, *accessors: str, host: str = "elsewhere", where: str | None = None) -> dict[str, Any]:
    """An entry of another run."""
    known = machine() if where is None else where
    return {
        "state": "held",
        "run": "other",
        "host": host,
        "machine": known,
        "pid": pid,
        "accessors": list(accessors),
    }


def accessors(raw: Raw) -> set[str]:
    """Every token on the server."""
    return set(raw.ok("LIST", "auth/token/accessors").keys)


def noted(estate: Estate, identity: str) -> dict[str, str]:
    """What bootstrap wrote for one identity."""
    found: dict[str, str] = json.loads((Path(estate.root) / f".idac/logins/{identity}.json").read_text())
    return found


def configured(estate: Estate, **logins: Mapping[str, Any]) -> Estate:
    """The same estate with logins of its own in idac.yaml."""
    document = estate.spec.model_dump(by_alias=True)
    document["target"]["logins"].update(logins)
    return estate.model_copy(update={"spec": type(estate.spec).model_validate(document)})


def locked(logins: Logins, estate: Estate, run_id: str = "run-1") -> KvLock:
    """A lock, taken."""
    lock = KvLock(logins, estate, run_id)
    lock.acquire()
    return lock
