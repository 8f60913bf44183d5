"""Desired resources of the Vault provider, as pure data. Reader and expander share these field names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.canonical import canonical
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Address, Resource, Value, ref
from reconciler.providers.vault.policies import Combinations, grant_document

GRANT_ADDRESS = "vault.policy/runner/grant"
PROBE_ADDRESS = "vault.probe"  # facts alone: which entity is the probe that every MFA tier holds to its code
TOKEN_TTL = 900  # seconds; short, so that leases of a contained subject end soon even without a sweep
TOKEN_LIFE = 43200  # seconds; one trading day: no renewal outlives it

# Every field of a cert-auth role that is the same for all of them, by the backend's own names (OpenAPI of
# OpenBao 2.7.2). A role carries no policies: a token keeps what its role gave it.
PINNED_LOGIN: Mapping[str, Value] = {
    "allowed_dns_sans": [],
    "allowed_email_sans": [],
    "allowed_metadata_extensions": [],
    "allowed_names": [],
    "allowed_organizational_units": [],
    "ocsp_ca_certificates": "",
    "ocsp_enabled": False,
    "ocsp_fail_open": False,
    "ocsp_query_all_servers": False,
    "ocsp_servers_override": [],
    "required_extensions": [],
    "token_bound_cidrs": [],
    "token_explicit_max_ttl": TOKEN_LIFE,
    "token_max_ttl": TOKEN_LIFE,
    "token_no_default_policy": True,
    "token_num_uses": 0,
    "token_period": 0,
    "token_policies": [],
    "token_strictly_bind_ip": False,
    "token_ttl": TOKEN_TTL,
    "token_type": "service",
}
TOKEN_LOGIN_LIFE = 3600  # seconds: what runs, or who it is, is vouched for anew at least hourly
SKEW = (
    5  # seconds by which an issuer's clock may differ from the server's (RTS 25 asks far less of trading systems)
)
# The same for every JWT-auth role. A leeway of 0 would be the server's default of minutes; -1 is none at all.
PINNED_TOKEN_LOGIN: Mapping[str, Value] = {
    "allowed_redirect_uris": [],
    "bound_claims_type": "string",
    "callback_mode": "client",  # left out, reading the role would write it
    "claim_mappings": {},
    "clock_skew_leeway": SKEW,
    "expiration_leeway": -1,
    "groups_claim": "",
    "max_age": 0,
    "not_before_leeway": -1,
    "oauth2_metadata": [],
    "oidc_disable_confirmation": False,
    "oidc_scopes": [],
    "poll_interval": 0,
    "role_type": "jwt",
    "token_bound_cidrs": [],
    "token_explicit_max_ttl": TOKEN_LOGIN_LIFE,
    "token_max_ttl": TOKEN_LOGIN_LIFE,
    "token_no_default_policy": True,
    "token_num_uses": 0,
    "token_period": 0,
    "token_policies": [],
    "token_policies_template_claims": False,
    "token_strictly_bind_ip": False,
    "token_ttl": TOKEN_TTL,
    "token_type": "service",
    "user_claim": "sub",
    "user_claim_json_pointer": False,
    "verbose_oidc_logging": False,
}
TOKEN_LOGIN_FIELDS = (*PINNED_TOKEN_LOGIN, "bound_audiences", "bound_claims", "bound_subject")
LOGIN_FIELDS = (*PINNED_LOGIN, "allowed_common_names", "allowed_uri_sans", "display_name")


# What a policy of ours says besides its document, by the server's own names; Vault has none of these. A
# policy that expires by itself takes power from everybody at once, one that asks for check-and-set stops
# whoever does not send it, and templates let metadata decide what a path reaches.
PLAIN_POLICY: Mapping[str, Value] = {
    "allow_slashes_in_identity_templates": False,
    "allow_wildcards_in_identity_templates": False,
    "cas_required": False,
    "expiration": "",
}


# What of a TOTP method is the same for all tiers, by the server's own names.
PINNED_TOTP: Mapping[str, Value] = {"key_size": 20, "qr_size": 200}
# What a tier's enforcement names besides its members; each would make it about somebody else's logins too.
TARGETS = ("auth_method_accessors", "auth_method_types", "identity_group_ids")


@dataclass(frozen=True, slots=True)
class Totp:
    """Parameters of a tier's one-time passwords (RFC 6238). `period` in seconds, `skew` in periods."""

    algorithm: str
    digits: int
    period: int
    skew: int
    max_attempts: int


def mfa_name(estate: Estate, tier: str) -> str:
    """The server's name for a tier's TOTP method; its enforcements add a number. No estate's name has a dot."""
    return f"idac-{estate.name}.mfa.{tier}"


def mfa_tier(estate: Estate, tier: str, totp: Totp, members: Iterable[SubjectRef]) -> Resource:
    """Login MFA of one tier. `members` are those whose manifests name it, whatever their lifecycle."""
    fields: dict[str, Value] = {
        **PINNED_TOTP,
        "name": mfa_name(estate, tier),
        "issuer": f"idac {estate.name}",
        "algorithm": totp.algorithm,
        "digits": totp.digits,
        "period": totp.period,
        "skew": totp.skew,
        "max_validation_attempts": totp.max_attempts,
        "deviations": [],
        "members": sorted(map(str, members)),
    }
    return Resource(f"vault.mfa/{tier}", None, fields)


