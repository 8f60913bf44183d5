"""The base of what people write in `idac.yaml`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Unknown fields are errors, nothing mutates, and no value is quoted in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


__all__ = ["Strict"]
