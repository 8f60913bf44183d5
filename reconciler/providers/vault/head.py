"""Which record is the newest, noted in KV: a ledger that was cut back, or copied and written on, is seen."""

from __future__ import annotations

from contextlib import suppress

from reconciler.errors import TargetError
from reconciler.model.estate import Estate
from reconciler.providers.vault.login import Logins


def noted_head(logins: Logins, estate: Estate) -> tuple[int, str] | None:
    """Number and SHA-256 of the newest record, as planner; None before the first. A damaged one fits none."""
    answer = logins.client("plan").read(_path(estate))
    if not answer.found:
        return None
    said = answer.data.get("data")
    seq, sha256 = (said.get(name) for name in ("seq", "sha256")) if isinstance(said, dict) else (None, None)
    return (seq, sha256) if isinstance(seq, int) and isinstance(sha256, str) else (-1, "")


def note_head(logins: Logins, estate: Estate, seq: int, sha256: str) -> None:
    """Note the record that was just written, as contain. Call it under the lock."""
    with suppress(TargetError):  # the run is over and recorded; a ledger that is ahead of the note is no fork
        logins.client("contain").write(_path(estate), {"data": {"seq": seq, "sha256": sha256}})


def _path(estate: Estate) -> str:
    return f"{estate.mounts.kv}/data/plans/head"
