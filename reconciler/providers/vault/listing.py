"""LIST, page by page: a page begins behind the key `after`, in the order in which the server stores its keys.

A server that does not page ignores `after` and the limit, and gives everything at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from reconciler.errors import Rejected
from reconciler.providers.protocol import Answer

PAGE = 4000  # keys asked for in one LIST where the endpoint pages
MOST = 2_000_000  # of one LIST: a server that never ends is not followed for ever
MOST_OF_ONE = 10_000  # of one subject's keys
FEW = 50  # the same, where only the keys of one subject are wanted


class Pages(Protocol):
    """One LIST."""

    def __call__(self, after: str, limit: int) -> Answer:
        """At most `limit` keys that come after `after`."""
        ...


def everything(pages: Pages, stored: Callable[[str], str]) -> Answer:
    """All pages in one Answer, `key_info` included. `stored` spells a key as it is stored.

    Raises `Rejected` when they do not end.
    """
    first = pages("", PAGE)
    page = len(first.keys)
    if page != PAGE:
        return first  # everything: fewer than asked for, or an endpoint that does not page
    keys, info = list(first.keys), dict(first.data.get("key_info") or {})
    seen = set(keys)
    while page == PAGE:
        answer = pages(stored(keys[-1]), PAGE)
        page = len(answer.keys)
        new = [key for key in answer.keys if key not in seen]
        keys += new
        seen.update(new)
        info |= answer.data.get("key_info") or {}
        if len(new) < page:
            break  # it ignored `after`: the first page was everything
        if len(keys) > MOST:
            raise Rejected(f"a LIST does not end: it has more than {MOST} names")
    return Answer(first.status, {"data": {"keys": keys, "key_info": info}})


def under(pages: Pages, prefix: str) -> Sequence[str]:
    """The keys that begin with `prefix`, sorted. Raises `Rejected` when they do not end."""
    found: set[str] = set()
    after, last, page = "", prefix[:-1], FEW  # the prefix may be a key itself
    while page == FEW and last > after and (last < prefix or last.startswith(prefix)):
        after = last
        keys = pages(after, FEW).keys
        found.update(key for key in keys if key.startswith(prefix))
        page, last = len(keys), max(keys, default="")
        if len(found) > MOST_OF_ONE:
            raise Rejected(f"a LIST does not end: more than {MOST_OF_ONE} names begin with {prefix}")
    return sorted(found)
