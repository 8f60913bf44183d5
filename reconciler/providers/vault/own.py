"""What subjects may do with what is theirs by name. One shared policy serves many: the server puts the name in."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.estate import Estate
from reconciler.providers.vault.policies import OWN_KEYS, RUNTIME, Rules, exact, rule


def own(estate: Estate) -> Mapping[str, Rules]:
    """What subjects may do with what is theirs by name, by suffix of the shared policy.

    A key's name begins with its entity's and a dot, which no name holds. Sign, and nothing else: not read, export,
    configure or delete.
    """
    mounts = [estate.hsm_mount(token.name) for token in estate.spec.hsm_tokens]
    # No name of ours is pasted in: the server puts in the name of whoever asks.
    made: dict[str, Rules] = {
        OWN_KEYS: {f"{exact(mount, 'sign')}/{{{{identity.entity.name}}}}.*": rule("update") for mount in mounts}
    }
    if estate.spec.workload_issuers:
        made[RUNTIME] = _fetching(estate)
    return {suffix: rules for suffix, rules in made.items() if rules}


def _fetching(estate: Estate) -> Rules:
    """What a bot may do that fetches its own certificates: have its own key certified, by its own PKI role.

    That role bears the name of the bot's entity. Two bots, one policy: the server puts the name in.
    """
    body = signing(("bot.*",), (f"spiffe://{estate.spec.trust_domain}/*",))
    need = ("csr", "common_name", "uri_sans", "exclude_cn_from_sans")
    return {
        f"{exact(estate.mounts.pki, 'sign')}/{{{{identity.entity.name}}}}": rule("update", only=body, need=need)
    }


def signing(names: tuple[str, ...], uris: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """Parameters of a signing request: no other issuer, dates, names or addresses than these."""
    made: dict[str, tuple[str, ...]] = {"csr": (), "common_name": names, "ttl": (), "format": ("pem",)}
    return made | {"exclude_cn_from_sans": ("true",)} | ({"uri_sans": uris} if uris else {})
