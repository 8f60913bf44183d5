"""An identity provider and people who sign in there, from outside: ID tokens signed with a key of the tests."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler import x509
from tests.firm import Firm, found
from tests.openbao import Reply, Server, a_desk
from tests.workloads import WorkloadIssuer

ISSUER = "https://login.meridian.test"
AUDIENCE = "idac-vault"
ACR = "phr"  # OpenID Extended Authentication Profile: phishing-resistant
TIER = {"aal": 2, "acr": ACR, "methods": ["webauthn"], "enforcedBy": ["idp"]}


def corp() -> WorkloadIssuer:
    """The keys of the firm's identity provider, which signs as an issuer of workloads does."""
    return WorkloadIssuer("corp")


def configuration(**changed: Any) -> dict[str, Any]:
    """Its entry in `identityProviders`."""
    made = {"name": "corp", "issuer": ISSUER, "jwksFile": "keys/corp.json", "audience": AUDIENCE}
    return {**made, **changed}


def estate_spec() -> dict[str, Any]:
    """What an estate made without files needs, to have this one provider."""
    keys = {"corp": x509.read_jwks(json.dumps(corp().jwks).encode())}
    provider = configuration(audience="people", subjects=["00u*"])
    return {"identityProviders": [provider], "issuer_keys": keys}


def tier(firm: Firm, name: str = "strong", **spec: Any) -> None:
    """Write an MFA tier that the provider is to enforce."""
    body = {**TIER, **spec}
    document = {"apiVersion": "idac/v1", "kind": "MfaTier", "metadata": {"name": name}, "spec": body}
    firm.write(f"tiers/{name}.yaml", document)


@dataclass(slots=True)
class Person:
    """Somebody who signed in at the provider, with a token of the server's once logged in."""

    firm: Firm
    provider: WorkloadIssuer
    name: str
    sub: str = ""
    acr: Any = ACR
    amr: Any = ("hwk", "user", "mfa")
    token: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)  # for a one-time code, in the place of a token

    @property
    def role(self) -> str:
        return f"trader.{self.name}.corp.sign-in"

    def claims(self, **changed: Any) -> dict[str, Any]:
        """What the provider says of the sign-in that was just now."""
        now = int(time.time())
        made = {"iss": ISSUER, "sub": self.sub, "aud": [AUDIENCE], "iat": now, "exp": now + 60, "auth_time": now}
        return {**made, "acr": self.acr, "amr": list(self.amr), "email": f"{self.name}@meridian.test", **changed}

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        raw = self.firm.server.raw(self.token)
        try:
            return raw.call(method, path, body)
        finally:
            raw.close()

    def login(self, *, signer: WorkloadIssuer | None = None, role: str = "", **changed: Any) -> int:
        """Log in with a fresh ID token; `changed` are claims that are otherwise."""
        self.token, jwt = "", (signer or self.provider).token(self.claims(**changed))
        path = f"auth/{self.firm.estate.mounts.workload('corp')}/login"
        reply = self.call("POST", path, {"role": role or self.role, "jwt": jwt})
        auth = reply.body.get("auth") or {}
        self.token, self.asked = auth.get("client_token") or "", auth.get("mfa_requirement") or {}
        return reply.status

    def read(self, path: str = "desk/data/fx/limits") -> int:
        return self.call("GET", path).status


def subject_of(name: str) -> str:
    """A `sub` as providers make them: opaque, with capitals."""
    return f"00u1{name.title().replace('-', '_')}X7"


def write(firm: Firm, provider: WorkloadIssuer, name: str, **spec: Any) -> Person:
    """Write the manifest of a trader who signs in."""
    sub = subject_of(name)
    made = {"mfaTier": "strong", "signIn": {"provider": "corp", "subject": sub}, "credentials": [], **spec}
    firm.trader(name, **made)
    return Person(firm, provider, name, sub)


def hire(firm: Firm, provider: WorkloadIssuer, name: str, **spec: Any) -> Person:
    """The same, applied."""
    made = write(firm, provider, name, **spec)
    firm.apply()
    return made


def connect(firm: Firm, provider: WorkloadIssuer, **spec: Any) -> None:
    """Name the provider in idac.yaml, and lay its mount."""
    (firm.root / "keys").mkdir(exist_ok=True)
    (firm.root / "keys/corp.json").write_text(json.dumps(provider.jwks))
    policy = {"autoApprove": True, "removals": {"absolute": 50, "percent": 100}}
    firm.configure(**{"policy": policy, "identityProviders": [configuration()], **spec})
    bootstrapped(firm)


def bootstrapped(firm: Firm) -> None:
    """Run bootstrap as the administrator."""
    ordinary, firm.environ = firm.environ, firm.server.environ
    firm.idac("-q", "bootstrap", code=0)
    firm.environ = ordinary


def firm_with_sign_in(server: Server, home: Any, provider: WorkloadIssuer) -> Firm:
    """A firm with an identity provider and a tier that it enforces; every test brings people of its own."""
    firm = found(server, home)
    admin = firm.admin
    a_desk(admin)
    admin.close()
    connect(firm, provider)
    tier(firm)
    return firm
