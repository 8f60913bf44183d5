"""A small firm on a real server: its manifests, the commands run on them, and its people from outside."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from reconciler import x509
from reconciler.load import load, load_estate
from reconciler.model.estate import Estate
from reconciler.model.manifest import Tree
from tests.cli import Done, idac
from tests.openbao import Raw, Server

LEI = "213800KUD8LAJWSQ9D15"
ROLE = {
    "permissions": ["rfq.send", "order.enter"],
    "vaultPaths": [{"path": "desk/data/fx/*", "capabilities": ["read"]}],
}
PROFILE = {
    "key": {"algorithm": "ec-p256", "origin": "software"},
    "keyUsages": ["digitalSignature"],
    "ekus": ["clientAuth"],
    "policyOids": ["1.3.6.1.4.1.55555.1.1"],
    "subject": {"organization": ["Meridian Trading"]},
    "ttl": "12h",
    "renewBefore": "4h",
}


@dataclass(slots=True)
class Firm:
    """One estate in a directory of its own, with mounts of its own on the shared server."""

    name: str
    home: Path
    server: Server
    codes: Iterator[int] = field(default_factory=lambda: iter(range(1_000_001, 2_000_000)))
    environ: dict[str, str] = field(default_factory=dict)
    profiles: dict[str, str] = field(default_factory=dict)  # of credentials that have another one than trader-mtls
    tokens: dict[str, str] = field(default_factory=dict)  # of credentials whose keys are in an HSM token

    @property
    def root(self) -> Path:
        return self.home / "identities"

    @property
    def plans(self) -> Path:
        return self.home / "plans"

    @property
    def estate(self) -> Estate:
        return load_estate(self.root / "idac.yaml")

    @property
    def tree(self) -> Tree:
        return load(self.estate)

    @property
    def admin(self) -> Raw:
        return self.server.raw()

    def configure(self, **spec: Any) -> None:
        """Write idac.yaml."""
        body = {"trustDomain": "meridian.test", "policy": {"autoApprove": True}, **spec}
        self.write(
            "idac.yaml", {"apiVersion": "idac/v1", "kind": "Estate", "metadata": {"name": self.name}, "spec": body}
        )

    def write(self, path: str, document: Mapping[str, Any]) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(dict(document), sort_keys=False))
        return file

    def manifest(self, kind: str, name: str, spec: Mapping[str, Any], **metadata: Any) -> Path:
        folder = {"Trader": "traders", "Role": "roles", "CertificateProfile": "profiles", "Bot": "bots"}[kind]
        document = {
            "apiVersion": "idac/v1",
            "kind": kind,
            "metadata": {"name": name, **metadata},
            "spec": dict(spec),
        }
        return self.write(f"{folder}/{name}.yaml", document)

    def key(self, name: str, credential: str = "mtls") -> Path:
        """The holder's key file, outside the manifests; its CSR goes into them."""
        path = self.home / "keys" / f"{name}-{credential}.key"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            secret, csr = x509.new_key_and_csr("whatever the holder wrote")
            path.write_text(secret.reveal())
            (self.root / "csr").mkdir(exist_ok=True)
            (self.root / f"csr/{name}-{credential}.pem").write_text(csr)
        return path

    def trader(self, name: str, *, credentials: Sequence[str] = ("mtls",), **changed: Any) -> Path:
        for credential in credentials:
            if credential not in self.tokens:
                self.key(name, credential)
        metadata = changed.pop("metadata", {})
        spec = {
            "personId": f"E{next(self.codes)}",
            "mifid": {"shortCode": next(self.codes), "piiRef": f"vault://pii/persons/{name}"},
            "entityLei": LEI,
            "desk": "fx-emea",
            "employment": {"start": "2024-02-01", "status": "active"},
            "roles": ["rfq-trader"],
            "credentials": [
                {"name": c, "profile": self.profiles.get(c, "trader-mtls"), "key": self._born(name, c)}
                for c in credentials
            ],
            **changed,
        }
        return self.manifest("Trader", name, spec, **metadata)

    def _born(self, name: str, credential: str) -> dict[str, str]:
        token = self.tokens.get(credential)
        return {"hsm": token} if token else {"csr": f"csr/{name}-{credential}.pem"}

    def change(self, name: str, **changed: Any) -> None:
        """Rewrite fields of a trader's spec."""
        file = self.root / f"traders/{name}.yaml"
        document = yaml.safe_load(file.read_text())
        document["spec"].update(changed)
        file.write_text(yaml.safe_dump(document, sort_keys=False))

    def leave(self, name: str) -> None:
        (self.root / f"traders/{name}.yaml").unlink()

    def idac(self, *arguments: str, code: int | None = None) -> Done:
        """One command on this firm's estate."""
        done = idac(self.root, *arguments, environ=self.environ)
        if code is not None:
            assert done.code == code, (
                f"idac {' '.join(arguments)} exited {done.code}, not {code}\n{done.out}\n{done.err}"
            )
        return done

    def plan(self) -> Any:
        """The plan as its document, whatever the exit code."""
        return self.idac("--format", "json", "plan").json

    def apply(self, code: int | None = 0) -> Any:
        """Plan and apply in one run; the result as its document."""
        return self.idac("--format", "json", "apply", "--auto-approve", code=code).json

    def holder(self, name: str, credential: str = "mtls") -> Holder:
        """The person, with the certificate as delivered."""
        path = f"{self.estate.mounts.kv}/data/certificates/trader.{name}.{credential}"
        data = self.admin.ok("GET", path).data["data"]
        chain = self.home / "keys" / f"{name}-{credential}.pem"
        chain.write_text(x509.join_pem(data["certificate"], data["chain"]))
        return Holder(
            self.server, self.estate.mounts.cert, f"trader.{name}.{credential}", chain, self.key(name, credential)
        )


