"""Names in messages."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice


def few(names: Iterable[object], total: int, shown: int = 3) -> str:
    """The first few of `total` names, the others by number: no message grows with the estate."""
    told = [str(name) for name in islice(names, shown)]
    more = f" and {total - len(told):,} more" if total > len(told) else ""
    return ", ".join(told) + more
