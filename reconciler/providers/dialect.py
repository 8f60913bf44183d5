"""Fields that OpenBao has and Vault has not. Vault shows none of them, and says so of what it was sent.

Each stands here with what we pin it to: a server that does not know the field is taken at that value. Where that
would be a promise, something else keeps it (docs/vault.md): `not_after` in a signing request, which
`not_after_bound` forbids, is no parameter that any policy of ours allows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Read of Vault's own source and API pages, and of OpenBao's list of changes.
OPENBAO_ALONE: Mapping[str, Any] = {
    # PKI roles, issuers, URLs, revocation lists
    "allow_expired_cert_revocation": False,
    "allow_globs_in_identity_templates": False,
    "allowed_ip_sans_cidr": [],
    "delta_crl_distribution_points": [],
    "not_after_bound": "forbid",
    "not_before": "",
    "not_before_bound": "forbid",
    # tokens that login roles give
    "token_strictly_bind_ip": False,
    # JWT auth
    "callback_mode": "client",
    "oauth2_metadata": [],
    "oidc_disable_confirmation": False,
    "override_allowed_server_names": [],
    "poll_interval": 0,
    "token_policies_template_claims": False,
}
_IGNORED = re.compile(r"\AEndpoint ignored these unrecognized parameters: \[([^\]]*)\]\Z")


def shown(answer: Mapping[str, Any], name: str) -> Any:
    """A field as a server shows it: None when it leaves out one that every server has."""
    return answer[name] if name in answer else OPENBAO_ALONE.get(name)


def ignored(warning: str) -> frozenset[str]:
    """The parameters that a server says it does not know; empty for any other warning."""
    found = _IGNORED.match(warning)
    return frozenset(found[1].replace(",", " ").split()) if found else frozenset()


def harmless(warning: str) -> bool:
    """Whether a warning says no more than that the server is no OpenBao."""
    names = ignored(warning)
    return bool(names) and names <= OPENBAO_ALONE.keys()
