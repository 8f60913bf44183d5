"""Makes the estate's certification authority on the PKI engine: a root, and an issuing CA below it.

Both private keys are born in the server and never leave it. Told twice, it changes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.errors import Rejected
from reconciler.model.estate import Estate
from reconciler.providers.ca.resources import PROBE_ROLE, READ_ONLY, probe_role
from reconciler.providers.dialect import shown
from reconciler.providers.protocol import Client

ROOT_LIFETIME = 20 * 365 * 86_400  # seconds
ISSUING_LIFETIME = 10 * 365 * 86_400  # seconds
ROOT, ISSUING = "root", "issuing"  # names of the issuers and of their keys

# The CA rebuilds its CRL by itself every two days, and each is good for seven: five days in which nobody has to
# do anything. A revocation does not rebuild it (4 ms -> 18 ms each at 500 revoked); the writer rotates it once.
CRL = {
    "allow_expired_cert_revocation": False,
    "auto_rebuild": True,
    "auto_rebuild_grace_period": "120h",
    "delta_rebuild_interval": "15m",
    "disable": False,
    "enable_delta": True,
    "expiry": "168h",
    "ocsp_disable": False,
    "ocsp_expiry": "1h",
}
# Certificates leave the store a month after their end, so that it does not grow for ever.
TIDY = {
    "enabled": True,
    "interval_duration": 43_200,
    "safety_buffer": 30 * 86_400,
    "revoked_safety_buffer": 30 * 86_400,
    "tidy_cert_store": True,
    "tidy_revoked_certs": True,
}
LEAVES_ONLY = "Max path length of the signed certificate is zero"  # that is what was asked for
# Every issuer's fields but its name. URLs of its own would go before those of the mount.
ISSUER = {
    "crl_distribution_points": [],
    "delta_crl_distribution_points": [],
    "issuing_certificates": [],
    "leaf_not_after_behavior": "err",
    "ocsp_servers": [],
    "revocation_signature_algorithm": "",
    "usage": "crl-signing,issuing-certificates,ocsp-signing,read-only",
}


def bootstrap_ca(client: Client, estate: Estate, address: str) -> None:
    """Mounts, root, issuing CA, URLs, CRL settings, no ACME, and the probe's role.

    `address` is the server's address as verifiers reach it (`https://host:8200`). Raises `TargetError`.
    """
    root, pki = estate.mounts.root, estate.mounts.pki
    _mount(client, root, ROOT_LIFETIME, f"idac {estate.name}: root CA")
    _mount(client, pki, ISSUING_LIFETIME, f"idac {estate.name}: issuing CA")
    _settings(client, root, address)
    _settings(client, pki, address)
    _root(client, root, estate)
    _issuing(client, root, pki, estate)
    wanted = {name: value for name, value in probe_role().items() if name != READ_ONLY}
    _ensure(client, f"{pki}/roles/{PROBE_ROLE}", wanted)


def _mount(client: Client, mount: str, lifetime: int, description: str) -> None:
    if f"{mount}/" in client.read("sys/mounts").data:
        return
    config = {"max_lease_ttl": str(lifetime), "default_lease_ttl": str(lifetime)}
    client.write(f"sys/mounts/{mount}", {"type": "pki", "description": description, "config": config})


def _settings(client: Client, mount: str, address: str) -> None:
    """URLs in every certificate, how revocation lists are made, and no certificates through ACME."""
    base = f"{address.rstrip('/')}/v1/{mount}"
    urls = {
        "issuing_certificates": [f"{base}/ca"],
        "crl_distribution_points": [f"{base}/crl"],
        "delta_crl_distribution_points": [],  # the delta is for cert auth, which is pushed it
        "ocsp_servers": [f"{base}/ocsp"],
        "enable_templating": False,
    }
    _ensure(client, f"{mount}/config/urls", urls)
    _ensure(client, f"{mount}/config/crl", CRL)
    _ensure(client, f"{mount}/config/auto-tidy", TIDY)
    _ensure(client, f"{mount}/config/acme", {"enabled": False})


def _root(client: Client, mount: str, estate: Estate) -> None:
    if not _issuer(client, mount):
        body = {
            "common_name": f"idac {estate.name} root CA",
            "exclude_cn_from_sans": True,
            "issuer_name": ROOT,
            "key_name": ROOT,
            "key_type": "ec",
            "key_bits": 384,
            "signature_bits": 384,
            "max_path_length": 1,
            "ttl": str(ROOT_LIFETIME),
        }
        client.write(f"{mount}/root/generate/internal", body)
    _pin(client, mount, _issuer(client, mount), ROOT)


def _issuing(client: Client, root: str, pki: str, estate: Estate) -> None:
    if not _issuer(client, pki):
        name = f"idac {estate.name} issuing CA"
        certificate = client.write(
            f"{root}/issuer/{ROOT}/sign-intermediate",
            {
                "csr": _request(client, pki, name),
                "common_name": name,
                "exclude_cn_from_sans": True,
                "format": "pem",
                "max_path_length": 0,
                "ttl": str(ISSUING_LIFETIME),
            },
            tolerate=(LEAVES_ONLY,),
        ).data["certificate"]
        client.write(f"{pki}/issuers/import/cert", {"pem_bundle": certificate})
    _pin(client, pki, _issuer(client, pki), ISSUING)


def _request(client: Client, pki: str, name: str) -> str:
    """The issuing CA's CSR, over the key that an interrupted bootstrap may have left."""
    body = {"common_name": name, "exclude_cn_from_sans": True}
    keys = client.list(f"{pki}/keys").keys
    if keys:
        made = client.write(f"{pki}/issuers/generate/intermediate/existing", {**body, "key_ref": keys[0]})
    else:
        new = {"key_name": ISSUING, "key_type": "ec", "key_bits": 256, "signature_bits": 256}
        made = client.write(f"{pki}/issuers/generate/intermediate/internal", {**body, **new})
    return str(made.data["csr"])


def _issuer(client: Client, mount: str) -> str:
    """The id of the mount's only issuer with a key, or ""."""
    infos = client.list(f"{mount}/issuers").data.get("key_info") or {}
    able = [issuer for issuer, info in infos.items() if info.get("key_id")]
    if len(able) > 1:
        raise Rejected(
            f"{mount} holds {len(able)} issuers with keys, and bootstrap makes one: {', '.join(sorted(able))}",
            remedy=f"delete the one that issued nothing (`{mount}/issuer/<id>`), then run `idac bootstrap` again",
        )
    return str(able[0]) if able else ""


def _pin(client: Client, mount: str, issuer: str, name: str) -> None:
    _ensure(client, f"{mount}/issuer/{issuer}", {"issuer_name": name, **ISSUER})
    _ensure(client, f"{mount}/config/issuers", {"default": issuer, "default_follows_latest_issuer": False})


def _ensure(client: Client, path: str, wanted: Mapping[str, Any]) -> None:
    """Write only when something differs, over what stands there, and read it back."""
    standing = client.read(path).data
    if _agrees(standing, wanted):
        return
    client.write(path, wanted)
    if not _agrees(client.read(path).data, wanted):
        raise Rejected(f"{path} does not say what was written", remedy="look at the server's log")


def _agrees(standing: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(shown(standing, name) == value for name, value in wanted.items())


__all__ = ["bootstrap_ca"]
