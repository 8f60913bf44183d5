"""What every certificate stands on and no manifest names: issuer, URLs, revocation lists, the probe's role.

Bootstrap lays it, every plan looks at it again (as `providers/vault/footing.py` does for the logins).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding
from reconciler.providers.ca.bootstrap import CRL, ISSUER, ISSUING
from reconciler.providers.ca.resources import PROBE_ROLE, probe_role
from reconciler.providers.dialect import shown
from reconciler.providers.protocol import Client, deviation

# What certificates say of where to ask about them; the server's address before it is whatever verifiers use.
_URLS = {"issuing_certificates": "ca", "crl_distribution_points": "crl", "ocsp_servers": "ocsp"}


def undermined(client: Client, estate: Estate, issuer: Mapping[str, Any]) -> Iterator[Finding]:
    """F02: whatever of it is not as bootstrap laid it. `issuer` is what the server shows of the default issuer."""
    pki = estate.mounts.pki
    wanted: dict[str, Mapping[str, Any]] = {
        f"{pki}/config/crl": CRL,
        f"{pki}/config/issuers": {"default_follows_latest_issuer": False},
        f"{pki}/config/urls": {"delta_crl_distribution_points": [], "enable_templating": False},
        f"{pki}/roles/{PROBE_ROLE}": probe_role(),
    }
    pinned = {**ISSUER, "issuer_name": ISSUING, "revoked": False}
    yield from _deviating(f"{pki}/issuer/default", issuer, pinned)
    for path, answer in client.read_many(wanted):
        yield from _deviating(path, answer.data, wanted[path])
        if path.endswith("/urls"):
            yield from _elsewhere(path, answer.data, f"/v1/{pki}/")


def _deviating(path: str, standing: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Finding]:
    wrong = sorted(n for n, value in wanted.items() if (shown(standing, n) or None) != (value or None))
    if wrong:
        yield _finding(path, wrong)


def _elsewhere(path: str, standing: Mapping[str, Any], base: str) -> Iterator[Finding]:
    """URLs that do not lead to this CA."""
    found = {name: standing.get(name) or [] for name in _URLS}
    wrong = [n for n, urls in found.items() if len(urls) != 1 or not str(urls[0]).endswith(f"{base}{_URLS[n]}")]
    if wrong:
        yield _finding(path, sorted(wrong))


def _finding(path: str, wrong: list[str]) -> Finding:
    return deviation(f"{path} is not as bootstrap laid it ({', '.join(wrong)})")
