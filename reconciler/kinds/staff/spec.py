"""`kind: Staff`: a person of the firm who does not trade (RTS 6 art. 2 and 18: control functions and access)."""

from __future__ import annotations

from typing import Literal

from reconciler.kinds.fields import Name
from reconciler.kinds.person import Person


class Staff(Person):
    """`spec` of `kind: Staff`. Market access is not among its fields: whoever trades is a Trader."""

    function: Literal["operations", "risk", "compliance", "administration"]
    """What the person does for the firm."""
    desk: Name | None = None
    """The desk that the person works for, where there is one."""
