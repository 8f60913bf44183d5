"""The lock's entry as it stands in KV: read strictly, because what it names gets revoked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.errors import Refused, Rejected
from reconciler.providers.protocol import Answer


@dataclass(frozen=True, slots=True)
class Entry:
    """Who holds the lock. `version` is the entry's in KV; `written` is when, by the server's clock."""

    version: int
    held: bool
    run: str = ""
    host: str = ""
    machine: str = ""
    pid: int = 0
    accessors: tuple[str, ...] = ()
    written: float = 0.0  # seconds since 1970

    def age(self, health: Answer) -> int:
        """Seconds since it was written. Both times are the server's: runners' clocks may differ."""
        now = health.body.get("server_time_utc")
        if not isinstance(now, int):
            raise Rejected("the server does not tell its time, so the age of the run lock is not known")
        return int(now - self.written)


def entry_of(answer: Answer, path: str) -> Entry:
    """The entry that was read. Raises `Refused` for one that idac did not write: whom it fences is not known."""
    metadata, data = answer.data.get("metadata"), answer.data.get("data")
    if not answer.found and metadata is None:
        return Entry(0, held=False)
    if isinstance(metadata, Mapping) and isinstance(data, Mapping):
        version, state = metadata.get("version"), data.get("state")
        if isinstance(version, int) and state == "free":
            return Entry(version, held=False)
        if isinstance(version, int) and state == "held" and _well_formed(data):
            texts = {name: str(data[name]) for name in ("run", "host", "machine")}
            accessors = tuple(data["accessors"])
            return Entry(version, True, pid=data["pid"], accessors=accessors, written=_time(metadata), **texts)
    raise Refused(
        "the run lock's entry is damaged, so it is not known whether a run is going on",
        remedy=f"when no run is going on, write state=free to {path}; look into the audit log for who damaged it",
    )


def machine() -> str:
    """Where process ids mean the same: this boot of this machine, and this name space of process ids."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return f"{file.read().strip()}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def is_dead(held: Entry) -> bool:
    """Whether the holder is known to be gone: its process was of this machine and is no more."""
    if not machine() or held.machine != machine():
        return False
    try:
        os.kill(held.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _well_formed(data: Mapping[str, Any]) -> bool:
    pid, accessors = data.get("pid"), data.get("accessors")
    return (
        all(isinstance(data.get(name), str) for name in ("run", "host", "machine"))
        and type(pid) is int
        and 0 < pid < 2**31
        and isinstance(accessors, list)
        and all(isinstance(accessor, str) and accessor for accessor in accessors)
    )


def _time(metadata: Mapping[str, Any]) -> float:
    try:
        written = datetime.fromisoformat(str(metadata.get("created_time")))
    except ValueError:
        written = datetime.min
    if written.tzinfo is None:
        raise Rejected("the run lock's entry does not say when it was written")
    return written.timestamp()
