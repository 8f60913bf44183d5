"""Field types that more than one kind uses. Each refuses in words; none coerces, none quotes what it was given."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from datetime import date
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, StrictStr, StringConstraints
from pydantic_core import PydanticCustomError

T = TypeVar("T", bound=Hashable)


def refuse(message: str) -> PydanticCustomError:
    """What a validator raises: `message` is shown as it stands."""
    return PydanticCustomError("idac", "{message}", {"message": message})


WORDS: dict[str, str] = {}  # pattern -> what must match it, for messages


def pattern(expression: str, words: str) -> StringConstraints:
    """Text that matches as a whole, or is refused as not being `words`. Matched by pydantic's own engine."""
    whole = rf"\A(?:{expression})\z"
    WORDS[whole] = words
    return StringConstraints(strict=True, pattern=whole)


def _printable(value: str) -> str:
    if not value.isprintable() or not value.strip() or len(value) > 200:
        raise refuse("must be 1 to 200 printable characters, none of them a control or invisible one")
    return value


def _day(value: Any) -> date:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise refuse("must be a date of the calendar, as YYYY-MM-DD")


@cache
def _lei(value: str) -> str:
    from stdnum import lei

    if not re.fullmatch(r"[A-Z0-9]{18}[0-9]{2}", value) or not lei.is_valid(value):
        raise refuse("must be an LEI (ISO 17442): 20 characters with valid check digits")
    return value


@cache
def _mic(value: str) -> str:
    import iso10383

    entry = iso10383.MIC.__members__.get(value.lower()) if value.isupper() or value.isdigit() else None
    if entry is None:
        raise refuse("must be a MIC (ISO 10383), in capitals, such as XNYS")
    if entry.value.status is iso10383.Status.expired:
        raise refuse("this MIC has expired (ISO 10383)")
    return value


@cache
def _currency(value: str) -> str:
    import iso4217

    if not value.isupper() or value not in iso4217.Currency.__members__:  # the library knows `eur` as well
        raise refuse("must be a currency code (ISO 4217) in capitals, such as EUR")
    return value


@cache
def _country(value: str) -> str:
    import iso3166

    if value not in iso3166.countries_by_alpha2:
        raise refuse("must be a two-letter country code (ISO 3166), such as GB")
    return value


def _unique(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) != len(values):
        raise refuse("must not say the same thing twice")
    return values


def _capped(check: Callable[[str], str]) -> Callable[[str], str]:
    """Keeps long nonsense out of the caches."""

    def capped(value: str) -> str:
        return check(value[:32])

    return capped


Name = Annotated[
    StrictStr,
    pattern(
        r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        "a DNS label: lower-case letters, digits and inner hyphens, 63 at most",
    ),
]
Ident = Annotated[
    StrictStr,
    pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "an identifier of letters, digits, `.`, `_` and `-`, 64 at most"),
]
Text = Annotated[StrictStr, AfterValidator(_printable)]
Day = Annotated[date, BeforeValidator(_day)]
# `0s`: a key that is replaced ends before its successor begins.
Overlap = Annotated[StrictStr, pattern(r"(0|[1-9][0-9]{0,5})[smhd]", "a duration such as 0s, 15m or 12h")]
Duration = Annotated[StrictStr, pattern(r"[1-9][0-9]{0,5}[smhd]", "a duration such as 90s, 15m, 12h or 30d")]
Lei = Annotated[StrictStr, AfterValidator(_capped(_lei))]
Mic = Annotated[StrictStr, AfterValidator(_capped(_mic))]
Currency = Annotated[StrictStr, AfterValidator(_capped(_currency))]
Country = Annotated[StrictStr, AfterValidator(_capped(_country))]
OID = r"[0-2](\.(0|[1-9][0-9]{0,9})){2,20}"
Oid = Annotated[StrictStr, pattern(OID, "a dotted object identifier such as 1.3.6.1.4.1.55555.1.2")]
Amount = Annotated[StrictInt, Field(gt=0, le=10**15)]
RelativePath = Annotated[
    StrictStr,
    pattern(
        r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,9}",
        "a path inside the estate's directory, such as csr/jdoe-mtls.pem",
    ),
]
SubClaim = Annotated[
    StrictStr, pattern(r"[A-Za-z0-9][A-Za-z0-9:/._@-]{0,255}", "an exact value of a claim, without wildcards")
]
unique = AfterValidator(_unique)


def matches(value: str, pattern: str) -> bool:
    """Whether an issuer's pattern of `sub`, exact or with a final *, covers the value."""
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern
