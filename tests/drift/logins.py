"""Cert-auth roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.drift.case import ANY, Case, Tamper, another
from tests.firm import Firm
from tests.openbao import Raw

ANOTHER_CA = "another"  # stands for the certificate of a CA that somebody else made

# Where not every value is accepted, one that is.
LOGIN: Mapping[str, Any] = {
    "allowed_common_names": ["*"],
    "allowed_uri_sans": ["spiffe://*"],
    "ocsp_ca_certificates": ANOTHER_CA,
    "ocsp_servers_override": ["http://127.0.0.1:9"],
    "required_extensions": ["2.1.1.1:*"],
    "allowed_metadata_extensions": ["2.1.1.1"],
    "token_bound_cidrs": ["10.0.0.0/8"],
    "token_type": "batch",
    "token_policies": ["root-like"],
}
# The same by the server's older names, which it still takes.
OLDER_NAMES: Mapping[str, tuple[str, Any]] = {
    "policies": ("token_policies", ["root-like"]),
    "ttl": ("token_ttl", 600),
    "lease": ("token_ttl", 600),
    "max_ttl": ("token_max_ttl", 86_400),
    "period": ("token_period", 600),
    "bound_cidrs": ("token_bound_cidrs", ["10.0.0.0/8"]),
}


def login_path(firm: Firm, name: str) -> str:
    return f"auth/{firm.estate.mounts.cert}/certs/trader.{name}.mtls"


def authority(admin: Raw) -> str:
    """The certificate of a CA that somebody else made."""
    if "elsewhere/" not in admin.ok("GET", "sys/mounts").data:
        admin.ok("POST", "sys/mounts/elsewhere", {"type": "pki"})
        admin.ok("POST", "elsewhere/root/generate/internal", {"common_name": "another CA", "key_type": "ec"})
    return str(admin.ok("GET", "elsewhere/cert/ca").data["certificate"])


def _login(field: str, sent: str = "", value: Any = None) -> Tamper:
    def change(firm: Firm, admin: Raw, name: str) -> Any:
        path = login_path(firm, name)
        there = admin.ok("GET", path).data
        if field == "trusted":
            admin.ok("POST", path, {"certificate": authority(admin)})
            return ANY
        new = value if value is not None else LOGIN.get(field, another(there[field]))
        admin.ok("POST", path, {sent or field: authority(admin) if new == ANOTHER_CA else new})
        return ANY if new == ANOTHER_CA else new

    return change


def logins(fields: Iterable[str]) -> list[Case]:
    """One case for each field of a cert-auth role, and for each older name of one."""
    cases = [Case("vault.login", field, _login(field)) for field in fields]
    older = [
        Case("vault.login", new, _login(new, old, value), f"as-{old}") for old, (new, value) in OLDER_NAMES.items()
    ]
    return cases + older
