"""The server and a credential's holder as the demo meets them: from outside, over plain HTTPS, without idac."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reconciler.errors import IdacError


class Unexpected(IdacError):
    """The demo did not go as it must."""

    code = "E900"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the server."""

    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Server:
    """The server as anybody sees it: an address and the authority of its TLS certificate."""

    host: str
    port: int
    ca_cert: str

    @classmethod
    def of(cls, estate: Path) -> Server:
        """The trial server beside idac.yaml."""
        facts = json.loads((estate / ".idac/server.json").read_text())
        address = urlsplit(facts["address"])
        return cls(str(address.hostname), int(address.port or 443), str(facts["ca_cert"]))

    def call(
        self,
        method: str,
        path: str,
        token: str = "",
        body: Mapping[str, Any] | None = None,
        identity: Sequence[Path] = (),
    ) -> Reply:
        """One request; `identity` is a certificate chain file and its key file."""
        context = ssl.create_default_context(cafile=self.ca_cert)
        if identity:
            context.load_cert_chain(*map(str, identity))
        connection = http.client.HTTPSConnection(self.host, self.port, context=context, timeout=30)
        try:
            headers = {"X-Vault-Token": token} if token else {}
            connection.request(method, f"/v1/{path}", json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
            return Reply(answer.status, json.loads(text) if text else {})
        finally:
            connection.close()


@dataclass(slots=True)
class Holder:
    """The trader: a certificate, its key, and a token once logged in."""

    server: Server
    mount: str
    role: str
    identity: tuple[Path, Path]
    token: str = ""

    @classmethod
    def of(cls, estate: Path, role: str, key: Path, chain: str) -> Holder:
        """What the trader holds after the certificate was delivered."""
        from reconciler.load import load_estate

        certificate = key.with_suffix(".pem")
        certificate.write_text(chain)
        return cls(Server.of(estate), load_estate(estate / "idac.yaml").mounts.cert, role, (certificate, key))

    def try_login(self) -> int:
        """Log in with the certificate; the status of the answer."""
        role = {"name": self.role}
        answer = self.server.call("POST", f"auth/{self.mount}/login", body=role, identity=self.identity)
        if answer.status == 200:
            self.token = answer.body["auth"]["client_token"]
        return answer.status

    def log_in(self) -> None:
        """Log in; it must work."""
        status = self.try_login()
        if status != 200:
            raise Unexpected(f"the trader's login was answered {status}")

    def read(self, path: str) -> int:
        """Use the token to read; the status of the answer."""
        return self.server.call("GET", path, self.token).status

    def renew(self) -> int:
        """Renew the token by itself; the status of the answer."""
        return self.server.call("POST", "auth/token/renew-self", self.token, {}).status
