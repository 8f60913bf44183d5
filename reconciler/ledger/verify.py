"""Checking a whole ledger: signatures, order, chain, journals. Reads files only.

What it cannot show without an outside anchor is said in every result (facts of tamper-evident logs: a
ledger that was cut back to an earlier state, or rewritten with the key in hand, checks out by itself).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.errors import LedgerError
from reconciler.ledger import dsse
from reconciler.ledger.files import TEMPORARY
from reconciler.ledger.reading import read_journal
from reconciler.ledger.statement import PREDICATE_TYPE, STATEMENT_TYPE
from reconciler.ledger.store import Ledger, reference
from reconciler.ledger.trust import TrustedKey, load_trust
from reconciler.model.manifest import Finding, Origin
from reconciler.model.record import RecordRef, Verification

LIMITS = (
    "unanchored: removal of the newest records cannot be seen from these files; keep the newest record's "
    "SHA-256 elsewhere and compare it",
    "unstamped: the times are the writing machine's own claim; whoever holds the record key can back-date",
)
CODES = {
    "L01": "not a record",
    "L02": "signed with a key that is not pinned",
    "L03": "the signature does not verify",
    "L04": "not the record that its name says",
    "L05": "does not follow its predecessor",
    "L06": "a record is missing",
    "L07": "the journal is missing or is not the one recorded",
    "L08": "outside its key's window, or earlier than its predecessor",
    "L09": "a run has no record",
    "L10": "does not belong in a ledger",
    "L11": "the plan or the policy is missing or is not the one recorded",
}


@dataclass(slots=True)
class _Seen:
    """What the walk over the records has come by."""

    keys: Mapping[str, TrustedKey]
    previous: RecordRef | None = None
    previous_time: str = ""
    expected: int = 0
    journals: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    def add(self, code: str, file: str, detail: str, severity: str = "error") -> None:
        text = f"{CODES[code]}: {detail}"
        self.findings.append(
            Finding(code, "warning" if severity == "warning" else "error", text, origin=Origin(file, 1, 1))
        )


def verify(directory: Path, trust: Path | None = None) -> Verification:
    """Check every record and journal. `trust` is an own copy of `trust/`; the ledger's by default.

    Raises `LedgerError` only when there are no keys to verify with.
    """
    seen = _Seen(load_trust(trust or directory / "trust"))
    ledger = Ledger(directory)
    for file in ledger.record_files():
        _record(seen, directory, file)
    for stray in _strays(ledger):
        seen.add("L10", stray, "no record has such a name")
    for file in sorted(ledger.journals.glob("*.jsonl")):
        if f"journal/{file.name}" not in seen.journals:
            seen.add("L09", f"journal/{file.name}", "its record was removed, or cannot be read")
    for file in ledger.unsealed():
        name = f"journal/open/{file.name}"
        seen.add("L09", name, "it still runs, or was killed; the next run seals it", "warning")
    return Verification(
        len(ledger.record_files()), len(seen.journals), seen.previous, tuple(seen.findings), LIMITS
    )


def _record(seen: _Seen, directory: Path, path: Path) -> None:
    name = path.relative_to(directory).as_posix()
    data = path.read_bytes()
    ref = reference(path, directory, data)
    if ref.seq > seen.expected:
        missing = f"{seen.expected:06}" + (f" to {ref.seq - 1:06}" if ref.seq - 1 > seen.expected else "")
        seen.add("L06", name, f"nothing stands at {missing}")
    predicate = _predicate(seen, name, data)
    if predicate is not None:
        _place(seen, name, ref, predicate)
        _journal(seen, name, directory, predicate)
        _evidence(seen, name, directory, predicate.get("plan"))
        _evidence(seen, name, directory, predicate.get("policy", {}))
    seen.previous, seen.expected = ref, ref.seq + 1


def _predicate(seen: _Seen, name: str, data: bytes) -> Mapping[str, Any] | None:
    """The record's predicate, once its signature holds; None when nothing in it may be believed."""
    try:
        envelope = dsse.parse(data)
    except LedgerError as problem:
        seen.add("L01", name, problem.message)
        return None
    key = seen.keys.get(envelope.key_id)
    if key is None:
        seen.add("L02", name, f"key {envelope.key_id[:16]}")
        return None
    try:
        dsse.verify(envelope, key.public_pem)
    except LedgerError as problem:
        seen.add("L03", name, problem.message)
        return None
    try:
        found = dsse.statement(envelope)
    except LedgerError as problem:
        seen.add("L01", name, problem.message)
        return None
    return _checked(seen, name, found, key)


def _checked(seen: _Seen, name: str, found: Mapping[str, Any], key: TrustedKey) -> Mapping[str, Any] | None:
    predicate = found.get("predicate")
    if (found.get("_type"), found.get("predicateType")) != (STATEMENT_TYPE, PREDICATE_TYPE):
        seen.add("L01", name, f"of type {found.get('predicateType')!r}")
        return None
    if not isinstance(predicate, dict) or not isinstance(predicate.get("journal"), dict):
        seen.add("L01", name, "its predicate is incomplete")
        return None
    written = str(predicate.get("sealedAt") or predicate.get("endedAt"))
    if not key.covers(written):
        seen.add("L08", name, f"written {written}, key in use from {key.not_before} to {key.not_after or 'now'}")
    if written < seen.previous_time:
        seen.add("L08", name, f"written {written}, its predecessor {seen.previous_time}")
    seen.previous_time = max(written, seen.previous_time)
    return predicate


def _place(seen: _Seen, name: str, ref: RecordRef, predicate: Mapping[str, Any]) -> None:
    if predicate.get("seq") != str(ref.seq):
        seen.add("L04", name, f"it is record {predicate.get('seq')}")
    before = None
    if seen.previous is not None:
        before = {"seq": str(seen.previous.seq), "sha256": seen.previous.sha256}
    if predicate.get("previous", {}) != before:
        seen.add("L05", name, "another predecessor was signed than the one that stands there")


def _journal(seen: _Seen, name: str, directory: Path, predicate: Mapping[str, Any]) -> None:
    said = predicate["journal"]
    file = str(said.get("name"))
    if not re.fullmatch(r"journal/[A-Za-z0-9][A-Za-z0-9._-]*\.jsonl", file) or file in seen.journals:
        seen.add("L07", name, f"{file!r} names no journal of its own")
        return
    seen.journals.add(file)
    path = directory / file
    if not path.exists():
        path = directory / "journal" / "open" / path.name  # killed between the record and the journal's move
    try:
        journal = read_journal(path)
    except LedgerError as problem:
        seen.add("L07", name, problem.message)
        return
    if journal.sha256 != said.get("sha256"):
        seen.add("L07", name, f"{file} has other bytes than were recorded")


def _evidence(seen: _Seen, name: str, directory: Path, kept: Any) -> None:
    """What the digest is taken over stands in evidence/. A journal torn in its first line names none."""
    said = str(kept.get("sha256", "")) if isinstance(kept, dict) else "?"
    if not said:
        return
    if not re.fullmatch(r"[0-9a-f]{64}", said):
        seen.add("L11", name, f"{said!r} is no digest")
        return
    path = directory / "evidence" / said
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != said:
        seen.add("L11", name, f"evidence/{said}")


def _strays(ledger: Ledger) -> Iterator[str]:
    """Files among the records that nothing explains. A killed writer's unfinished file is no harm."""
    known: Sequence[Path] = ledger.record_files()
    for path in sorted(ledger.records.iterdir()) if ledger.records.is_dir() else ():
        if path not in known and not path.name.startswith(TEMPORARY):
            yield f"records/{path.name}"
