"""What every plan stands on and no manifest names: the runners' policies, their entities, the probe's login.

Bootstrap lays it, every plan looks at it again. Whoever widens it holds the tool's own keys, so a deviation is a
finding that freezes grants until an administrator has looked and run `idac bootstrap`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding
from reconciler.providers.dialect import shown
from reconciler.providers.protocol import Client, deviation
from reconciler.providers.vault.ownership import aliases
from reconciler.providers.vault.resources import PINNED_LOGIN, document
from reconciler.providers.vault.runners import PROBE, PROBES, TIER_PROBE, documents

PROBE_SECONDS = 30  # how long the probe's own token lives
CERT = {
    "disable_binding": False,
    "enable_identity_alias_metadata": False,
}  # binding: a renewal needs the certificate
KV = {"max_versions": 10, "cas_required": False, "delete_version_after": "0s"}  # deliveries do not vanish


def footing(estate: Estate, *, accessors: Mapping[str, str], authority: str) -> Mapping[str, Mapping[str, Any]]:
    """Path -> what must stand there, of all that the planner can see. Arguments as for `runners.documents`.

    The login methods of issuers of tokens are apart (`issuers.laid`).
    """
    made = documents(estate, accessors=accessors, authority=authority)
    policies = {
        f"sys/policies/acl/{estate.prefix}{suffix}": {"policy": document({"path": rules})}
        for suffix, rules in made.items()
    }
    short = {f"token_{limit}": PROBE_SECONDS for limit in ("ttl", "max_ttl", "explicit_max_ttl")}
    cert = f"auth/{estate.mounts.cert}"
    probes = {
        f"{cert}/certs/{name}": {
            **PINNED_LOGIN,
            **short,
            "allowed_common_names": [name],
            "allowed_uri_sans": [],
            "display_name": name,
            "certificate": authority,
        }
        for name in PROBES
    }
    return {**policies, **probes, f"{cert}/config": CERT, f"{estate.mounts.kv}/config": KV}


def probe_name(estate: Estate) -> str:
    """The entity of the probe that shows that a revoked certificate is refused."""
    return f"{estate.prefix}probe"


def tier_probe_name(estate: Estate) -> str:
    """The entity of the probe that every MFA tier holds to its code: nobody is enrolled for it."""
    return f"{estate.prefix}probe-mfa"


def undermined(client: Client, estate: Estate, laid: Estate, accessors: Mapping[str, str]) -> Iterator[Finding]:
    """F02: a rule of the tool's own that is not as bootstrap laid it for the estate or for its `laid` part."""
    authority = str(client.read(f"{estate.mounts.pki}/cert/ca").data.get("certificate", ""))
    wanted = footing(estate, accessors=accessors, authority=authority)
    former = footing(laid, accessors=accessors, authority=authority)
    for path, answer in client.read_many(wanted):
        wrong = _otherwise(answer.data, wanted[path])
        if wrong and (_otherwise(answer.data, former[path]) if path in former else answer.found):
            yield deviation(f"{path} is not as bootstrap laid it ({', '.join(wrong)})")


def _otherwise(standing: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    return sorted(n for n, v in wanted.items() if plain(shown(standing, n)) != plain(v))


def of_the_tool(entity: Mapping[str, Any], estate: Estate) -> bool:
    """Whether this is a runner's entity or the probe's, powerless or not."""
    held = set(aliases(entity))
    if any(alias.startswith(f"{estate.mounts.run}:") for alias in held):
        return True
    names = {probe_name(estate): PROBE, tier_probe_name(estate): TIER_PROBE}
    return entity["name"] in names and held <= {f"{estate.mounts.cert}:{names[entity['name']]}"}


def empowered(entity: Mapping[str, Any], estate: Estate) -> Iterator[Finding]:
    """F02: an entity of the tool's own that carries power: its logins would hand it to every run."""
    power = [f"policy {p}" for p in entity.get("policies") or ()]
    power += [f"group {g}" for g in entity.get("group_ids") or entity.get("direct_group_ids") or ()]
    own = {f"{estate.mounts.cert}:{name}" for name in PROBES}
    held = (a for a in sorted(aliases(entity)) if a not in own and not a.startswith(f"{estate.mounts.run}:"))
    power += [f"alias {a}" for a in held]
    if power:
        yield deviation(f"the tool's own entity {entity['name']} carries {', '.join(power)}")


def plain(value: Any) -> Any:
    """The server shows empty lists as null, and texts with or without their last newline."""
    if isinstance(value, str):
        return value.strip()
    return value or None if isinstance(value, (list, dict)) else value
