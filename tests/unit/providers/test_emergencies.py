"""A note of ours explains a revocation only if it was written just before it, by the server's own clock."""

from __future__ import annotations

import pytest

from reconciler.providers.ca.emergencies import is_ours
from reconciler.providers.ca.store import Note

AT = "2026-11-25T10:00:00Z"


@pytest.mark.parametrize(
    ("written", "ours"),
    [
        (["2026-11-25T10:00:00Z"], True),
        (["2026-11-25T09:58:00Z"], True),
        (["2026-11-25T09:57:59Z"], False),  # left over from an attempt that failed, or a thief's
        (["2026-11-25T10:00:02Z"], True),  # two nodes' clocks
        (["2026-11-25T10:00:03Z"], False),  # somebody explains it away afterwards
        (["2026-11-25T08:00:00Z", "2026-11-25T09:59:59Z", "2026-11-25T11:00:00Z"], True),
        ([], False),
    ],
)
def test_a_note_counts_when_it_was_written_just_before(written: list[str], ours: bool) -> None:
    notes = {"0a:bb": Note({"at": AT, "subject": "trader/anna"}, tuple(written))}
    assert is_ours("0a:bb", AT, notes) is ours
    assert not is_ours("0a:cc", AT, notes)
    assert not is_ours("0a:bb", "", notes)
