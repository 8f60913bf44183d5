"""JWT-auth roles of bots and of people, bots' PKI roles, and what is theirs on the entity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.drift.case import ANY, WORKLOAD, Case, Tamper, another
from tests.drift.rules import pki_role
from tests.firm import Firm
from tests.openbao import Raw

# Where not every value is accepted, one that is; fields that must change along with it.
LOGIN: Mapping[str, Any] = {
    "bound_claims": {},
    "bound_claims_type": "glob",
    "callback_mode": "device",
    "claim_mappings": {"/workload/environment": "environment"},
    "clock_skew_leeway": 3600,
    "expiration_leeway": 3600,
    "not_before_leeway": 3600,
    "oauth2_metadata": ["id_token"],
    "role_type": "oidc",
    "token_bound_cidrs": ["10.0.0.0/8"],
    "token_policies": ["root-like"],
    "token_type": "batch",
    "user_claim": "email",
}
ELSEWHERE = "spiffe://meridian.test/elsewhere"
ALONG: Mapping[str, Mapping[str, Any]] = {"role_type": {"allowed_redirect_uris": ["http://127.0.0.1:9/callback"]}}
ISSUER: Mapping[str, Any] = {
    "allowed_domains": ["bot.*"],
    "allowed_uri_sans": ["spiffe://*"],
    "max_ttl": 365 * 86_400,
    "ou": [],
}


def login_path(firm: Firm, name: str) -> str:
    return f"auth/{firm.estate.mounts.workload('spire')}/role/bot.{name}.spire.1-0"


def issuer_path(firm: Firm, name: str) -> str:
    return f"{firm.estate.mounts.pki}/roles/{firm.estate.prefix}bot.{name}"


def sign_in_path(firm: Firm, name: str) -> str:
    return f"auth/{firm.estate.mounts.workload('corp')}/role/trader.{name}.corp.sign-in"


def _login(field: str, where: Callable[[Firm, str], str]) -> Tamper:
    def change(firm: Firm, admin: Raw, name: str) -> Any:
        path = where(firm, name)
        there = admin.ok("GET", path).data
        new = LOGIN[field] if field in LOGIN else another(there.get(field, 0))  # a poll_interval of 0 is not shown
        # Left out, a role's type would become another one.
        admin.ok("POST", path, {"role_type": "jwt", field: new, **ALONG.get(field, {})})
        return admin.ok("GET", path).data[field]

    return change


def _issuer(field: str) -> Tamper:
    def change(firm: Firm, admin: Raw, name: str) -> Any:
        path = issuer_path(firm, name)
        there = admin.ok("GET", path).data
        issuer = admin.ok("GET", f"{firm.estate.mounts.pki}/issuer/default").data["issuer_id"]
        changed = {field: ISSUER[field]} if field in ISSUER else pki_role(field, there, issuer)
        admin.ok("POST", path, {**there, **changed})
        return changed[field]

    return change


def _entity(field: str, kind: str = "bot", issuer: str = "spire", sub: str = ELSEWHERE) -> Tamper:
    def change(firm: Firm, admin: Raw, name: str) -> Any:
        path = f"identity/entity/name/{firm.estate.prefix}{kind}.{name}"
        there = admin.ok("GET", path).data
        if field == "policies":
            admin.ok("POST", path, {"policies": [*there["policies"], "root-like"]})
        else:
            mount = f"auth/{firm.estate.mounts.workload(issuer)}/"
            alias = next(a for a in there["aliases"] if a["mount_path"] == mount)
            admin.ok("POST", f"identity/entity-alias/id/{alias['id']}", {"name": sub})
        return ANY

    return change


def bots(login_fields: Iterable[str], role_fields: Iterable[str]) -> list[Case]:
    """One case for each field of a JWT-auth role and of a bot's PKI role."""
    cases = [Case(WORKLOAD, field, _login(field, login_path), kind="bot") for field in login_fields]
    cases += [Case("ca.issuer", field, _issuer(field), kind="bot") for field in role_fields]
    return cases + [Case("vault.entity", field, _entity(field), kind="bot") for field in ("policies", "aliases")]


def people(login_fields: Iterable[str]) -> list[Case]:
    """The same for each field of the login of a person who signs in."""
    how = "person"
    cases = [Case(WORKLOAD, field, _login(field, sign_in_path), how) for field in login_fields]
    return [*cases, Case("vault.entity", "aliases", _entity("aliases", "trader", "corp", "00uElsewhere"), how)]
