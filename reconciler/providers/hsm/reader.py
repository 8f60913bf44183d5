"""Sees one token's keys, as planner: their public parts and their posture, never a private one."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Observation
from reconciler.providers.hsm.backend import StoredKey, Token
from reconciler.providers.hsm.bootstrap import forgotten, undermined
from reconciler.providers.hsm.resources import prefix
from reconciler.providers.hsm.seen import resource
from reconciler.providers.protocol import Client


class HsmReader:
    """One for each token, so that one that does not answer hides none of the others."""

    def __init__(self, token: Token, estate: Estate) -> None:
        self.name = f"hsm.{token.name}"
        self._token, self._estate = token, estate

    def observe(self) -> Observation:
        """Every key of the token. All of them are ours: bootstrap made the token for this estate alone."""
        return self._seen(self._token.keys())

    def observe_subject(self, subject: SubjectRef) -> Observation:
        """The keys that bear the subject's name."""
        names = self._token.names(prefix(self._estate, subject))
        return self._seen(key for name in names if (key := self._token.read(name)) is not None)

    def _seen(self, keys: Iterable[StoredKey]) -> Observation:
        identity = self._token.identity()
        found = tuple(resource(self._estate, self._token, key) for key in keys)
        return Observation(found, target={self.name: identity})


class MountsReader:
    """Sees how the engines behind the tokens are set up, and those that no token stands for any more."""

    name = "hsm"

    def __init__(self, client: Client, estate: Estate) -> None:
        self._client, self._estate = client, estate

    def observe(self) -> Observation:
        """Findings alone."""
        return Observation(foreign=tuple(undermined(self._client, self._estate)))

    def observe_subject(self, subject: SubjectRef) -> Observation:
        """Findings alone: an engine that no token stands for may hold a key of theirs."""
        return Observation(foreign=tuple(forgotten(self._client, self._estate)))
