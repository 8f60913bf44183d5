"""The write-ahead journal of one run: one append-only file of JSON lines.

Kinds of lines: `open` (what the run is), `intent` (a change is about to begin), `call` (a writing call is
about to be sent), `answer` (its status), `outcome` (what came of the change), `seal`, `close`. Paths only,
never a body. A seal is the record key's signature over every byte before it: whoever can put a file among
the journals cannot make the next run sign a story of theirs. Durable before a call is sent: everything up to
its `call` line. What follows a call may be lost with the power, not with the process; the next run reads the
truth back from the systems.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.errors import LedgerError
from reconciler.ledger.dsse import Signer
from reconciler.ledger.files import make_directory, sync_directory, write_all
from reconciler.ledger.plain import line

FORMAT = "idac.journal/v1"


@dataclass(frozen=True, slots=True)
class Written:
    """What a record says of its journal: enough to recognise the file's exact bytes."""

    name: str
    sha256: str
    lines: int
    torn: bool
    closed_as: str | None  # the status of its `close` line


class RunJournal:
    """Written by one run, from several threads. Holds a lock on its file for as long as the run lives.

    Every method raises `LedgerError` when the line cannot be written: then nothing more may be done.
    """

    def __init__(
        self, path: Path, header: Mapping[str, Any], clock: Callable[[], str], signer: Signer | None = None
    ) -> None:
        """Create the file (never an existing one) and write `open` with the header, durably.

        Without a signer nothing is sealed, and an interrupted run's record says so.
        """
        self.path = path
        self.header = header
        self._clock, self._signer = clock, signer
        self._written = self._synced = 0  # lines
        self._sha256 = hashlib.sha256()
        self._closed_as: str | None = None
        self._writing, self._syncing = threading.Lock(), threading.Lock()
        self._here = threading.local()
        self._file = _create(path)
        try:
            self._durable(self._line("open", format=FORMAT, **header))
            sync_directory(path.parent)
        except OSError as problem:
            self.release()
            raise _unwritable(path, problem) from None
        except LedgerError:
            self.release()
            raise

    def intent(self, n: int, address: str, action: str, idempotency_key: str) -> None:
        """Change `n` is about to begin. Durable before the first call it leads to is sent."""
        self._here.change = n
        self._line("intent", change=n, address=address, action=action, idempotencyKey=idempotency_key)

    def before_write(self, method: str, path: str) -> None:
        """A writing call is about to be sent (the `CallHook` of providers). Returns once that is durable."""
        self._here.call = self._line("call", method=method, path=path, **self._change())
        self._durable(self._here.call)

    def after_write(self, method: str, path: str, status: int) -> None:
        """It was answered (the `AnswerHook`)."""
        call = getattr(self._here, "call", None)
        told = {} if call is None else {"call": call}
        self._line("answer", method=method, path=path, status=status, **told, **self._change())

    def outcome(self, n: int, status: str, evidence: Mapping[str, Any], error: str) -> None:
        """What came of change `n`."""
        self._line("outcome", change=n, status=status, evidence=evidence, error=error)
        self._seal()  # so that the record of a killed run can tell it
        self._here.change = self._here.call = None

    def close(self, status: str) -> None:
        """The run is over; nothing follows. Durable. The lock stays until `release`."""
        self._durable(self._line("close", status=status))
        self._closed_as = status

    def written(self) -> Written:
        """What was written so far."""
        with self._writing:
            return Written(self.path.name, self._sha256.hexdigest(), self._written, False, self._closed_as)

    def release(self) -> None:
        """Let go of the file. A journal that was not closed is then sealed by the next run."""
        with self._writing, self._syncing:
            if self._file >= 0:
                os.close(self._file)
            self._file = -1

    def _change(self) -> dict[str, int]:
        change = getattr(self._here, "change", None)
        return {} if change is None else {"change": change}

    def _line(self, kind: str, **members: Any) -> int:
        with self._writing:
            if self._file < 0:
                raise LedgerError(f"the journal {self.path.name} is closed", remedy="start a new run")
            return self._append(kind, members)

    def _append(self, kind: str, members: Mapping[str, Any]) -> int:
        text = line({"n": self._written, "time": self._clock(), "kind": kind, **members})
        try:
            write_all(self._file, text)
        except OSError as problem:
            raise _unwritable(self.path, problem) from None
        self._sha256.update(text)
        self._written += 1
        return self._written - 1

    def _seal(self) -> None:
        """Sign all that was written so far."""
        if self._signer is None:
            return
        with self._writing:
            if self._file < 0:
                return
            signature = self._signer.sign(sealed(self.path.name, self._sha256.hexdigest()))
            self._append("seal", {"keyId": self._signer.key_id, "sig": base64.b64encode(signature).decode()})

    def _durable(self, n: int) -> None:
        """Return once line `n` is sealed and on disk. One thread's fsync serves all that wait meanwhile."""
        with self._syncing:
            if self._synced > n:
                return
            self._seal()
            written = self._written
            try:
                os.fsync(self._file)
            except OSError as problem:
                raise _unwritable(self.path, problem) from None
            self._synced = written


def sealed(name: str, sha256: str) -> bytes:
    """What a seal signs: which journal this is, and the SHA-256 (hex) of every byte before the seal's line."""
    return f"{FORMAT} seal\n{name}\n{sha256}\n".encode()


def _create(path: Path) -> int:
    try:
        make_directory(path.parent)
    except OSError as problem:
        raise _unwritable(path, problem) from None
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise LedgerError(f"there is a journal {path.name} already", remedy="a run id is used once") from None
    except OSError as problem:
        raise _unwritable(path, problem) from None
    fcntl.flock(file, fcntl.LOCK_EX)  # tells a dead run's journal from a live one's
    if not path.exists():  # another run took it for a dead one's in the moment before it was locked
        os.close(file)
        raise LedgerError(f"another run sealed the journal {path.name}", remedy="start this run again")
    return file


def _unwritable(path: Path, problem: OSError) -> LedgerError:
    return LedgerError(
        f"the journal {path.name} cannot be written: {problem.strerror}",
        remedy="nothing is done that is not written down first; make room or give the right to write there",
    )
