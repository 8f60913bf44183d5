"""ACL policies and PKI roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.drift.case import ANY, Case, Tamper, another
from tests.firm import Firm
from tests.openbao import Raw

# PKI roles: where not every value is accepted, one that is; fields that must change along with it.
PKI_ROLE: Mapping[str, Any] = {
    "allowed_domains": ["staff.*"],
    "allowed_ip_sans_cidr": ["10.0.0.0/8"],
    "allowed_other_sans": ["1.3.6.1.4.1.311.20.2.3;UTF8:*"],
    "allowed_uri_sans": ["*"],
    "cn_validations": ["disabled"],
    "ext_key_usage": ["EmailProtection"],
    "ext_key_usage_oids": ["1.3.6.1.4.1.311.20.2.2"],
    "key_bits": 384,
    "key_type": "any",
    "max_ttl": 365 * 86_400,
    "key_usage": ["digital_signature"],  # misspelt: it is stored, and certificates have no key usage
    "not_after": "2030-01-01T00:00:00Z",
    "not_after_bound": "permit",
    "not_before": "2020-01-01T00:00:00Z",
    "not_before_bound": "permit",
    "policy_identifiers": ["1.2.3.4"],
    "signature_bits": 384,
}
ALONG: Mapping[str, Mapping[str, Any]] = {"key_type": {"key_bits": 0}}


def pki_role(field: str, there: Mapping[str, Any], issuer: str) -> dict[str, Any]:
    """What to write over a PKI role so that one field is another, and what goes with it."""
    new = issuer if field == "issuer_ref" else PKI_ROLE.get(field, another(there[field]))
    return {field: new, **ALONG.get(field, {})}


def _profile(field: str) -> Tamper:
    def change(firm: Firm, admin: Raw, name: str) -> Any:
        pki = firm.estate.mounts.pki
        path = f"{pki}/roles/{name}"
        there = admin.ok("GET", path).data
        changed = pki_role(field, there, admin.ok("GET", f"{pki}/issuer/default").data["issuer_id"])
        admin.ok("POST", path, {**there, **changed})
        return changed[field]

    return change


def profiles(fields: Iterable[str]) -> list[Case]:
    """One case for each field of a PKI role."""
    return [Case("ca.profile", field, _profile(field)) for field in fields]


def _policy(shown: Any = ANY, **body: Any) -> Tamper:
    def change(firm: Firm, admin: Raw, name: str) -> Any:
        path = f"sys/policies/acl/{firm.estate.prefix}role-{name}"
        there = admin.ok("GET", path).data
        version = {"cas": there["version"]} if body.get("cas_required") else {}
        admin.ok("POST", path, {"policy": there["policy"], **body, **version})
        now = admin.ok("GET", path).data
        return now["policy"] if shown is ANY else shown

    return change


POLICY = [
    Case("vault.policy", "document", _policy(policy='path "*" { capabilities = ["sudo"] }')),
    Case("vault.policy", "document", _policy(policy="# nothing"), "nothing"),
    Case("vault.policy", "expiration", _policy("2100-01-01T00:00:00Z", expiration="2100-01-01T00:00:00Z")),
    Case("vault.policy", "cas_required", _policy(True, cas_required=True)),
    *(
        Case("vault.policy", field, _policy(True, **{field: True}))
        for field in ("allow_slashes_in_identity_templates", "allow_wildcards_in_identity_templates")
    ),
]
