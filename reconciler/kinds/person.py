"""What every person has, whether they trade or not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from reconciler.kinds.fields import Day, Ident, Lei, Name, SubClaim, refuse, unique
from reconciler.kinds.subject import SubjectSpec
from reconciler.model.issuers import SIGN_IN
from reconciler.model.manifest import Life, Lifecycle, Spec


class Employment(Spec):
    """From which day to which (both included), and whether the person works now."""

    start: Day
    """The first day of work. Before it the person has nothing."""
    end: Day | None = None
    """The last day of work. The day after, everything is contained as for a deleted manifest."""
    status: Literal["active", "suspended", "left"] = "active"
    """`suspended` contains everything and destroys no key; `left` is final, and the file may stay."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end is not None and self.end < self.start:
            raise refuse("ends before it starts")
        return self

    def life(self, today: date) -> tuple[Lifecycle, str]:
        """Active, suspended or left on that day, and why. Whoever has not started yet is suspended."""
        if self.status == "left":
            return "left", "its manifest says status: left"
        if self.end is not None and self.end < today:
            return "left", f"employment ended {self.end}"
        if self.status == "suspended":
            return "suspended", "its manifest says status: suspended"
        if self.start > today:
            return "suspended", f"employment starts {self.start}"
        return "active", ""


class SignIn(Spec):
    """How the person signs in besides: at an identity provider, whose ID token Vault takes."""

    provider: Name
    """Where they sign in: one of identityProviders in idac.yaml."""
    subject: SubClaim
    """The claim `sub`, exactly: the provider's own lasting identifier of the person, no address or user name."""

    @property
    def login(self) -> str:
        """The name of its login among the person's credentials. No other credential's name holds a dot."""
        return f"{self.provider}.{SIGN_IN}"


class Person(SubjectSpec):
    """The fields that Trader and Staff share. The national identifier itself never stands in git."""

    person_id: Ident = Field(alias="personId")
    """The firm's own number of the person, unique in the estate. Holds follow it."""
    entity_lei: Lei = Field(alias="entityLei")
    """Legal entity identifier of the employing firm (ISO 17442)."""
    supervisor: Name | None = None
    """Name of a Trader or Staff, who must not have left: one name is one person."""
    employment: Employment
    """From when to when the person works, and whether now."""
    mfa_tier: Name | None = Field(default=None, alias="mfaTier")
    """Name of the MfaTier that the person must meet."""
    sign_in: SignIn | None = Field(default=None, alias="signIn")
    """Logs in with an ID token too. Needs an mfaTier that `idp` enforces: tokens without its acr are refused."""
    devices: Annotated[tuple[Name, ...], unique] = ()
    """Names of the Devices that the person works with."""

    @property
    def whose(self) -> str:
        """The personId."""
        return self.person_id

    @property
    def tier(self) -> str | None:
        """The MfaTier the person is under, if any."""
        return self.mfa_tier

    @property
    def last_day(self) -> date | None:
        """The last day of employment."""
        return self.employment.end

    def keeps(self, today: date) -> frozenset[str]:
        """The names of the person's credentials, and of the login by ID token."""
        return super().keeps(today) | ({self.sign_in.login} if self.sign_in is not None else frozenset())

    def lifecycle(self, today: date) -> tuple[Lifecycle, str]:
        """Active, suspended or left on that day, and why."""
        return self.employment.life(today)

    @classmethod
    def still_says(cls, body: Mapping[str, Any]) -> Life | None:
        """A valid `employment` counts whatever else is wrong; a plain `status` even where its dates are wrong."""
        said = body.get("employment")
        try:
            return Employment.model_validate(said).life
        except ValidationError:
            status = said.get("status") if isinstance(said, dict) else None
        if status not in ("left", "suspended"):
            return None
        return Employment.model_construct(start=date.min, status=status).life
