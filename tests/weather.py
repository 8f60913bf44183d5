"""Bad weather between us and a real server: a relay on loopback that delays, cuts, refuses and lies on command."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.openbao import Server


@dataclass(slots=True)
class Fault:
    """What happens to requests whose "METHOD path" matches, the first `skip` of them excepted, `times` of them."""

    pattern: str
    status: int = 0  # answer this, without asking the server
    body: str = '{"errors": ["made by the weather"]}'
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0  # seconds before the request goes on
    cut: bool = False  # close the connection without an answer
    after: bool = False  # the server carries the request out first; only its answer is lost or replaced
    skip: int = 0
    times: int = 10**9
    then: Callable[[], None] | None = None  # called once, when the fault first strikes
    struck: int = 0

    def strikes(self, line: str) -> bool:
        if not re.search(self.pattern, line):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.struck >= self.times:
            return False
        self.struck += 1
        if self.then is not None and self.struck == 1:
            self.then()
        return True


class Weather(ThreadingHTTPServer):
    """The relay. Plain HTTP on loopback outside, the server's own TLS inside."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, server: Server, handler: type[Relay] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), handler or Relay)
        self.target = urlsplit(server.address)
        self.tls = ssl.create_default_context(cafile=str(server.ca_cert))
        self.faults: list[Fault] = []
        self.lines: list[str] = []
        self.guard = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fault(self, pattern: str, **how: object) -> Fault:
        made = Fault(pattern, **how)  # type: ignore[arg-type]  # the fields of Fault
        self.faults.append(made)
        return made

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is part of the weather."""


class Relay(BaseHTTPRequestHandler):
    """One connection from a client, and one to the server for it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is two writes; held back, the second would cost 40 ms each time
    server: Weather

    def setup(self) -> None:
        super().setup()
        target = self.server.target
        self.inner = http.client.HTTPSConnection(
            str(target.hostname), target.port, context=self.server.tls, timeout=60
        )

    def finish(self) -> None:
        self.inner.close()
        super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """No talk."""

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        line = f"{self.command} {self.path}"
        with self.server.guard:
            self.server.lines.append(line)
            fault = next((f for f in self.server.faults if f.strikes(line)), None)
        if fault is not None and fault.delay:
            time.sleep(fault.delay)
        answer = None if fault is not None and (fault.cut or fault.status) and not fault.after else self.ask(body)
        if fault is not None and fault.cut:
            self.close_connection = True
            return
        if fault is not None and fault.status:
            self._answer(fault.status, fault.body.encode(), fault.headers)
            return
        assert answer is not None
        self._answer(*answer, {})

    def ask(self, body: bytes) -> tuple[int, bytes]:
        """What the server says."""
        kept = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection", "content-length")}
        self.inner.request(self.command, self.path, body or None, kept)
        answer = self.inner.getresponse()
        return answer.status, answer.read()

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)
        self.wfile.flush()


@contextmanager
def weather(server: Server, handler: type[Relay] | None = None) -> Iterator[Weather]:
    """A relay to this server, fair until told otherwise."""
    relay = Weather(server, handler)
    thread = threading.Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield relay
    finally:
        relay.shutdown()
        thread.join()
        relay.server_close()


SEALED = json.dumps({"errors": ["Vault is sealed"]})
