"""What the escape tests stand on: an estate with somebody else's things beside it, and a picture of the server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.providers.ca.resources import Profile, issuer, issuer_role, profile
from reconciler.providers.vault.policies import grant_document
from reconciler.providers.vault.resources import document, token_login
from reconciler.providers.vault.runners import POLICIES
from reconciler.x509 import new_key_and_csr
from tests.keys import TOKENS
from tests.openbao import Raw, Server, log_in
from tests.signing_in import estate_spec
from tests.workloads import WorkloadIssuer


@dataclass(frozen=True, slots=True)
class Field:
    """One estate under attack. `names` fills the `{...}` of paths and bodies."""

    server: Server
    estate: Estate
    admin: Raw
    logins: Mapping[str, Raw]
    names: Mapping[str, str]

    def path(self, template: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: self.names[found[1]], template)

    def body(self, template: Any) -> Any:
        if isinstance(template, str):
            return self.path(template)
        if isinstance(template, Mapping):
            return {name: self.body(value) for name, value in template.items()}
        return [self.body(one) for one in template] if isinstance(template, list) else template

    def close(self) -> None:
        for raw in (self.admin, *self.logins.values()):
            raw.close()


def spec() -> dict[str, Any]:
    """What the estate under attack must name: an HSM token, an issuer of workloads, a provider of people."""
    bots, people = WorkloadIssuer().spec, estate_spec()
    keys = {**bots.pop("issuer_keys"), **people.pop("issuer_keys")}
    return {"hsmTokens": TOKENS, "issuer_keys": keys, **bots, **people}


def field(server: Server, estate: Estate) -> Field:
    """Two Roles, a profile, the trader `jdoe`, the bot `mm`, the foreign entity `boss`, another team's secret."""
    admin, mounts, prefix = server.raw(), estate.mounts, estate.prefix
    for role in ("desk", "viewer"):
        text = document({"path": {f"secret/{role}": {"capabilities": ["read"]}}})
        admin.ok("POST", f"sys/policies/acl/{prefix}role-{role}", {"policy": text})
    combinations = document(grant_document(estate, {"trader": [("desk", "viewer")], "bot": [("desk",)]}))
    admin.ok("POST", f"sys/policies/acl/{prefix}grant", {"policy": combinations})
    admin.ok("POST", f"{mounts.pki}/roles/mtls", profile(estate, Profile("mtls", ("trader",), 3600)).fields)
    if admin.read(f"sys/mounts/other-{estate.name}").status != 200:
        admin.ok("POST", f"sys/mounts/other-{estate.name}", {"type": "kv"})
    admin.ok("POST", f"other-{estate.name}/secret", {"password": "hunter2"})
    bot = SubjectRef("bot", "mm")
    uri = f"spiffe://{estate.spec.trust_domain}/bot/mm"
    own = issuer(estate, bot, Profile("fetched", ("bot",), 600), uri)
    admin.ok("POST", f"{mounts.pki}/roles/{issuer_role(estate, bot)}", own.fields)
    person = SubjectRef("trader", "jdoe")
    sign_in = token_login(person, "corp.sign-in", sub="00uJdoe", audience="people", claims={"/acr": "phr"})
    admin.ok("POST", f"auth/{mounts.workload('corp')}/role/trader.jdoe.corp.sign-in", sign_in.fields)
    standing = token_login(bot, "spire.1-0", sub=uri, audience="vault", claims={"/image": "sha256:1"})
    admin.ok("POST", f"auth/{mounts.workload('spire')}/role/bot.mm.spire.1-0", standing.fields)
    admin.ok("POST", f"identity/entity/name/{prefix}bot.mm", {"metadata": {"idac_estate": estate.name}})
    jdoe = admin.ok(
        "POST", f"identity/entity/name/{prefix}trader.jdoe", {"metadata": {"idac_estate": estate.name}}
    )
    boss = admin.ok("POST", f"identity/entity/name/boss-{estate.name}", {"policies": "default"})
    hsm, key = estate.hsm_mount("trade"), f"{prefix}trader.jdoe.signing"
    admin.ok("POST", f"{hsm}/keys/{key}", {"type": "ecdsa-p256"})
    own, other = (
        admin.ok("POST", "identity/mfa/method/totp", {"method_name": name, "issuer": "x"}).data["method_id"]
        for name in (f"idac-{estate.name}.mfa.otp", f"other-{estate.name}")
    )
    held = {"mfa_method_ids": [own], "identity_entity_ids": [jdoe.data["id"]]}
    admin.ok("POST", f"identity/mfa/login-enforcement/idac-{estate.name}.mfa.otp.1", held)
    accessor = admin.read("sys/auth").body["data"]
    names = {
        "prefix": prefix,
        "estate": estate.name,
        "pki": mounts.pki,
        "root": mounts.root,
        "kv": mounts.kv,
        "hsm": hsm,
        "key": key,
        "cert": f"auth/{mounts.cert}",
        "run": f"auth/{mounts.run}",
        "jwt": f"auth/{mounts.workload('spire')}",
        "jwt_accessor": accessor[f"{mounts.workload('spire')}/"]["accessor"],
        "corp": f"auth/{mounts.workload('corp')}",
        "corp_accessor": accessor[f"{mounts.workload('corp')}/"]["accessor"],
        "jdoe": jdoe.data["id"],
        "boss": boss.data["id"],
        "own_method": own,
        "other_method": other,
        "accessor": accessor[f"{mounts.cert}/"]["accessor"],
        "run_accessor": accessor[f"{mounts.run}/"]["accessor"],
        "token_accessor": accessor["token/"]["accessor"],
        "ca": admin.read(f"{mounts.pki}/cert/ca").data["certificate"],
        "csr": new_key_and_csr("trader.jdoe")[1],
    }
    logins = {identity: log_in(server, estate, identity) for identity in POLICIES}
    return Field(server, estate, admin, logins, names)


