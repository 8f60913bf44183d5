"""The tokens of an estate, each over its backend. A new backend is one line here."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.estate import HSM_MOUNT, Estate
from reconciler.providers.hsm.backend import Token
from reconciler.providers.hsm.bootstrap import left_over
from reconciler.providers.hsm.transit import TransitToken
from reconciler.providers.protocol import Clients


def left_behind(estate: Estate, clients: Clients) -> Mapping[str, Token]:
    """Engines of the estate whose token idac.yaml names no more, by the token's name, as they stand now."""
    begins = f"{estate.prefix}{HSM_MOUNT}"
    mounts = left_over(clients("plan"), estate)
    return {m.removeprefix(begins): TransitToken(clients, m.removeprefix(begins), m) for m in mounts}


def tokens(estate: Estate, clients: Clients) -> Mapping[str, Token]:
    """Every token that idac.yaml names, by name. Nothing is asked yet."""
    return {
        token.name: TransitToken(clients, token.name, estate.hsm_mount(token.name))
        for token in estate.spec.hsm_tokens
    }
