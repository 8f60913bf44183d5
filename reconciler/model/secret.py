"""Secrets: references that may be written down, and values that may not."""

from __future__ import annotations

from typing import Any, NoReturn, final


@final
class Secret:
    """A value that cannot be printed, formatted, pickled, copied or turned into JSON. `reveal()` is greppable."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """The value itself. Call it only in the expression that sends it to its system."""
        return self.__value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __str__(self) -> str:
        raise TypeError("a Secret has no text form — pass the reference instead")

    def __format__(self, spec: str) -> str:
        raise TypeError("a Secret has no text form — pass the reference instead")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a Secret is neither pickled nor copied")

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)
