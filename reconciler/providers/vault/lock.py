"""One run at a time: a KV v2 check-and-set entry that names the accessors of its holder's logins.

A check-and-set alone does not stop the old runner. So whoever takes a stale lock revokes those accessors
first: from then on the old runner's writes are refused. The entry's metadata is never deleted, since that
would make `cas=0` succeed again.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from threading import RLock
from typing import Any

from reconciler.errors import Refused, Rejected, Stale, TargetError
from reconciler.model.estate import Estate, seconds
from reconciler.providers.vault.login import Logins

PLAN_ID = re.compile(r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
CAS = "check-and-set"


class KvLock:
    """Implements `providers.protocol.RunLock`. Thread-safe."""

    def __init__(self, logins: Logins, estate: Estate, run_id: str, now: Callable[[], float] = time.time) -> None:
        self._logins, self._estate, self._run_id, self._now = logins, estate, run_id, now
        self._expiry = seconds(estate.spec.policy.lock_expiry)
        self._path = f"{estate.mounts.kv}/data/lock"
        self._guard = RLock()
        self._version: int | None = None  # of the entry we wrote; None: not held
        self._renewed = 0.0
        self._monotonic = time.monotonic

    def acquire(self) -> None:
        """Take the lock. Raises `Refused` when a live run holds it."""
        answer = self._logins.client("plan").read(self._path)
        metadata = answer.data.get("metadata") or {}
        version = int(metadata.get("version") or 0)
        held = answer.data.get("data") or {}
        if held.get("state") == "held":
            self._take_over(held)
        with self._guard:
            try:
                self._write(version)
            except Rejected as error:
                if CAS in error.message:
                    raise Refused(
                        "another run took the lock just now", remedy="wait for it, then plan again"
                    ) from None
                raise
        self._logins.on_writer = lambda accessor: self._note()

    def alive(self) -> None:
        """Renew when a third of the lock's life is over. Raises `Refused` when it was lost."""
        with self._guard:
            if self._version is None:
                raise Refused("this run does not hold the lock", remedy="plan again")
            if self._monotonic() - self._renewed > self._expiry / 3:
                self._note()

    def release(self) -> None:
        """Give it back. A lock that was lost is somebody else's, and stays as it is."""
        with self._guard:
            if self._version is None:
                return
            body = {"options": {"cas": self._version}, "data": {"state": "free", "run": self._run_id}}
            self._version = None
            self._logins.on_writer = lambda accessor: None
            try:
                self._logins.client("contain").write(self._path, body)
            except TargetError:
                return  # it expires by itself, and an error here would hide the run's own

    def _note(self) -> None:
        """Write the entry again: renewed, and with every writing login there is by now."""
        with self._guard:
            try:
                self._write(self._version or 0)
            except Rejected as error:
                if CAS not in error.message:
                    raise
                self._version = None
                raise Refused(
                    "the run's lock was taken over by another run",
                    remedy="nothing more is written; see that run's record, then plan again",
                ) from None

    def _write(self, version: int) -> None:
        data = {
            "state": "held",
            "run": self._run_id,
            "host": socket.gethostname(),
            "machine": machine(),
            "pid": os.getpid(),
            "renewed": int(self._now()),
            "accessors": list(self._logins.writer_accessors),
        }
        answer = self._logins.client("contain").write(self._path, {"options": {"cas": version}, "data": data})
        self._version = int(answer.data["version"])
        self._renewed = self._monotonic()

    def _take_over(self, held: Mapping[str, Any]) -> None:
        """Fence the old run off, if it is dead or silent for too long; `Refused` if it may be alive."""
        age = int(self._now()) - int(held.get("renewed") or 0)
        who = f"run {held.get('run')} on {held.get('host')} (pid {held.get('pid')})"
        if age < self._expiry and not _dead(held):
            raise Refused(
                f"{who} holds the estate's lock, renewed {age} s ago",
                remedy=f"wait for it; a run that died is taken over after {self._expiry} s",
            )
        contain = self._logins.client("contain")
        own = self._logins.writer_accessors
        for accessor in held.get("accessors") or ():
            if accessor not in own:
                (looked,) = contain.ask_many("auth/token/lookup-accessor", [{"accessor": accessor}])
                if looked.status == 200:
                    contain.write("auth/token/revoke-accessor", {"accessor": accessor})


def use_plan(logins: Logins, estate: Estate, plan_id: str, run_id: str) -> None:
    """Note that this plan is being applied. Raises `Stale` if it ever was, or has no proper id."""
    if not PLAN_ID.match(plan_id):
        raise Stale("the plan's id is not one that idac gives", remedy="plan again")
    path = f"{estate.mounts.kv}/data/plans/{plan_id}"
    try:
        logins.client("contain").write(path, {"options": {"cas": 0}, "data": {"run": run_id}})
    except Rejected as error:
        if CAS not in error.message:
            raise
        raise Stale("this plan was applied before; a plan is used once", remedy="plan again") from None


def machine() -> str:
    """Where process ids mean the same: this boot of this machine, and this name space of process ids."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return f"{file.read().strip()}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _dead(held: Mapping[str, Any]) -> bool:
    """Whether the holder is known to be gone: its process was of this machine and is no more."""
    pid = held.get("pid")
    if not machine() or held.get("machine") != machine() or not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
