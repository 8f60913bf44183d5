"""Verifying CSRs on a second core while the manifests are still being read.

A signature takes half as long to verify as a manifest takes to read, and Python's lock is held meanwhile: only
another process helps. It is our own code in another interpreter, fed through a pipe. It answers for the requests
that it accepted and for no others: whatever it refused, did not get, or could not answer because it died,
`read_csr` verifies itself, as if there were no such process. So every refusal has the same words.

The process ends when its input ends, and so with its parent, however that ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from reconciler.errors import CryptoError
from reconciler.x509.csr import accept, read_csr

FEWEST = 2_000  # requests; with fewer, the process costs more than it spares
_BATCH = 64  # requests in one write: each write wakes the other process, which takes longer than to copy them
_RUN = "import sys; sys.path.insert(0, sys.argv[1]); from reconciler.x509.ahead import work; work()"


class ReadAhead:
    """`with ReadAhead(expected) as ahead:`, then `ahead.feed(pem)` for each request, which never waits.

    `expected` is how many requests there will be, more or less. When the block is left, `read_csr` is told what
    was accepted, and need not verify it again.
    """

    def __init__(self, expected: int) -> None:
        self._fed: list[str] = []
        self._taken = 0  # how many of them were made into `_rest`
        self._rest = b""  # what the pipe has not taken yet
        self._process = _start() if expected >= FEWEST and (os.cpu_count() or 1) > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and kind is None:
            source, sink = _pipes(self._process)
            source.close()
            for pem, key in zip(self._fed, _answers(sink.read()), strict=False):
                if key is not None:
                    accept(pem, *key)
        self._end()

    def feed(self, pem: str) -> None:
        """A request that `read_csr` will be asked for."""
        if self._process is None:
            return
        self._fed.append(pem)
        if len(self._fed) % _BATCH:
            return
        source, _ = _pipes(self._process)
        try:
            while self._rest or self._taken < len(self._fed):
                if not self._rest:
                    batch = self._fed[self._taken : self._taken + _BATCH]
                    self._taken += len(batch)
                    self._rest = b"".join(map(_frame, batch))
                self._rest = self._rest[os.write(source.fileno(), self._rest) :]
        except BlockingIOError:
            return  # the pipe is full
        except BrokenPipeError:
            self._end()  # it died

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            with self._process:  # closes its pipes and waits for it
                self._process = None


def _start() -> subprocess.Popen[bytes]:
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(  # noqa: S603 - this interpreter, and code of this package
        [sys.executable, "-P", "-c", _RUN, root],  # -P: nothing in the working directory is imported
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    )
    os.set_blocking(_pipes(process)[0].fileno(), False)
    return process


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """Its input and its output."""
    if process.stdin is None or process.stdout is None:
        raise TypeError("the process was started without pipes")
    return process.stdin, process.stdout


def _frame(pem: str) -> bytes:
    data = pem.encode()
    return len(data).to_bytes(4, "big") + data


def _answers(data: bytes) -> list[tuple[str, str, int] | None]:
    """SPKI, type and bits of each key in the order of the requests; nothing at all when it died early."""
    try:
        return [None if key is None else (key[0], key[1], key[2]) for key in json.loads(data)]
    except ValueError:
        return []


def work() -> None:
    """The other process: requests until the input ends, and only then the answers, so that neither side waits."""
    found: list[tuple[str, str, int] | None] = []
    for pem in _requests(sys.stdin.buffer):
        try:
            csr = read_csr(pem)
            found.append((csr.spki, csr.key_type, csr.key_bits))
        except CryptoError:
            found.append(None)
    sys.stdout.write(json.dumps(found))


def _requests(source: IO[bytes]) -> Iterator[str]:
    while len(head := source.read(4)) == 4:
        size = int.from_bytes(head, "big")
        if len(data := source.read(size)) < size:
            return  # cut off: the parent verifies that one
        yield data.decode()
