"""A server that is none: raw bytes on loopback, one script for every connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

# Says what it likes on one connection; `requests` are whole HTTP requests as they came.
Script = Callable[["Talk"], None]


@dataclass(slots=True)
class Talk:
    """One connection, as the hostile server sees it."""

    sock: socket.socket
    server: Hostile
    rest: bytes = b""

    def request(self) -> bytes:
        """The next request, head and body; empty when the client went away."""
        while b"\r\n\r\n" not in self.rest:
            if not self._more():
                return b""
        head, _, body = self.rest.partition(b"\r\n\r\n")
        length = next((int(h[16:]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length: ")), 0)
        while len(body) < length:
            if not self._more():
                return b""
            body = self.rest.partition(b"\r\n\r\n")[2]
        self.rest = body[length:]
        self.server.seen.append(head + b"\r\n\r\n" + body[:length])
        return self.server.seen[-1]

    def say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def wait(self, seconds: float) -> bool:
        """A pause; true when the test is over."""
        return self.server.over.wait(seconds)

    def _more(self) -> bool:
        data = self.sock.recv(65536)
        self.rest += data
        return bool(data)


@dataclass(slots=True)
class Hostile:
    """`seen` holds every request it got."""

    listener: socket.socket
    script: Script
    seen: list[bytes] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    @property
    def lines(self) -> list[str]:
        return [request.split(b" HTTP", 1)[0].decode() for request in self.seen]

    def serve(self) -> None:
        while not self.over.is_set():
            with suppress(TimeoutError):
                sock, _ = self.listener.accept()
                thread = threading.Thread(target=self._one, args=(sock,))
                self.threads.append(thread)
                thread.start()

    def _one(self, sock: socket.socket) -> None:
        with sock, suppress(OSError):
            sock.settimeout(20)
            self.script(Talk(sock, self))


@contextmanager
def hostile(script: Script) -> Iterator[Hostile]:
    """A server on a free port of loopback that follows the script."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.02)
        server = Hostile(listener, script)
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            for one in (thread, *server.threads):
                one.join()


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A proper HTTP answer."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def always(*pieces: bytes) -> Script:
    """Every request is answered with the same bytes."""

    def script(talk: Talk) -> None:
        while talk.request():
            for piece in pieces:
                talk.say(piece)

    return script
