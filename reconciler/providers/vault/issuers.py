"""The login mounts of issuers of tokens: what bootstrap lays there, and what must not stand there but roles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from reconciler.errors import TargetError
from reconciler.model.estate import Estate
from reconciler.model.issuers import TokenIssuer
from reconciler.model.manifest import Finding
from reconciler.model.resource import Resource, Value
from reconciler.providers.protocol import Client, deviation
from reconciler.providers.vault.footing import plain
from reconciler.providers.vault.ownership import token_login
from reconciler.providers.vault.seen import token_login_fields

# What is the same for every issuer. Nobody logs in with a browser here, and no claim is fetched from elsewhere.
_PINNED: Mapping[str, Any] = {
    "default_role": "",
    "namespace_in_state": True,
    "oidc_client_id": "",
    "oidc_response_mode": "",
    "oidc_response_types": [],
    "override_allowed_server_names": [],
    "provider_config": {},
}

_FROM_FILES = ("jwks_ca_pem", "jwt_validation_pubkeys", "oidc_discovery_ca_pem")


def laid(estate: Estate) -> Mapping[str, Mapping[str, Any]]:
    """Path -> what must stand there, for each issuer."""
    issuers = estate.spec.token_issuers
    return {f"auth/{estate.mounts.workload(one.name)}/config": _configuration(estate, one) for one in issuers}


def _configuration(estate: Estate, issuer: TokenIssuer) -> Mapping[str, Any]:
    """Every field that the server shows of a JWT auth mount, as it must be for this issuer."""
    authority = estate.issuer_authorities.get(issuer.name, "")
    return {
        **_PINNED,
        "bound_issuer": issuer.issuer,
        "jwks_ca_pem": authority if issuer.jwks_url else "",
        "jwks_url": issuer.jwks_url or "",
        "jwt_supported_algs": list(issuer.algorithms),
        "jwt_validation_pubkeys": list(estate.issuer_keys.get(issuer.name, ())),
        "oidc_discovery_ca_pem": authority if issuer.discovery_url else "",
        "oidc_discovery_url": issuer.discovery_url or "",
    }


def mounted(client: Client, estate: Estate) -> Mapping[str, str]:
    """The JWT mounts that bear this estate's prefix, with their accessors: also those of issuers that are gone."""
    prefix = estate.mounts.workloads
    found = {path.rstrip("/"): about for path, about in client.read("sys/auth").data.items()}
    return {path: str(about["accessor"]) for path, about in found.items() if path.startswith(prefix)}


def logins_beside(client: Client, estate: Estate, there: Mapping[str, str]) -> Iterator[Finding]:
    """F02: an issuer's login method that is not as it was laid, or has logins that are no roles.

    `there` is as from `mounted`.
    """
    for issuer, (path, wanted) in zip(estate.spec.token_issuers, laid(estate).items(), strict=True):
        if estate.mounts.workload(issuer.name) in there:  # else see `unlaid`
            # What a file was to say cannot be compared while it is of no use; that is told at its holders' doors.
            told = _FROM_FILES if issuer.name in estate.issuer_faults else ()
            yield from _deviating(client, path, {n: v for n, v in wanted.items() if n not in told})
    for mount in there:
        # Roles with a program in them log in too, and no listing of roles shows them.
        if programs := client.list(f"auth/{mount}/cel/role").keys:
            yield deviation(f"auth/{mount} has CEL roles, which idac makes none of: {', '.join(programs)}")


def _deviating(client: Client, path: str, wanted: Mapping[str, Any]) -> Iterator[Finding]:
    """The server may ask the issuer before it answers: one that is out of reach must not hold up a plan's rest."""
    try:
        standing = client.read(path).data
    except TargetError as error:
        yield Finding("F02", "error", f"whether {path} is as bootstrap laid it cannot be told: {error}")
        return
    wrong = sorted(n for n, value in wanted.items() if plain(standing.get(n)) != plain(value))
    if wrong:
        yield deviation(f"{path} is not as bootstrap laid it ({', '.join(wrong)})")


def abandoned(estate: Estate, mounts: Iterable[str]) -> Iterator[str]:
    """Login mounts of issuers that idac.yaml names no more. Their roles go; mounts are an administrator's."""
    named = set(estate.issuer_mounts.values())
    return (f"login method auth/{mount}" for mount in mounts if mount not in named)


def logins(
    client: Client,
    estate: Estate,
    mounts: Iterable[str],
    own: str = "",
    share: Callable[[Value], Value] = lambda value: value,
) -> Iterator[Resource]:
    """The JWT-auth roles on these mounts, or those whose names begin with `own`."""
    for mount in mounts:
        tree, issuer = f"auth/{mount}/role", mount.removeprefix(estate.mounts.workloads)
        names = client.keys_under(tree, own) if own else client.list(tree).keys
        for path, answer in client.read_many(f"{tree}/{name}" for name in names):
            if answer.found:
                name = path.removeprefix(f"{tree}/")
                subject, credential = token_login(name) or (None, "")
                if subject is None or not credential.startswith(f"{issuer}."):
                    subject, credential = None, name
                whose = subject or f"unknown/jwt/{issuer}"
                fields = token_login_fields(answer.data, share)
                yield Resource(f"vault.login/{whose}/{credential}", subject, fields)


__all__ = ["abandoned", "laid", "logins", "logins_beside", "mounted"]
