"""Reading a journal, also one whose writer was killed in the middle of a line."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler import x509
from reconciler.errors import CryptoError, LedgerError
from reconciler.ledger.dsse import Signer
from reconciler.ledger.journal import Written, sealed

# What each kind of line has to hold.
_NEEDED: dict[str, dict[str, type]] = {
    "open": {"format": str},
    "intent": {"change": str, "address": str, "action": str, "idempotencyKey": str},
    "call": {"method": str, "path": str},
    "answer": {"method": str, "path": str, "status": str},
    "outcome": {"change": str, "status": str, "evidence": dict, "error": str},
    "seal": {"keyId": str, "sig": str},
    "close": {"status": str},
}


@dataclass(frozen=True, slots=True)
class JournalText:
    """The whole lines of one journal, from the first. `torn` says that something else follows them."""

    name: str
    sha256: str  # of the file's exact bytes
    lines: tuple[Mapping[str, Any], ...]
    torn: bool
    prefixes: Mapping[int, str]  # of each `seal` line: the SHA-256 of the bytes before it

    @property
    def header(self) -> Mapping[str, Any]:
        """What the run said it was."""
        return self.lines[0] if self.lines else {}

    def sealed_lines(self, signer: Signer) -> int:
        """How many lines, from the first, a seal of this key vouches for. Anybody may have written the rest."""
        for n in sorted(self.prefixes, reverse=True):
            if _seals(self.lines[n], sealed(self.name, self.prefixes[n]), signer):
                return n + 1
        return 0

    @property
    def written(self) -> Written:
        """What a record says of it."""
        closed = str(self.lines[-1]["status"]) if self.lines and self.lines[-1]["kind"] == "close" else None
        return Written(self.name, self.sha256, len(self.lines), self.torn, closed)


def read_journal(path: Path) -> JournalText:
    """The journal in `path`, as far as it is whole: a killed writer or a power cut leaves a torn end.

    Raises `LedgerError` only when the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise LedgerError(f"{path.name} cannot be read: {problem.strerror}") from None
    lines: list[Mapping[str, Any]] = []
    prefixes: dict[int, str] = {}
    running = hashlib.sha256()
    *whole, rest = data.split(b"\n")
    for text in whole:
        line = _line(text, len(lines))
        if line is None:
            break
        if line["kind"] == "seal":
            prefixes[len(lines)] = running.hexdigest()
        running.update(text + b"\n")
        lines.append(line)
    torn = bool(rest) or len(lines) < max(len(whole), 1)
    return JournalText(path.name, hashlib.sha256(data).hexdigest(), tuple(lines), torn, prefixes)


def _seals(line: Mapping[str, Any], data: bytes, signer: Signer) -> bool:
    if line["keyId"] != signer.key_id:
        return False
    try:
        x509.verify(signer.public_pem, base64.b64decode(line["sig"], validate=True), data)
    except (CryptoError, ValueError):
        return False
    return True


def _line(text: bytes, n: int) -> Mapping[str, Any] | None:
    """Line `n` of a journal, or None if it is not."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    fits = isinstance(found, dict) and found.get("n") == str(n) and isinstance(found.get("time"), str)
    needed = _NEEDED.get(str(found.get("kind"))) if fits else None
    if needed is None or not all(isinstance(found.get(name), kind) for name, kind in needed.items()):
        return None
    return found if (n == 0) == (found["kind"] == "open") else None


@contextmanager
def abandoned(path: Path) -> Iterator[bool]:
    """Whether the run that wrote this journal is gone. While the block runs, nobody else may think so."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(file)
