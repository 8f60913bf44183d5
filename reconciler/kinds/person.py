"""What every person has, whether they trade or not."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reconciler.kinds.fields import Day, Ident, Lei, Name, refuse, unique
from reconciler.kinds.subject import SubjectSpec
from reconciler.model.manifest import Spec
from reconciler.model.resource import Lifecycle


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


class Person(SubjectSpec):
    """The fields that Trader and Staff share. The national identifier itself never stands in git."""

    person_id: Ident = Field(alias="personId")
    entity_lei: Lei = Field(alias="entityLei")
    supervisor: Name | None = None  # a Trader or a Staff: one name is one person
    employment: Employment
    mfa_tier: Name | None = Field(default=None, alias="mfaTier")
    devices: Annotated[tuple[Name, ...], unique] = ()

    @property
    def last_day(self) -> date | None:
        """The last day of employment."""
        return self.employment.end

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
