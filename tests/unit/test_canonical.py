"""The one byte form behind every digest."""

from __future__ import annotations

import pytest

from reconciler.canonical import canonical, digest
from reconciler.errors import InvalidInput


def test_keys_are_sorted_by_utf16_and_nothing_is_spaced() -> None:
    assert canonical({"b": [1, True, None], "a": "é", "\U0001f600": "x", "\ufb33": "y"}) == (
        '{"a":"é","b":[1,true,null],"\U0001f600":"x","\ufb33":"y"}'.encode()
    )


def test_a_digest_is_sha_256_of_the_bytes() -> None:
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize("value", [2**53 + 1, "\ud800", {"x": float("nan")}])
def test_what_the_scheme_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput, match="canonically"):
        digest(value)
