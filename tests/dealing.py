"""Which worker runs which test: what shares an estate stays together, and what takes long goes first.

An estate that every worker makes anew takes as long as many tests. (`--dist loadgroup` would do, but xdist 3.8
puts its groups where pytest 9 does not look for them.)
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parent.parent
SHARING = ("tests/unit/", "tests/integration/", "tests/contract/")


class Dealer(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Hands out groups of tests, one after another, to whoever has little left to do."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def group(nodeid: str) -> str:
    """Tests with the same answer run on the same worker."""
    module, _, test = nodeid.partition("::")
    if module.startswith("tests/contract/"):
        targets = [target for target in ("server", "memory") if target in test.partition("[")[2]]
        return f"{module} {targets or 'vault'}"
    return module if module.startswith(SHARING) or _shares(module) else nodeid


@cache
def _shares(module: str) -> bool:
    return 'scope="module"' in (ROOT / module).read_text()


def turn(item: pytest.Item) -> int:
    """Long tests come first, and those that are handed out singly fill what is left in the end."""
    if item.get_closest_marker("long"):
        return 0
    return 1 if group(item.nodeid) != item.nodeid else 2
