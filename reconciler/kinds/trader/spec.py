"""`kind: Trader`: a person who trades (RTS 22 art. 6, RTS 6 art. 12, SEC 15c3-5)."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StrictInt, StrictStr, model_validator

from reconciler.kinds.fields import Amount, Country, Currency, Day, Ident, Mic, Name, pattern, refuse, unique
from reconciler.kinds.person import Person
from reconciler.model.manifest import Spec


class Mifid(Spec):
    """The short code that orders carry. The national identifier itself never stands in git."""

    short_code: StrictInt = Field(alias="shortCode", ge=1, le=2**32 - 1)
    """What orders and transaction reports carry for the person (RTS 22 art. 6). Never given to anybody else."""
    pii_ref: Annotated[
        StrictStr,
        pattern(
            r"vault://[A-Za-z0-9_-]+(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+", "a reference such as vault://pii/persons/E1"
        ),
    ] = Field(alias="piiRef")
    """Where the person's national identifier is kept; the tool never reads it."""


class Finra(Spec):
    """Registration with FINRA."""

    crd: Annotated[StrictStr, pattern(r"[1-9][0-9]{0,9}", "a CRD number in quotes, digits only")]
    """Number in FINRA's Central Registration Depository."""
    registrations: Annotated[tuple[Ident, ...], unique] = ()
    """Qualifications, such as S57."""


class Limits(Spec):
    """Most that one order, and one day's orders together, may be worth. Whole units of the currency."""

    ccy: Currency
    """Currency of both amounts (ISO 4217)."""
    per_order: Amount = Field(alias="perOrder")
    """Most that one order may be worth, in whole units."""
    per_day: Amount = Field(alias="perDay")
    """Most that one day's orders may be worth together, in whole units."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.per_order > self.per_day:
            raise refuse("has a perOrder that is more than its perDay")
        return self


class MarketAccess(Spec):
    """Where the trader may trade what, up to how much and until when."""

    venues: Annotated[tuple[Mic, ...], unique] = Field(min_length=1)
    """Market identifier codes (ISO 10383)."""
    products: Annotated[tuple[Ident, ...], unique] = ()
    """Product classes, in the firm's own words."""
    jurisdictions: Annotated[tuple[Country, ...], unique] = ()
    """Country codes (ISO 3166-1 alpha-2)."""
    limits: Limits
    """Most that may be traded under this access."""
    not_after: Day = Field(alias="notAfter")
    """The last day of the access."""


class Trader(Person):
    """`spec` of `kind: Trader`."""

    mifid: Mifid
    """Short code, and where the national identifier is kept."""
    finra: Finra | None = None
    """For those who trade in the United States."""
    desk: Name
    """The desk, in the firm's own words."""
    market_access: tuple[MarketAccess, ...] = Field(default=(), alias="marketAccess")
    """Declared: where the person may trade what, up to how much and until when."""
