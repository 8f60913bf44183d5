"""HTTP/1.1 over TLS sockets with pipelining: the fast path to a server that answers small JSON.

Knows bytes, not meanings. Chosen by measuring: see docs/dependencies.md. No proxies, no redirects, no cookies.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

import httptools

from reconciler.errors import InvalidInput, Rejected, Unreachable
from reconciler.providers.vault.address import parse

MAX_ANSWER = 64 * 1024 * 1024  # bytes of one answer's body
MAX_HEADERS = 256 * 1024  # bytes of an answer that are not its body
IDLE_LIFE = 60.0  # seconds a connection may rest before it counts as dead
KEPT = 16  # idle connections
_CHUNK = 16 * 1024  # one TLS record; larger buffers cost more than they save


@dataclass(frozen=True, slots=True)
class Raw:
    """One answer as bytes. `retry_after` is in seconds, None when the server did not say."""

    status: int
    body: bytes
    retry_after: float | None = None


class NotSent(Unreachable):
    """The connection could not be made, so nothing was sent: safe to try again, even for a write."""


class _Answers:
    """Callbacks of the parser. Collects whole answers in `done`."""

    __slots__ = ("_around", "_body", "_retry_after", "_size", "done", "keep", "parser", "too_big")

    def __init__(self) -> None:
        self.done: list[Raw] = []
        self.keep = False
        self.too_big = False
        self._body: list[bytes] = []
        self._size = 0
        self._around = 0  # bytes since the last that belonged to a body or ended an answer
        self._retry_after: float | None = None
        self.parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Parse what came. Raises `Rejected` for what is not HTTP/1.1, or too large."""
        self._around += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise Rejected("the answer asks for another protocol than HTTP/1.1") from None
        except httptools.HttpParserError:
            raise Rejected(
                "the answer is not HTTP", remedy="see whether the address and port are the server's"
            ) from None
        if self.too_big:
            raise Rejected(f"the answer is larger than {MAX_ANSWER // 2**20} MiB")
        if self._around > MAX_HEADERS:
            raise Rejected(f"the answer's headers are larger than {MAX_HEADERS // 2**10} KiB")

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == 11 and name.lower() == b"retry-after" and value.isdigit():
            self._retry_after = float(value)

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        self._around = 0
        if self._size > MAX_ANSWER:
            self.too_big = True
            self._body.clear()
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        status = self.parser.get_status_code()
        self.keep = self.parser.should_keep_alive()
        if status >= 200:  # an interim answer announces another one
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self.done.append(Raw(status, body, self._retry_after))
            self._around = 0
        self._body = []
        self._size = 0
        self._retry_after = None


class Wire:
    """One connection. Not thread-safe: whoever took it from the pool has it alone."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._rested_since = monotonic()
        self.usable = True

    @property
    def fit(self) -> bool:
        """Whether it may carry another request: not closed by the server while it rested."""
        if not self.usable or monotonic() - self._rested_since > IDLE_LIFE:
            return False
        readable, _, _ = select.select([self._sock], [], [], 0)
        return not readable  # an idle server has nothing to say but goodbye

    def exchange(self, requests: Sequence[bytes], timeout: float) -> tuple[list[Raw], Unreachable | None]:
        """Send all requests at once and read their answers, each within `timeout` seconds of the one before.

        Returns the answers that came, in order, and what cut them short. Raises `Rejected` for something
        that is not HTTP or is too large.
        """
        answers = _Answers()
        self.usable = False
        try:
            self._sock.settimeout(timeout)
            self._sock.sendall(b"".join(requests))
            failure = self._receive(answers, len(requests), timeout)
        except TimeoutError:
            failure = Unreachable(f"no answer within {timeout:g} s", remedy="see whether the server is overloaded")
        except OSError as error:
            failure = Unreachable(f"the connection broke: {_why(error)}")
        finally:
            del answers.parser  # parser and callbacks hold each other, and so every body, until a collection
        self.usable = failure is None and len(answers.done) == len(requests) and answers.keep
        self._rested_since = monotonic()
        return answers.done, failure

    def _receive(self, answers: _Answers, wanted: int, timeout: float) -> Unreachable | None:
        seen = 0
        deadline = monotonic() + timeout
        while len(answers.done) < wanted:
            left = deadline - monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
            data = self._sock.recv(_CHUNK)
            if not data:
                return Unreachable("the connection was cut off before the answer was complete")
            answers.feed(data)
            if len(answers.done) > seen:
                seen, deadline = len(answers.done), monotonic() + timeout
        if len(answers.done) > wanted:
            raise Rejected("the server sent answers that nobody asked for")
        return None

    def close(self) -> None:
        """End the connection."""
        self._sock.close()


class Pool:
    """Connections to one server. Thread-safe."""

    def __init__(self, address: str, ca_cert: str = "", *, connect_timeout: float = 10.0) -> None:
        """`address` is `https://host:port`; plain `http://` is for loopback only. `ca_cert` is a PEM file.

        Raises `InvalidInput` for an address that is none, or a CA file that cannot be read.
        """
        secure, self.host, self.port = parse(address)
        self.address = address.rstrip("/")
        self._context = _tls(ca_cert) if secure else None
        self._timeout = connect_timeout
        self._idle: deque[Wire] = deque()

    def present(self, certificate: str, key: str) -> None:
        """Have new connections present this certificate. Paths of PEM files; raises `ssl.SSLError`."""
        if self._context is not None:
            self._context.load_cert_chain(certificate, key)

    def take(self) -> Wire:
        """A connection of one's own, resting or new. Raises `NotSent`."""
        while self._idle:
            try:
                wire = self._idle.pop()
            except IndexError:
                break
            if wire.fit:
                return wire
            wire.close()
        return self._connect()

    def give(self, wire: Wire) -> None:
        """Hand a connection back."""
        if wire.usable and len(self._idle) < KEPT:
            self._idle.append(wire)
        else:
            wire.close()

    def close(self) -> None:
        """Close what rests."""
        while self._idle:
            self._idle.pop().close()

    def _connect(self) -> Wire:
        try:
            sock = socket.create_connection((self.host, self.port), self._timeout)
        except OSError as error:
            raise NotSent(f"{self.address} cannot be reached: {_why(error)}") from None
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_hostname=self.host)
        except OSError as error:
            sock.close()
            raise NotSent(f"no TLS connection to {self.address}: {_why(error)}") from None
        return Wire(sock)


def _tls(ca_cert: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_cert or None)
    except (OSError, ssl.SSLError) as error:
        raise InvalidInput(
            f"the CA file {ca_cert} cannot be used: {_why(error)}", remedy="set VAULT_CACERT or target.caCert"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.strerror or str(error) or type(error).__name__
