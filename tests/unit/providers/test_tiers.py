"""Who is named in which enforcement, and what an answer to the probe's login proves. No server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.providers.vault import tiers
from reconciler.providers.vault.tiers import Enforcement, Standing, observed, placed

PROBE = "probe"
ENTITIES = st.frozensets(st.integers(0, 40).map(str))


def enforcement(number: int, entities: tuple[str, ...], **changed: Any) -> Enforcement:
    made: dict[str, Any] = {"methods": ("m",), "others": (), **changed}
    return Enforcement(f"t.{number}", made["methods"], (PROBE, *entities), made["others"])


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    """Any state that somebody may have left: entities named twice, gone, of others; other methods."""
    count = draw(st.integers(0, 4))
    found = [
        enforcement(n + 1, tuple(draw(ENTITIES)), methods=draw(st.sampled_from([("m",), ("m", "x"), ()])))
        for n in range(count)
    ]
    return Standing({"id": "m"} if count else {}, tuple(found))


@given(standings(), ENTITIES, st.integers(1, 12))
def test_whoever_is_to_be_held_is_named_once_and_nobody_else(
    there: Standing, wanted: frozenset[str], most: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiers, "MOST", most)
        written = dict(placed(there, "t", wanted, PROBE, "m"))
        after = Standing({"id": "m"}, applied(there, written))
        named = [e for one in after.enforcements for e in one.entities if e != PROBE]
        assert sorted(named) == sorted(wanted)
        fields = next(observed({"t": after}, {e: e for e in wanted}, wanted, PROBE)).fields
        assert fields["deviations"] == []
        assert dict(placed(after, "t", wanted, PROBE, "m")) == {}  # a second time there is nothing to write
        for name, body in written.items():
            new = frozenset(body["identity_entity_ids"]) - named_in(there, name)
            assert len(body["identity_entity_ids"]) <= most + 1 or new <= {PROBE}


@given(standings(), ENTITIES)
def test_whoever_stays_stays_where_they_are(there: Standing, wanted: frozenset[str]) -> None:
    written = dict(placed(there, "t", wanted, PROBE, "m"))
    after = applied(there, written)
    for before in there.enforcements:
        kept = next(one for one in after if one.name == before.name)
        first = [e for e in before.entities if where(there, e) == before.name and e in wanted]
        assert set(first) <= set(kept.entities)


def where(there: Standing, entity: str) -> str:
    return next(one.name for one in there.enforcements if entity in one.entities)


def named_in(there: Standing, name: str) -> frozenset[str]:
    return frozenset(e for one in there.enforcements if one.name == name for e in one.entities)


def applied(there: Standing, written: Mapping[str, Mapping[str, Any]]) -> tuple[Enforcement, ...]:
    """What stands after the writes."""
    made = {one.name: one for one in there.enforcements}
    for name, body in written.items():
        made[name] = Enforcement(name, tuple(body["mfa_method_ids"]), tuple(body["identity_entity_ids"]), ())
    return tuple(made.values())
