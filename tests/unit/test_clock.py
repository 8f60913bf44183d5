"""One spelling of a moment."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.clock import is_moment, rfc3339


@given(st.datetimes(min_value=datetime(1000, 1, 1)))
def test_every_moment_that_is_written_is_read_as_one(moment: datetime) -> None:
    assert is_moment(rfc3339(moment.replace(tzinfo=UTC)))


@given(st.text(max_size=25))
def test_whatever_counts_as_a_moment_can_be_read(text: str) -> None:
    if is_moment(text):
        assert datetime.fromisoformat(text).tzinfo is not None


@pytest.mark.parametrize(
    "text",
    ["", "junk", "2026-02-30T00:00:00Z", "2026-11-25T00:00:00", "2026-11-25 00:00:00Z", "2026-W48-3T00:00:00Z"],
)
def test_nothing_else_counts(text: str) -> None:
    assert not is_moment(text)
