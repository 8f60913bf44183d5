"""A workload issuer and its bots, from outside: tokens signed with a key of the tests, certificates fetched."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from reconciler import x509
from tests.firm import Firm, found
from tests.openbao import Raw, Reply, Server, a_desk

ISSUER = "https://spire.meridian.test"
AUDIENCE = "https://vault.meridian.test"
IMAGE, MODEL, CONFIG = (f"sha256:{digit * 64}" for digit in "123")
OTHER = f"sha256:{'f' * 64}"
PROFILE = {"subjectKinds": ["Bot"], "ttl": "10m", "renewBefore": "3m", "subject": {"organization": ["Meridian"]}}
CLAIMS = {
    "environment": "/workload/environment",
    "image": "/workload/image_digest",
    "model": "/workload/model_digest",
    "config": "/workload/config_digest",
}


NOW = int(time.time())
# Claims of tokens that are good at another time, or for ever.
UNTIMELY: dict[str, dict[str, Any]] = {
    "expired": {"iat": NOW - 120, "exp": NOW - 60},
    "not valid yet": {"nbf": NOW + 3600},
    "issued in the future": {"iat": NOW + 3600, "exp": NOW + 3700},
    "old, and without an end": {"iat": NOW - 60, "exp": None},
}


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(slots=True)
class WorkloadIssuer:
    """Somebody who vouches for workloads, with a P-256 key (ES256)."""

    name: str = "spire"
    kid: str = "1"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def jwk(self) -> dict[str, str]:
        numbers = self.key.public_key().public_numbers()
        x, y = (_b64(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "x": x, "y": y}

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.jwk]}

    @property
    def spec(self) -> dict[str, Any]:
        """What an estate made without files needs, to have this one issuer."""
        keys = {self.name: x509.read_jwks(json.dumps(self.jwks).encode())}
        return {"workloadIssuers": [self.configuration()], "issuer_keys": keys}

    def configuration(self, **changed: Any) -> dict[str, Any]:
        """Its entry in `workloadIssuers`."""
        made = {"name": self.name, "issuer": ISSUER, "jwksFile": f"keys/{self.name}.json", "claims": CLAIMS}
        return {**made, **changed}

    def token(self, claims: Mapping[str, Any]) -> str:
        """The claims, signed (RFC 7515); None takes one out."""
        header = _b64(json.dumps({"alg": "ES256", "typ": "JWT", "kid": self.kid}).encode())
        body = _b64(json.dumps({n: v for n, v in claims.items() if v is not None}).encode())
        r, s = decode_dss_signature(self.key.sign(f"{header}.{body}".encode(), ec.ECDSA(hashes.SHA256())))
        return f"{header}.{body}.{_b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@dataclass(slots=True)
class Workload:
    """A running release of a bot."""

    firm: Firm
    issuer: WorkloadIssuer
    name: str
    label: str = "1-0"
    image: str = IMAGE
    model: str | None = MODEL
    token: str = ""

    @property
    def principal(self) -> str:
        return f"bot.{self.name}"

    @property
    def uri(self) -> str:
        return f"spiffe://meridian.test/prod/bot/{self.name}"

    def claims(self, **changed: Any) -> dict[str, Any]:
        """What its issuer says of it now. `workload` may be given in part."""
        now = int(time.time())
        said: dict[str, Any] = {"environment": "prod", "image_digest": self.image, "model_digest": self.model}
        said = {n: v for n, v in {**said, **(changed.pop("workload", None) or {})}.items() if v is not None}
        made = {"iss": ISSUER, "sub": self.uri, "aud": [AUDIENCE], "iat": now, "exp": now + 60, "workload": said}
        return {**made, **changed}

    @property
    def raw(self) -> Raw:
        return self.firm.server.raw(self.token)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        raw = self.raw
        try:
            return raw.call(method, path, body)
        finally:
            raw.close()

    def login(self, *, signer: WorkloadIssuer | None = None, role: str = "", **changed: Any) -> int:
        """Log in with a fresh token; `changed` are claims that are otherwise."""
        self.token, jwt = "", (signer or self.issuer).token(self.claims(**changed))
        name = role or f"{self.principal}.{self.issuer.name}.{self.label}"
        path = f"auth/{self.firm.estate.mounts.workload(self.issuer.name)}/login"
        reply = self.call("POST", path, {"role": name, "jwt": jwt})
        if reply.status == 200:
            self.token = reply.body["auth"]["client_token"]
        return reply.status

    def fetch(self, **changed: Any) -> Reply:
        """Have a fresh key of its own certified, as its token allows."""
        _, csr = x509.new_key_and_csr("whatever")
        body = {
            "csr": csr,
            "common_name": self.principal,
            "uri_sans": self.uri,
            "exclude_cn_from_sans": "true",
            "format": "pem",
            **changed,
        }
        role = body.pop("role", f"{self.firm.estate.prefix}{self.principal}")
        verb = body.pop("verb", "sign")
        asked = {name: value for name, value in body.items() if value is not None}
        return self.call("POST", f"{self.firm.estate.mounts.pki}/{verb}/{role}", asked)

    def read(self, path: str = "desk/data/fx/limits") -> int:
        return self.call("GET", path).status


def employ(firm: Firm, *issuers: WorkloadIssuer, **spec: Any) -> None:
    """Name the issuers in idac.yaml, lay their mounts, and write the bots' profile and role."""
    (firm.root / "keys").mkdir(exist_ok=True)
    for issuer in issuers:
        (firm.root / f"keys/{issuer.name}.json").write_text(json.dumps(issuer.jwks))
    policy = {"autoApprove": True, "removals": {"absolute": 50, "percent": 100}}
    firm.configure(policy=policy, workloadIssuers=[issuer.configuration() for issuer in issuers], **spec)
    firm.manifest("CertificateProfile", "bot-mtls", PROFILE)
    ordinary, firm.environ = firm.environ, firm.server.environ
    firm.idac("-q", "bootstrap", code=0)
    firm.environ = ordinary


