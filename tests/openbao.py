"""The real OpenBao that the tests run on: few servers a worker, one estate (with its own mounts) a test."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import urllib3

from reconciler.errors import Denied, Rejected
from reconciler.model.estate import Estate, EstateSpec
from reconciler.providers.ca.bootstrap import bootstrap_ca
from reconciler.providers.hsm.bootstrap import bootstrap_hsm
from reconciler.providers.protocol import Answer
from reconciler.providers.vault.bootstrap import bootstrap
from reconciler.providers.vault.dev import DevServer, ServerInfo


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said, whatever it said."""

    status: int
    body: dict[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        return self.body.get("data") or {}

    @property
    def keys(self) -> list[str]:
        return list(self.data.get("keys") or ())

    @property
    def errors(self) -> str:
        return "; ".join(str(one) for one in self.body.get("errors") or ())


class Raw:
    """Plain API calls with one token: what an attacker, an emergency admin or a test would send."""

    def __init__(self, address: str, ca_cert: Path, token: str = "") -> None:
        self.address, self.ca_cert, self.token = address, ca_cert, token
        self._pool = urllib3.PoolManager(ca_certs=str(ca_cert), retries=False, timeout=30.0, maxsize=4)

    def with_token(self, token: str) -> Raw:
        return Raw(self.address, self.ca_cert, token)

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = "application/json",
    ) -> Reply:
        headers = {"X-Vault-Request": "true", "Content-Type": content_type}
        if self.token:
            headers["X-Vault-Token"] = self.token
        text = None if body is None else json.dumps(body).encode()
        answer = self._pool.request(method, f"{self.address}/v1/{path}", headers=headers, body=text)
        try:
            parsed = json.loads(answer.data) if answer.data else {}
        except ValueError:
            parsed = {"raw": answer.data}
        return Reply(answer.status, parsed if isinstance(parsed, dict) else {"raw": parsed})

    def read(self, path: str) -> Reply:
        return self.call("GET", path)

    def list(self, path: str) -> Reply:
        return self.call("LIST", path)

    def ok(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """The same, for calls that must succeed."""
        reply = self.call(method, path, body)
        assert reply.status < 300, f"{method} {path}: {reply.status} {reply.errors}"
        return reply

    def close(self) -> None:
        self._pool.clear()


class PlainClient:
    """The `Client` protocol over plain calls, for preparing estates."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        reply = self._raw.call(method, path, body)
        if reply.status == 403:
            raise Denied(f"{method} {path}: {reply.errors}")
        if reply.status >= 400 and (reply.status != 404 or reply.errors):
            raise Rejected(f"{method} {path}: {reply.status} {reply.errors}")
        return Answer(reply.status, reply.body)

    def read(self, path: str) -> Answer:
        return self._answer("GET", path)

    def list(self, path: str, *, stored: Callable[[str], str] = str) -> Answer:
        return self._answer("LIST", path)

    def keys_under(self, path: str, prefix: str) -> Sequence[str]:
        return [key for key in self.list(path).keys if key.startswith(prefix)]

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, Answer]]:
        return ((path, self.read(path)) for path in paths)

    def ask_many(self, path: str, bodies: Iterable[Mapping[str, Any]]) -> Iterator[Answer]:
        replies = (self._raw.call("POST", path, body) for body in bodies)
        return (Answer(reply.status, reply.body) for reply in replies)

    def write(
        self, path: str, body: Mapping[str, Any], *, method: str = "POST", tolerate: Sequence[str] = ()
    ) -> Answer:
        answer = self._answer(method, path, body)
        warnings = [w for w in answer.body.get("warnings") or () if not any(t in w for t in tolerate)]
        if warnings:
            raise Rejected(f"{method} {path}: {warnings}")
        return answer

    def delete(self, path: str) -> Answer:
        return self._answer("DELETE", path)

    def fetch(self, path: str, *, body: bytes | None = None, content_type: str = "") -> bytes:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Server:
    """A running trial server and its root."""

    dev: DevServer
    info: ServerInfo

    @property
    def address(self) -> str:
        return self.info.address

    @property
    def ca_cert(self) -> Path:
        return self.info.ca_cert

    @property
    def root_token(self) -> str:
        return self.info.root_token.read_text().strip()

    @property
    def environ(self) -> dict[str, str]:
        """What a command needs to find this server as its administrator."""
        return {"VAULT_ADDR": self.address, "VAULT_CACERT": str(self.ca_cert), "VAULT_TOKEN": self.root_token}

    def raw(self, token: str | None = None) -> Raw:
        return Raw(self.address, self.ca_cert, self.root_token if token is None else token)

    def stop(self) -> None:
        self.dev.down()


def start_server(directory: Path, *, audit: bool = True) -> Server:
    """A new server in an empty directory. A machine without the binary fails here; nothing is skipped."""
    dev = DevServer(directory / ".idac", audit=audit)
    return Server(dev, dev.up())


@dataclass(slots=True)
class Servers:
    """One server after another: estates leave mounts, policies and tokens behind, which every plan lists.

    They have no audit file, which takes a fifth of their time and which nothing reads.
    """

    place: Callable[[], Path]
    _server: Server | None = None
    _guests: int = 0
    _kept: int = 0
    ROOM: ClassVar[int] = 10  # tests

    def roomy(self) -> Server:
        """The running server, or a new one in its place when that had its share of tests and nobody keeps it."""
        if self._server is not None and self._guests >= self.ROOM and not self._kept:
            self.stop()
        if self._server is None:
            self._server, self._guests = start_server(self.place(), audit=False), 0
        self._guests += 1
        return self._server

    @contextlib.contextmanager
    def kept(self) -> Iterator[Server]:
        """A server that stays until this is over."""
        server = self.roomy()
        self._kept += 1
        try:
            yield server
        finally:
            self._kept -= 1

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None


def a_desk(admin: Raw) -> None:
    """The firm's own secrets, which exist without idac."""
    if admin.read("sys/mounts/desk").status != 200:
        admin.ok("POST", "sys/mounts/desk", {"type": "kv", "options": {"version": "2"}})
    body = {"data": {"limit": "5"}}
    for _ in range(100):  # a new KV v2 mount refuses writes for a moment, while it upgrades itself
        if admin.call("POST", "desk/data/fx/limits", body).status < 300:
            return
        time.sleep(0.1)
    admin.ok("POST", "desk/data/fx/limits", body)


_counter = itertools.count(1)


def make_estate(root: Path, name: str, **spec: Any) -> Estate:
    """An estate's configuration, without its file. `issuer_keys` stands for what its issuers' files hold."""
    keys = spec.pop("issuer_keys", {})
    fields = {"trustDomain": "trading.example", **spec}
    return Estate(
        name=name,
        root=str(root),
        spec=EstateSpec.model_validate(fields),
        configuration_digest="0" * 64,
        policy_digest="0" * 64,
        issuer_keys=keys,
    )


def fresh_estate(server: Server, root: Path, **spec: Any) -> Estate:
    """A bootstrapped estate of its own on the shared server; `root` is where its `.idac` goes."""
    root.mkdir(parents=True, exist_ok=True)
    estate = make_estate(root, f"t{next(_counter)}", **spec)
    raw = server.raw()
    client = PlainClient(raw)
    bootstrap_ca(client, estate, server.address)
    bootstrap_hsm(client, estate)
    bootstrap(client, estate, server.address)
    raw.close()
    return estate


def log_in(server: Server, estate: Estate, identity: str) -> Raw:
    """Plain calls with the token of one of the four identities."""
    noted = json.loads((Path(estate.root) / ".idac" / "logins" / f"{identity}.json").read_text())
    raw = server.raw("")
    body = {"role_id": noted["role_id"], "secret_id": noted["secret_id"]}
    raw.token = raw.ok("POST", f"auth/{noted['mount']}/login", body).body["auth"]["client_token"]
    return raw