def held_to(tier: str, resource: Resource) -> Resource:
    """An entity or login of somebody whom this server must hold to that tier before the login may stand."""
    if not tier or resource.type not in ("vault.entity", "vault.login"):
        return resource
    return replace(resource, facts={**resource.facts, "tier": tier})


def role_policy_name(estate: Estate, role: str) -> str:
    """The server's name for a Role's ACL policy."""
    return f"{estate.prefix}role-{role}"


def entity_name(estate: Estate, subject: SubjectRef) -> str:
    """The server's name for a subject's entity."""
    return f"{estate.prefix}{subject.principal}"


def login_name(subject: SubjectRef, credential: str) -> str:
    """The server's name for a credential's cert-auth role."""
    return f"{subject.principal}.{credential}"


def role_policy(estate: Estate, name: str, paths: Mapping[str, Iterable[str]]) -> Resource:
    """The ACL policy of one Role. `paths` maps an API path to its capabilities."""
    rules = {path: {"capabilities": sorted(set(able))} for path, able in paths.items()}
    fields = {"name": role_policy_name(estate, name), "document": document({"path": rules}), **PLAIN_POLICY}
    facts = {"paths": {path: rule["capabilities"] for path, rule in sorted(rules.items())}}
    return Resource(f"vault.policy/role/{name}", None, fields, facts)


def grant_policy(estate: Estate, combinations: Combinations) -> Resource:
    """The grant login's own ACL policy: it may put exactly these combinations of Roles on entities.

    `combinations` holds Role names, one set per distinct set of roles that a subject of that kind has;
    subsets are added by the document itself. Raises `InvalidInput` when one policy cannot hold them all.
    """
    made = grant_document(estate, combinations)
    fields = {"name": f"{estate.prefix}grant", "document": document(made), **PLAIN_POLICY}
    return Resource(GRANT_ADDRESS, None, fields)


def entity(
    estate: Estate,
    subject: SubjectRef,
    roles: Iterable[str],
    person: str = "",
    own: Iterable[str] = (),
    aliases: Iterable[str] = (),
) -> Resource:
    """The identity entity of one active subject. `roles` are Role names, `person` the personId if there is one.

    `own` are the shared policies over one's own things that it needs besides, by suffix (`own-keys`); `aliases`
    (`mount:name`) those besides the one that every subject has.
    """
    policies = {role_policy_name(estate, role) for role in roles} | {f"{estate.prefix}{name}" for name in own}
    fields: dict[str, Value] = {
        "name": entity_name(estate, subject),
        "estate": estate.name,
        "subject": str(subject),
        "policies": sorted(policies),
        "aliases": sorted([f"{estate.mounts.cert}:{subject.principal}", *aliases]),
        "disabled": False,
        "state": "active",
    }
    return Resource(f"vault.entity/{subject}", subject, fields, {"person": person} if person else {})


def cert_login(estate: Estate, subject: SubjectRef, credential: str, uri_san: str) -> Resource:
    """The cert-auth role of one credential, bound to exactly this principal and URI SAN."""
    fields = {
        **PINNED_LOGIN,
        "allowed_common_names": [subject.principal],
        "allowed_uri_sans": [uri_san],
        "display_name": login_name(subject, credential),
        "trusted": ref("ca.authority", "sha256"),
    }
    return Resource(f"vault.login/{subject}/{credential}", subject, fields)


def token_login(
    subject: SubjectRef, credential: str, *, sub: str, audience: str, claims: Mapping[str, Value]
) -> Resource:
    """The JWT-auth role of one release, or of a person, `credential` its `<issuer>.<label>`.

    `claims`: JSON pointer -> value, or a list of which the token must name one.
    """
    fields = {
        **PINNED_TOKEN_LOGIN,
        "bound_audiences": [audience],
        "bound_claims": dict(claims),
        "bound_subject": sub,
    }
    return Resource(f"vault.login/{subject}/{credential}", subject, fields)


def login_path(estate: Estate, address: Address) -> str:
    """Where a `vault.login/...` stands in the server."""
    parts = address.split("/")[1:]
    if parts[0] == "unknown" and len(parts) == 4:  # unknown/jwt/<issuer>/<role>
        return f"auth/{estate.mounts.workload(parts[2])}/role/{parts[3]}"
    if parts[0] == "unknown":
        return f"auth/{estate.mounts.cert}/certs/{parts[1]}"
    name = login_name(SubjectRef(parts[0], parts[1]), parts[2])
    issuer, dot, _ = parts[2].partition(".")
    return (
        f"auth/{estate.mounts.workload(issuer)}/role/{name}" if dot else f"auth/{estate.mounts.cert}/certs/{name}"
    )


def document(rules: Mapping[str, Any]) -> str:
    """An ACL policy as the text that is stored: canonical JSON, so that equal policies are equal texts."""
    return canonical(rules).decode()
