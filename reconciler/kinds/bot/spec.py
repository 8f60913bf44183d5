"""`kind: Bot`: a program that acts on its own (RTS 6; RTS 22 art. 8(3) for the algo id).

A bot runs releases. Each names what is deployed by digest and who approved it (RTS 6 art. 5(2)); an approved one
may log in from its `activateFrom` until it is retired, several at once. An unapproved one is not bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictBool, model_validator

from reconciler.kinds.bot.words import Digest, SpiffeId, TimeZone, Version, Window
from reconciler.kinds.fields import Day, Ident, Name, RelativePath, SubClaim, refuse, unique
from reconciler.kinds.subject import SubjectSpec, life_of_machine
from reconciler.model.manifest import ALGO, Life, Lifecycle, Spec
from reconciler.providers.vault.policies import RUNTIME


class Binding(Spec):
    """Which workload is the bot: what the workload's own issuer says of it."""

    issuer: Name
    """Who vouches for the workload: one of workloadIssuers in idac.yaml."""
    subject: SubClaim | None = None
    """The claim `sub`, exactly; the SPIFFE ID when left out."""
    audience: SubClaim
    """The claim `aud` that its tokens must be made for."""


class Approval(Spec):
    """Who allowed this release to act, when, and where that is written down."""

    by: Name
    """Who approved it: a Trader or Staff, and not the bot's owner."""
    at: Day
    """The day of the approval; not before it may the release log in."""
    record: RelativePath | None = None
    """Where the approval is written down."""


class Release(Spec):
    """What may run: every digest that is given must be vouched for at login."""

    version: Version
    """Its version, such as 4.2.0; two releases differ in it."""
    image_digest: Digest = Field(alias="imageDigest")
    """SHA-256 of the image. With SPIRE's docker selectors: of its configuration."""
    model_digest: Digest | None = Field(default=None, alias="modelDigest")
    """SHA-256 of the model; an algo must name it."""
    config_digest: Digest | None = Field(default=None, alias="configDigest")
    """SHA-256 of the configuration it runs with."""
    approval: Approval | None = None
    """Without it the release is not bound."""
    activate_from: Day | None = Field(default=None, alias="activateFrom")
    """The first day on which it may log in."""
    retired: StrictBool = False
    """Its login is deleted, and the tokens that came through it are ended."""

    @property
    def label(self) -> str:
        """The version as a DNS label: it ends the name of the release's login."""
        return self.version.replace(".", "-")

    def unbound(self, today: date) -> str:
        """Why it may not log in on that day; empty when it may."""
        if self.retired:
            return "it is retired"
        if self.approval is None:
            return "nobody has approved it"
        if self.approval.at > today:
            return f"its approval is of {self.approval.at}"
        if self.activate_from is not None and self.activate_from > today:
            return f"it is active from {self.activate_from}"
        return ""


class Schedule(Spec):
    """When the bot may act."""

    timezone: TimeZone
    """The time zone of the windows, such as Europe/London."""
    windows: Annotated[tuple[Window, ...], unique] = Field(min_length=1, max_length=32)
    """When it may act. Declared: nothing here holds it to that yet."""


class Bot(SubjectSpec):
    """`spec` of `kind: Bot`."""

    bot_class: Literal["algo", "service", "integration"] = Field(alias="class")
    """What it is; an algo has an algoId, a strategy and models."""
    algo_id: Ident | None = Field(default=None, alias="algoId")
    """The algo id of RTS 22 art. 8(3): for one set of code, for ever."""
    strategy: Name | None = None
    """What it trades by."""
    owner: Name
    """Who answers for it: a Trader or Staff."""
    kill_switch_owners: Annotated[tuple[Name, ...], unique] = Field(default=(), alias="killSwitchOwners")
    """Declared: who can stop it. An algo in production should have two."""
    environment: Literal["prod", "uat", "test"]
    """Where it runs; its tokens must say the same."""
    status: Literal["active", "suspended", "retired"] = "active"
    """A suspended or retired bot loses its power; a retired one for good."""
    spiffe_id: SpiffeId | None = Field(default=None, alias="spiffeId")
    """Its SPIFFE ID, the URI of its certificates; by default spiffe://<trust domain>/bot/<name>."""
    binding: Binding
    """Which workload is this bot."""
    releases: tuple[Release, ...] = Field(min_length=1, max_length=16)
    """What may run. Several at once, for overlap and rollback."""
    schedule: Schedule | None = None
    """Declared: when it may act."""

    @model_validator(mode="after")
    def _named_algo(self) -> Self:
        if self.bot_class != "algo":
            return self
        if self.algo_id is None or self.strategy is None:
            raise refuse("is an algo without algoId and strategy (RTS 22 art. 8(3))")
        if any(release.model_digest is None for release in self.releases):
            raise refuse("is an algo with a release that has no modelDigest: what is approved must be named")
        return self

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        labels = [release.label for release in self.releases]
        if len(set(labels)) != len(labels):
            raise refuse("has two releases of the same version")
        if len([c for c in self.credentials if c.key.runtime]) > 1:
            raise refuse("has two runtime credentials: one is enough, its certificates live for minutes")
        return self

    @property
    def whose(self) -> str:
        """The algoId, which names one set of code under whatever name."""
        return f"{ALGO}{self.algo_id}" if self.algo_id else ""

    @property
    def subject_claim(self) -> str:
        """The `sub` that the manifest names; empty where it follows from the bot's own name."""
        return self.binding.subject or self.spiffe_id or ""

    def login(self, release: Release) -> str:
        """The name of a release's login among the bot's credentials. No other credential's name holds a dot."""
        return f"{self.binding.issuer}.{release.label}"

    def bound(self, today: date) -> tuple[Release, ...]:
        """The releases that may log in on that day."""
        return tuple(release for release in self.releases if not release.unbound(today))

    @property
    def own(self) -> tuple[str, ...]:
        """A bot that fetches its own certificates needs the policy for that."""
        fetches = any(credential.key.runtime for credential in self.credentials)
        return (*super().own, RUNTIME) if fetches else super().own

    def keeps(self, today: date) -> frozenset[str]:
        """The names of its credentials, and of the logins of its bound releases."""
        return super().keeps(today) | {self.login(release) for release in self.bound(today)}

    def ended(self) -> frozenset[str]:
        """The logins of its retired releases: said in so many words."""
        return frozenset(self.login(release) for release in self.releases if release.retired)

    def lifecycle(self, today: date) -> tuple[Lifecycle, str]:
        """A retired bot ends as a leaver does."""
        return life_of_machine(self.status, today)

    @classmethod
    def still_says(cls, body: Mapping[str, Any]) -> Life | None:
        """A plain `status` counts whatever else is wrong."""
        status = body.get("status")
        return partial(life_of_machine, status) if status in ("suspended", "retired") else None

    def not_vouched_for(self, mapped: Mapping[str, str | None]) -> Iterator[tuple[int, str]]:
        """Each digest of a bound or coming release for which the issuer maps no claim, by the release's index."""
        for index, release in enumerate(self.releases):
            given = {"model": release.model_digest, "config": release.config_digest}
            yield from ((index, what) for what, digest in given.items() if digest and not mapped.get(what))