_FIRMS = count(1)


def found(server: Server, home: Path, **policy: Any) -> Firm:
    """A bootstrapped estate with one role, one profile and no people; its own mounts on the shared server."""
    made = Firm(f"f{next(_FIRMS)}", home, server)
    made.root.mkdir()
    made.configure(policy={"autoApprove": True, **policy})
    made.manifest("Role", "rfq-trader", ROLE)
    made.manifest("CertificateProfile", "trader-mtls", PROFILE)
    made.environ = server.environ
    made.idac("-q", "bootstrap", code=0)
    made.environ = {"VAULT_ADDR": server.address, "VAULT_CACERT": str(server.ca_cert)}
    return made


@dataclass(slots=True)
class Holder:
    """Somebody outside, with a certificate, its key, and a token once logged in."""

    server: Server
    mount: str
    role: str
    chain: Path
    key: Path
    token: str = ""

    @property
    def certificate(self) -> x509.Certificate:
        return x509.read_certificate(self.chain.read_text())

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, tls: bool = False
    ) -> tuple[int, dict[str, Any]]:
        address = urlsplit(self.server.address)
        context = ssl.create_default_context(cafile=str(self.server.ca_cert))
        if tls:
            context.load_cert_chain(str(self.chain), str(self.key))
        connection = http.client.HTTPSConnection(str(address.hostname), address.port, context=context, timeout=30)
        try:
            headers = {"X-Vault-Token": self.token} if self.token and not tls else {}
            connection.request(method, f"/v1/{path}", json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(text) if text else {}

    def login(self, role: str | None = None) -> int:
        """Log in with the certificate. `role` "" names none, so that any matching role would do."""
        name = self.role if role is None else role
        status, body = self.call("POST", f"auth/{self.mount}/login", {"name": name} if name else {}, tls=True)
        if status == 200:
            self.token = body["auth"]["client_token"]
        return status

    def read(self, path: str = "desk/data/fx/limits") -> int:
        return self.call("GET", path)[0]

    def renew(self) -> int:
        return self.call("POST", "auth/token/renew-self", {})[0]