def release(version: str = "1.0", image: str = IMAGE, model: str | None = MODEL, **changed: Any) -> dict[str, Any]:
    """A release that somebody approved."""
    made = {"version": version, "imageDigest": image, "approval": {"by": "cro", "at": "2026-01-05"}, **changed}
    return {**made, **({"modelDigest": model} if model else {})}


def bot(firm: Firm, name: str, **changed: Any) -> Workload:
    """Write a bot's manifest; the workload that is its first release."""
    metadata = changed.pop("metadata", {})
    spec = {
        "class": "algo",
        "algoId": f"MRDN-{name}",
        "strategy": "market-making",
        "owner": "cro",
        "environment": "prod",
        "spiffeId": f"spiffe://meridian.test/prod/bot/{name}",
        "binding": {"issuer": "spire", "audience": AUDIENCE},
        "releases": [release()],
        "roles": ["rfq-trader"],
        "credentials": [{"name": "runtime", "profile": "bot-mtls", "key": "runtime"}],
        **changed,
    }
    firm.manifest("Bot", name, {n: v for n, v in spec.items() if v is not None}, **metadata)
    return Workload(firm, WorkloadIssuer(), name)


def key_file(home: Path, name: str) -> tuple[Path, str]:
    """A key and its CSR, as the bot makes them."""
    key = home / f"{name}.key"
    made = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    key.write_bytes(made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    subject = ["openssl", "req", "-new", "-key", str(key), "-subj", "/CN=anything"]
    return key, subprocess.run(subject, capture_output=True, text=True, check=True).stdout


def firm_of_bots(server: Server, home: Path, issuer: WorkloadIssuer) -> Firm:
    """A firm with a workload issuer, a risk officer and a head of desk; every test brings bots of its own."""
    firm = found(server, home)
    admin = firm.admin
    a_desk(admin)
    admin.close()
    employ(firm, issuer)
    firm.trader("cro")
    firm.trader("head")
    firm.apply()
    return firm
