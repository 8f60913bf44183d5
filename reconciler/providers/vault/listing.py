"""LIST, page by page: a page begins behind the key `after`, in the order in which the server stores its keys.

A server that does not page ignores `after` and the limit, and gives everything at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from reconciler.providers.protocol import Answer

PAGE = 4000  # keys asked for in one LIST where the endpoint pages
FEW = 50  # the same, where only the keys of one subject are wanted


class Pages(Protocol):
    """One LIST."""

    def __call__(self, after: str, limit: int) -> Answer:
        """At most `limit` keys that come after `after`."""
        ...


def everything(pages: Pages, stored: Callable[[str], str]) -> Answer:
    """All pages in one Answer, `key_info` included. `stored` spells a key as it is stored."""
    first = pages("", PAGE)
    page = len(first.keys)
    if page != PAGE:
        return first  # everything: fewer than asked for, or an endpoint that does not page
    keys, info = list(first.keys), dict(first.data.get("key_info") or {})
    seen = set(keys)
    while page == PAGE:
        answer = pages(stored(keys[-1]), PAGE)
        page = len(answer.keys)
        if not seen.isdisjoint(answer.keys):
            break  # it ignored `after`: the first page was everything
        keys += answer.keys
        seen.update(answer.keys)
        info |= answer.data.get("key_info") or {}
    return Answer(first.status, {"data": {"keys": keys, "key_info": info}})


def under(pages: Pages, prefix: str) -> Sequence[str]:
    """The keys that begin with `prefix`, sorted."""
    found: set[str] = set()
    after, last, page = "", prefix[:-1], FEW  # the prefix may be a key itself
    while page == FEW and last > after and (last < prefix or last.startswith(prefix)):
        after = last
        keys = pages(after, FEW).keys
        found.update(key for key in keys if key.startswith(prefix))
        page, last = len(keys), max(keys, default="")
    return sorted(found)
