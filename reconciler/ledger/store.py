"""The ledger on disk: journals, records, and the key they are signed with.

    journal/open/<run id>.jsonl  written ahead; a run that lives, or was killed
    journal/<run id>.jsonl       one a run that has its record
    records/000042.dsse.json     one a run, signed; names its predecessor by the SHA-256 of its bytes
    evidence/<sha256>            what records refer to: exactly what a plan's, or a policy's, digest is taken over
    trust/                       pinned public keys

The tree, its checkpoints, stamps and anchors (`checkpoint`, `checkpoints/`, `proofs/`) come beside these;
record 42 is leaf 42.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from reconciler.canonical import canonical
from reconciler.clock import stamp
from reconciler.errors import LedgerError
from reconciler.ledger.dsse import Signer, parse, seal, statement
from reconciler.ledger.files import make_directory, sync_directory, write_once
from reconciler.ledger.interrupted import interrupted
from reconciler.ledger.journal import RunJournal
from reconciler.ledger.reading import abandoned, read_journal
from reconciler.ledger.statement import SHA256, completed, header, payload
from reconciler.model.plan import Plan, PlanTicket
from reconciler.model.record import PolicyThen, RecordRef, Run, RunResult, StoredRecord
from reconciler.model.resource import Address, Fields

POLICY_THEN = frozenset({"predicate", "policy", "sha256", "status"})  # what `last_policy` reads of a record
RECORD_NAME = re.compile(r"\A(?:[0-9]{6}|[1-9][0-9]{6,})\.dsse\.json\Z")
RUN_ID = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")


class Ledger:
    """A directory of records. Without a signer it can only be read."""

    def __init__(self, directory: Path, signer: Signer | None = None, clock: Callable[[], str] = stamp) -> None:
        self.directory = directory
        self.journals = directory / "journal"
        self.running = self.journals / "open"
        self.records = directory / "records"
        self.evidence = directory / "evidence"
        self.signer = signer
        self._clock = clock

    def open(self, run: Run, plan: Plan, ticket: PlanTicket) -> RunJournal:
        """Begin a run: its journal is on disk, and locked, before anything else happens.

        Raises `LedgerError` if there is no signer, the run id was used before, or nothing can be written.
        """
        signer = self._require_signer()
        if not RUN_ID.match(run.run_id):
            raise LedgerError("a run id is letters, digits, dots, dashes and underscores")
        name = f"{run.run_id}.jsonl"
        if (self.journals / name).exists():
            raise LedgerError(f"there is a journal {name} already", remedy="a run id is used once")
        self._keep(canonical(plan.digested))
        if plan.policy_document:
            self._keep(canonical(plan.policy_document))
        return RunJournal(self.running / name, header(run, plan, ticket), self._clock, signer)

    def close(self, journal: RunJournal, result: RunResult) -> RecordRef:
        """End a run: close its journal and write its record, which then stands for ever.

        Raises `LedgerError` if it cannot be written; the next run then seals the journal.
        """
        try:
            journal.close(result.status)
            ref = self._append(completed(result, journal.header, journal.written()))
            self._settle(journal.path)
        finally:
            journal.release()
        return ref

    def seal_interrupted(self, seen: Mapping[Address, Fields] | None = None) -> tuple[RecordRef, ...]:
        """Write a record `interrupted` for every run that was killed; do it before a new run begins.

        `seen` is what was observed since, by address. A journal whose run still lives is left alone.
        """
        sealed = []
        for path in self.unsealed():
            with abandoned(path) as gone:
                if not gone or not path.exists():
                    continue
                if not self._recorded(path.name):
                    journal = read_journal(path)
                    vouched = journal.sealed_lines(self._require_signer())
                    sealed.append(self._append(interrupted(journal, vouched, self._clock(), seen or {})))
                self._settle(path)
        return tuple(sealed)

    def unsealed(self) -> tuple[Path, ...]:
        """Journals of runs that still live, or were killed before their record stood."""
        return tuple(sorted(self.running.glob("*.jsonl")))

    def references(self) -> tuple[RecordRef, ...]:
        """Every record file, oldest first."""
        return tuple(self._reference(path) for path in self.record_files())

    def holds(self, seq: int, sha256: str) -> bool:
        """Whether exactly this record stands here at this number."""
        path = self.records / f"{seq:06}.dsse.json"
        return path.is_file() and self._reference(path).sha256 == sha256

    def load(self, name: str) -> StoredRecord:
        """One record by its number or run id. Nothing is verified. Raises `LedgerError` if there is none."""
        for path in self.record_files():
            stored = self._stored(path)
            if (name.isdecimal() and stored.ref.seq == int(name)) or _run_id(stored.statement) == name:
                return stored
        raise LedgerError(f"there is no record {name}", remedy="`idac records list` names them")

    def last_policy(self) -> PolicyThen | None:
        """The policy under which something was last applied; None where nothing was. Nothing is verified."""
        for path in reversed(self.record_files()):
            try:
                said = statement(parse(path.read_bytes()), POLICY_THEN)["predicate"]
                sha256, status = str(said["policy"]["sha256"]), said["status"]
            except (LedgerError, OSError, KeyError, TypeError):
                continue  # `records verify` reports it
            if status != "denied" and SHA256.match(sha256):
                return PolicyThen(sha256, self._kept(sha256))
        return None

    def _kept(self, sha256: str) -> Mapping[str, Any] | None:
        """What was kept under that digest, if it is there and unaltered."""
        try:
            data = (self.evidence / sha256).read_bytes()
            found = json.loads(data) if hashlib.sha256(data).hexdigest() == sha256 else None
        except (OSError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def load_all(self) -> Iterator[StoredRecord]:
        """Every record, oldest first. Nothing is verified. Raises `LedgerError` for one that is none."""
        return (self._stored(path) for path in self.record_files())

    def _append(self, body: Mapping[str, Any]) -> RecordRef:
        """Sign and write the next record. `link` decides between two runs that reach for one number."""
        signer = self._require_signer()
        try:
            make_directory(self.records)
            while True:
                newest = self.record_files()[-1:]
                previous = self._reference(newest[0]) if newest else None
                seq = previous.seq + 1 if previous else 0
                path = self.records / f"{seq:06}.dsse.json"
                try:
                    write_once(path, seal(payload(body, seq, previous), signer))
                except FileExistsError:
                    continue
                return self._reference(path)
        except OSError as problem:
            raise LedgerError(
                f"the record cannot be written: {problem.strerror}",
                remedy="make room or give the right to write; the next run seals this one's journal",
            ) from None

    def _keep(self, data: bytes) -> None:
        """Keep what a record refers to by its digest, under that digest."""
        path = self.evidence / hashlib.sha256(data).hexdigest()
        try:
            make_directory(self.evidence)
            if not path.exists():
                write_once(path, data)
        except FileExistsError:
            return  # another run kept the same just now
        except OSError as problem:
            raise LedgerError(f"evidence cannot be written: {problem.strerror}", remedy="make room") from None

    def _settle(self, path: Path) -> None:
        """A journal with its record leaves `open/`. Nothing is replaced."""
        try:
            os.link(path, self.journals / path.name)
        except FileExistsError:
            if not (self.journals / path.name).samefile(path):
                raise LedgerError(f"there are two journals {path.name}", remedy="find out who made them") from None
        os.unlink(path)
        sync_directory(self.journals)
        sync_directory(path.parent)

    def _recorded(self, name: str) -> bool:
        """Whether a run that was killed between its record and its journal's move has its record."""
        for path in self.record_files():
            try:
                if _run_id(self._stored(path).statement) == name.removesuffix(".jsonl"):
                    return True
            except LedgerError:
                continue  # one damaged record stops no run; `records verify` reports it
        return False

    def record_files(self) -> list[Path]:
        """The files that are named like records, in the order of their numbers."""
        found = self.records.iterdir() if self.records.is_dir() else ()
        return sorted((p for p in found if RECORD_NAME.match(p.name) and p.is_file()), key=_seq)

    def _reference(self, path: Path) -> RecordRef:
        return reference(path, self.directory, path.read_bytes())

    def _stored(self, path: Path) -> StoredRecord:
        try:
            data = path.read_bytes()
            envelope = parse(data)
            return StoredRecord(reference(path, self.directory, data), statement(envelope), envelope.key_id)
        except LedgerError as problem:
            raise LedgerError(
                f"{path.name}: {problem.message}", remedy="`idac records verify` says more"
            ) from None

    def _require_signer(self) -> Signer:
        if self.signer is None:
            raise LedgerError("no record key", remedy="`idac bootstrap` makes one; see records.key in idac.yaml")
        return self.signer


def reference(path: Path, directory: Path, data: bytes) -> RecordRef:
    """Names one record file with these bytes."""
    return RecordRef(_seq(path), path.relative_to(directory).as_posix(), hashlib.sha256(data).hexdigest())


def _seq(path: Path) -> int:
    return int(path.name.split(".")[0])


def _run_id(found: Mapping[str, Any]) -> str:
    predicate = found.get("predicate")
    return str(predicate.get("runId", "")) if isinstance(predicate, dict) else ""
