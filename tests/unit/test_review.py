"""What was reviewed is what is applied, or nothing is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.errors import InvalidInput, Refused, Stale
from reconciler.model.plan import Guard, PlanTicket
from reconciler.render.document import plan_document, read_plan
from reconciler.review import require_allowed, require_same, without_review
from tests.unit.test_plan import joiners_and_leaver, make
from tests.unit.world import NOW, actual, stamp

TICKET = PlanTicket("id-1", stamp(NOW), stamp(NOW + timedelta(hours=1)))


def stored(**changed: Any) -> Any:
    document = {**plan_document(make(joiners_and_leaver()), TICKET), **changed}
    return read_plan(json.dumps(document).encode(), "plan.json")


FRESH = make(joiners_and_leaver())


def test_the_same_plan_is_applied_under_the_reviewed_ticket() -> None:
    assert require_same(plan_document(FRESH, TICKET), FRESH, NOW) == TICKET


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"estate": "other"}, "for estate 'other'"),
        ({"expiresAt": stamp(NOW)}, "expired"),
        ({"expiresAt": "2026-11-24"}, "not a time"),
        ({"expiresAt": "soon"}, "not a time"),
        ({"digest": "0"}, "not what would happen"),
        ({"digest": "0", "changes": []}, "new: create vault.entity/trader/anna"),
        ({"digest": "0", "policy": "x", "target": {"a": [1]}}, "the policy is another"),
    ],
)
def test_any_other_plan_is_stale(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(Stale, match=message):
        require_same(stored(**changed), FRESH, NOW)


def test_the_difference_names_what_went_and_what_differs() -> None:
    changes = plan_document(FRESH, TICKET)["changes"]
    first = {**changes[0], "before": {"disabled": "x"}}
    document = stored(
        digest="0", changes=[first, *changes[2:], {"address": "gone", "action": "create", "phase": "grant"}]
    )
    with pytest.raises(Stale) as caught:
        require_same(document, FRESH, NOW)
    text = str(caught.value)
    assert "no longer needed: create gone" in text
    assert f"differs: update {changes[0]['address']}" in text
    assert f"new: {changes[1]['action']} {changes[1]['address']}" in text


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[",
        b"[" * 100_000,
        b"[]",
        b'{"formatVersion": "idac.plan/v0"}',
        b'{"formatVersion": "idac.plan/v1"}',
        b"\xff",
    ],
)
def test_what_is_not_a_plan_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_plan(text, "plan.json")


@pytest.mark.parametrize("changed", [{"changes": 1}, {"planId": 1}, {"digest": None}])
def test_a_damaged_plan_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="plan anew"):
        stored(**changed)


def test_only_guards_that_stop_everything_stop_everything() -> None:
    require_allowed(replace(FRESH, guards=(Guard("G02", "refused", "m"),)))
    with pytest.raises(Refused, match="G01"):
        require_allowed(replace(FRESH, guards=(Guard("G01", "refused", "m", stops="everything"),)))


def test_a_routine_run_does_nothing_that_needs_review() -> None:
    assert without_review(FRESH).changes == ()
    assert actual([]).resources
