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
from collections.abc import Sequence
from threading import RLock

from reconciler.errors import Denied, Overloaded, Refused, Rejected, Stale, TargetError, Unreachable
from reconciler.model.estate import Estate, seconds
from reconciler.providers.protocol import Client, Identity
from reconciler.providers.vault.lockentry import Entry, entry_of, is_dead, machine
from reconciler.providers.vault.login import Logins
from reconciler.providers.vault.runners import POLICIES
from reconciler.providers.vault.tokens import LOOKUP, is_gone

PLAN_ID = re.compile(r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
CAS = "check-and-set"
LOST = "nothing more is written; see that run's record, then plan again"


class KvLock:
    """Implements `providers.protocol.RunLock`. Thread-safe.

    `alive` and every new login write the entry. A new login waits for the guard, so nothing asks for a login
    while it holds the guard.
    """

    def __init__(self, logins: Logins, estate: Estate, run_id: str) -> None:
        self._logins, self._estate, self._run_id = logins, estate, run_id
        self._expiry = seconds(estate.spec.policy.lock_expiry)
        self._path = f"{estate.mounts.kv}/data/lock"
        self._guard = RLock()
        self._clients: dict[Identity, Client] = {}
        self._accessors: tuple[str, ...] = ()
        self._version: int | None = None  # of the entry we wrote; None: not held
        self._renewed = 0.0
        self._monotonic = time.monotonic

    def acquire(self) -> None:
        """Take the lock. Raises `Refused` when a live run holds it, or when its entry is not one of ours."""
        self._clients["plan"] = self._logins.client("plan")
        standing = entry_of(self._client("plan").read(self._path), self._path)
        self._clients["contain"] = self._logins.client("contain")
        own = self._logins.writer_accessors
        if standing.held:
            self._take_over(standing, own)
        with self._guard:
            self._accessors = own
            if not self._write(standing.version):
                raise Refused("another run took the lock just now", remedy="wait for it, then plan again")
        self._logins.on_writer = self._note

    def alive(self) -> None:
        """Renew when a third of the lock's life is over, or after `doubt`. Raises `Refused` when it was lost.

        A renewal that fails for another reason is tried again at the next call, while two thirds are not over.
        """
        with self._guard:
            self._must_be_held()
            age = self._monotonic() - self._renewed
            if age <= self._expiry / 3:
                return
            try:
                self._renew()
            except (Unreachable, Overloaded):
                if age > self._expiry * 2 / 3:
                    raise

    def doubt(self) -> None:
        """Have the next `alive` ask the server: a write was refused, as it is when somebody took the lock."""
        with self._guard:
            self._renewed = min(self._renewed, self._monotonic() - self._expiry / 2)

    def release(self) -> None:
        """Give it back. A lock that was lost is somebody else's, and stays as it is."""
        with self._guard:
            version, self._version = self._version, None
            if version is None:
                return
            body = {"options": {"cas": version}, "data": {"state": "free", "run": self._run_id}}
            try:
                self._client("contain").write(self._path, body)
            except TargetError:
                return  # it expires by itself, and an error here would hide the run's own

    def _note(self, accessors: tuple[str, ...]) -> None:
        """Write down a new login before it is used. Raises, and so keeps it from being used, when that fails."""
        with self._guard:
            self._must_be_held()
            self._accessors = accessors
            self._renew()

    def _must_be_held(self) -> None:
        if self._version is None:
            raise Refused("this run does not hold the lock", remedy="plan again")

    def _renew(self) -> None:
        try:
            held = self._write(self._version or 0)
        except Denied:
            # Whoever takes the lock revokes our logins first. If the entry is still ours, it is something else.
            if self._ours() is not None:
                raise
            held = False
        if not held:
            self._version = None
            raise Refused("the run's lock was taken over by another run", remedy=LOST)

    def _write(self, version: int, *, again: bool = True) -> bool:
        """Whether the entry is ours now, with all our accessors. Its life counts from before the call."""
        begun = self._monotonic()
        problem = self._put(version)
        if problem is not None:
            # An answer may have been lost: then the entry stands as we wrote it, at a version we do not know.
            entry = self._ours()
            if entry is None or entry.version <= version:
                if isinstance(problem, Rejected):
                    return False
                raise problem
            self._version = entry.version
            if entry.accessors != self._accessors:  # it is an earlier one, and would fence too little
                if not again:
                    raise problem
                return self._write(entry.version, again=False)
        self._renewed = begun
        return True

    def _put(self, version: int) -> TargetError | None:
        """Write the entry if it still has this version. Returns a conflict, or whatever leaves that unknown."""
        data = {
            "state": "held",
            "run": self._run_id,
            "host": socket.gethostname(),
            "machine": machine(),
            "pid": os.getpid(),
            "accessors": list(self._accessors),
        }
        try:
            body = {"options": {"cas": version}, "data": data}
            written = self._client("contain").write(self._path, body).data.get("version")
        except (Unreachable, Overloaded) as error:
            return error
        except Rejected as error:
            if CAS not in error.message:
                raise
            return error
        if not isinstance(written, int):
            return Unreachable("the lock's entry was written, but the answer does not say its version")
        self._version = written
        return None

    def _ours(self) -> Entry | None:
        """The entry as it stands, if it is this run's."""
        entry = entry_of(self._client("plan").read(self._path), self._path)
        return entry if entry.held and entry.run == self._run_id else None

    def _client(self, identity: Identity) -> Client:
        """Taken once, in `acquire`: asking the logins later could wait for one that waits for us."""
        return self._clients[identity]

    def _take_over(self, held: Entry, own: Sequence[str]) -> None:
        """Fence the old run off, if it is dead or silent for too long; `Refused` if it may be alive."""
        dead = is_dead(held)
        age = held.age(self._client("plan").read("sys/health"))
        who = f"run {held.run} on {held.host} (pid {held.pid})"
        if age < self._expiry and not dead:
            raise Refused(
                f"{who} holds the estate's lock, renewed {age} s ago",
                remedy=f"wait for it; a run that died is taken over after {self._expiry} s",
            )
        shared = sorted(set(held.accessors) & set(own))
        if shared and not dead:
            raise Refused(
                f"{who} fell silent {age} s ago, and may still write with the same token that this run has",
                remedy="see that it is gone and revoke that token; give each run a login of its own",
            )
        self._revoke([a for a in held.accessors if a not in own], who)

    def _revoke(self, accessors: Sequence[str], who: str) -> None:
        """Revoke the old run's logins, and no others that its entry may name; see that they are gone."""
        contain = self._client("contain")
        questions = [{"accessor": accessor} for accessor in accessors]
        live = []
        for accessor, answer in zip(accessors, contain.ask_many(LOOKUP, questions), strict=True):
            if is_gone(answer, LOOKUP):
                continue
            if not self._is_writer(answer.data):
                raise Refused(
                    f"the lock of {who} names a token that is no login of this estate's runners",
                    remedy=f"find out who wrote {self._path}, and write state=free there when no run is going on",
                )
            live.append(accessor)
        for accessor in live:
            contain.write("auth/token/revoke-accessor", {"accessor": accessor}, tolerate=("No token found",))
        again = contain.ask_many(LOOKUP, [{"accessor": accessor} for accessor in live])
        if not all(is_gone(answer, LOOKUP) for answer in again):
            raise Rejected(f"a login of {who} still stands after it was revoked", remedy="run again")

    def _is_writer(self, token: object) -> bool:
        if not isinstance(token, dict):
            return False
        carried = {*(token.get("policies") or ()), *(token.get("identity_policies") or ())}
        suffixes = {s for identity, every in POLICIES.items() if identity != "plan" for s in every}
        return not carried.isdisjoint(f"{self._estate.prefix}{s}" for s in suffixes)


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