_TREES = {"cert": ("certs", "crls"), "approle": ("role",), "jwt": ("role", "cel/role")}  # of login methods
_CLOCKS = {"creation_time", "last_update_time", "issue_time", "expire_time", "ttl", "modified", "request_id"}


def picture(admin: Raw) -> dict[str, Any]:
    """Everything that an attack might change, as the administrator sees it; two are equal when nothing changed."""
    seen: dict[str, Any] = {path: admin.read(path).data for path in ("sys/mounts", "sys/auth", "sys/audit")}
    for base in (
        "identity/entity/id", "identity/entity-alias/id", "identity/group/id", "identity/oidc/key",
        "identity/oidc/role", "identity/mfa/method", "identity/mfa/login-enforcement",
        "sys/policies/acl", "sys/policies/password",
        "sys/namespaces", "auth/token/roles", "sys/quotas/rate-limit", "sys/workflows/manage",
    ):  # fmt: skip
        _tree(admin, base, seen)
    for mount, facts in seen["sys/mounts"].items():
        seen[f"tune {mount}"] = admin.read(f"sys/mounts/{mount}tune").data
        _engine(admin, mount.rstrip("/"), facts, seen)
    for mount, facts in seen["sys/auth"].items():
        seen[f"tune auth {mount}"] = admin.read(f"sys/auth/{mount}tune").data
        for tree in _TREES.get(facts["type"], ()):
            _tree(admin, f"auth/{mount}{tree}", seen)
        if facts["type"] == "jwt":
            seen[f"auth/{mount}config"] = admin.read(f"auth/{mount}config").data
        for role in admin.list(f"auth/{mount}role").keys if facts["type"] == "approle" else ():
            seen[f"secrets {mount}{role}"] = admin.list(f"auth/{mount}role/{role}/secret-id").keys
    return {path: _timeless(shown) for path, shown in seen.items()}


def _engine(admin: Raw, mount: str, facts: Mapping[str, Any], seen: dict[str, Any]) -> None:
    if facts["type"] == "pki":
        for tree in ("roles", "issuers", "keys", "cel/roles", "certs", "certs/revoked", "eab"):
            seen[f"{mount}/{tree}"] = admin.list(f"{mount}/{tree}").data
        for name in ("crl", "urls", "issuers", "acme", "auto-tidy", "cluster", "keys"):
            seen[f"{mount}/config/{name}"] = admin.read(f"{mount}/config/{name}").data
        for role in admin.list(f"{mount}/roles").keys:
            seen[f"{mount}/roles/{role}"] = admin.read(f"{mount}/roles/{role}").data
        for name in ("crl", "delta-crl"):
            seen[f"{mount}/{name}"] = admin.read(f"{mount}/cert/{name}").data
    elif facts["type"] == "kv" and (facts["options"] or {}).get("version") == "2":
        for folder in admin.list(f"{mount}/metadata").keys:
            seen[f"{mount}/{folder}"] = admin.list(f"{mount}/detailed-metadata/{folder.rstrip('/')}").data
    elif facts["type"] == "transit":
        _token(admin, mount, seen)
    elif facts["type"] == "kv":
        _tree(admin, mount, seen)


def _token(admin: Raw, mount: str, seen: dict[str, Any]) -> None:
    _tree(admin, f"{mount}/keys", seen)
    for name in ("keys", "cache"):
        seen[f"{mount}/config/{name}"] = admin.read(f"{mount}/config/{name}").data


def _tree(admin: Raw, base: str, seen: dict[str, Any]) -> None:
    for name in admin.list(base).keys:
        seen[f"{base}/{name}"] = admin.read(f"{base}/{name}").data


def _timeless(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _timeless(one) for name, one in value.items() if name not in _CLOCKS}
    return [_timeless(one) for one in value] if isinstance(value, list) else value or None
