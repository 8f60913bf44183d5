"""`kind: Trader`: a person who trades (RTS 22 art. 6, RTS 6 art. 12, SEC 15c3-5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictInt, StrictStr, model_validator

from reconciler.kinds.fields import (
    Amount,
    Country,
    Currency,
    Day,
    Ident,
    Lei,
    Mic,
    Name,
    RelativePath,
    pattern,
    refuse,
    unique,
)
from reconciler.model.manifest import Spec
from reconciler.model.resource import Lifecycle


class Mifid(Spec):
    """The short code that orders carry. The national identifier itself never stands in git."""

    short_code: StrictInt = Field(alias="shortCode", ge=1, le=2**32 - 1)
    pii_ref: Annotated[
        StrictStr,
        pattern(
            r"vault://[A-Za-z0-9_-]+(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+", "a reference such as vault://pii/persons/E1"
        ),
    ] = Field(alias="piiRef")


class Finra(Spec):
    """Registration with FINRA."""

    crd: Annotated[StrictStr, pattern(r"[1-9][0-9]{0,9}", "a CRD number in quotes, digits only")]
    registrations: Annotated[tuple[Ident, ...], unique] = ()


class Employment(Spec):
    """From which day to which (both included), and whether the person works now."""

    start: Day
    end: Day | None = None
    status: Literal["active", "suspended", "left"] = "active"

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end is not None and self.end < self.start:
            raise refuse("ends before it starts")
        return self


class Limits(Spec):
    """Most that one order, and one day's orders together, may be worth. Whole units of the currency."""

    ccy: Currency
    per_order: Amount = Field(alias="perOrder")
    per_day: Amount = Field(alias="perDay")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.per_order > self.per_day:
            raise refuse("has a perOrder that is more than its perDay")
        return self


class MarketAccess(Spec):
    """Where the trader may trade what, up to how much and until when."""

    venues: Annotated[tuple[Mic, ...], unique] = Field(min_length=1)
    products: Annotated[tuple[Ident, ...], unique] = ()
    jurisdictions: Annotated[tuple[Country, ...], unique] = ()
    limits: Limits
    not_after: Day = Field(alias="notAfter")


class Key(Spec):
    """Where the private key was born: exactly one of a CSR in git, an HSM token, or the workload itself."""

    csr: RelativePath | None = None
    hsm: Name | None = None
    runtime: Literal[True] | None = None

    @model_validator(mode="before")
    @classmethod
    def _spelled(cls, value: Any) -> Any:
        return {"runtime": True} if value == "runtime" else value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(form is not None for form in (self.csr, self.hsm, self.runtime)) != 1:
            raise refuse("must be one of {csr: path}, {hsm: token} and runtime")
        return self


class Credential(Spec):
    """Something the person proves themself with."""

    name: Name
    profile: Name
    key: Key


class Trader(Spec):
    """`spec` of `kind: Trader`."""

    person_id: Ident = Field(alias="personId")
    mifid: Mifid
    finra: Finra | None = None
    entity_lei: Lei = Field(alias="entityLei")
    desk: Name
    supervisor: Name | None = None
    employment: Employment
    roles: Annotated[tuple[Name, ...], unique] = Field(default=(), max_length=8)
    mfa_tier: Name | None = Field(default=None, alias="mfaTier")
    devices: Annotated[tuple[Name, ...], unique] = ()
    market_access: tuple[MarketAccess, ...] = Field(default=(), alias="marketAccess")
    credentials: tuple[Credential, ...] = Field(default=(), max_length=16)

    @model_validator(mode="after")
    def _credentials_differ(self) -> Self:
        names = [c.name for c in self.credentials]
        if len(set(names)) != len(names):
            raise refuse("has two credentials of the same name")
        return self

    def lifecycle(self, today: date) -> tuple[Lifecycle, str]:
        """Active, suspended or left on that day, and why. Whoever has not started yet is suspended."""
        if self.employment.status == "left":
            return "left", "its manifest says status: left"
        if self.employment.end is not None and self.employment.end < today:
            return "left", f"employment ended {self.employment.end}"
        if self.employment.status == "suspended":
            return "suspended", "its manifest says status: suspended"
        if self.employment.start > today:
            return "suspended", f"employment starts {self.employment.start}"
        return "active", ""

    def files(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """The files it refers to, each with the field that does."""
        for index, credential in enumerate(self.credentials):
            if credential.key.csr is not None:
                yield ("spec", "credentials", index, "key", "csr"), credential.key.csr
