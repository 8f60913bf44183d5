"""The tokens of an estate, each over its backend. A new backend is one line here."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.estate import Estate
from reconciler.providers.hsm.backend import Token
from reconciler.providers.hsm.transit import TransitToken
from reconciler.providers.protocol import Clients


def tokens(estate: Estate, clients: Clients) -> Mapping[str, Token]:
    """Every token that idac.yaml names, by name. Nothing is asked yet."""
    return {
        token.name: TransitToken(clients, token.name, estate.hsm_mount(token.name))
        for token in estate.spec.hsm_tokens
    }
