"""The real OpenBao that the tests run on: one server a worker, one estate (with its own mounts) a test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import urllib3

from reconciler.providers.vault.dev import DevServer, ServerInfo
from reconciler.providers.vault.devfiles import Storage


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


def start_server(directory: Path, storage: str = "raft") -> Server:
    """A new server in an empty directory. A machine without the binary fails here; nothing is skipped."""
    dev = DevServer(directory / ".idac", storage=cast(Storage, storage))
    return Server(dev, dev.up())
