"""What was reviewed is what is applied, or nothing is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.errors import InvalidInput, Refused, Stale
from reconciler.model.manifest import Finding
from reconciler.model.plan import Guard, Plan, PlanTicket
from reconciler.render.document import plan_document, read_plan
from reconciler.review import difference, require_allowed, require_same, since_review
from tests.unit.test_plan import joiners_and_leaver, make
from tests.unit.world import NOW, stamp

TICKET = PlanTicket("id-1", stamp(NOW), stamp(NOW + timedelta(hours=1)))


def stored(**changed: Any) -> Any:
    document = {**plan_document(make(joiners_and_leaver()), TICKET), **changed}
    return read_plan(json.dumps(document).encode(), "plan.json")


FRESH = make(joiners_and_leaver())
DAY = timedelta(days=1)


def checked(document: Any, plan: Plan = FRESH) -> PlanTicket:
    return require_same(document, plan_document(plan, TICKET), NOW, DAY)


def altered(reach: Callable[[Any], None]) -> Any:
    document = json.loads(json.dumps(plan_document(FRESH, TICKET)))
    reach(document)
    return read_plan(json.dumps(document).encode(), "plan.json")


def test_the_same_plan_is_applied_under_the_reviewed_ticket() -> None:
    assert checked(plan_document(FRESH, TICKET)) == TICKET
    assert checked(altered(lambda d: None)) == TICKET


def _twice_the_life(document: Any) -> None:
    document["expiresAt"] = stamp(NOW + 2 * DAY)


def _first(name: str, value: Any) -> Callable[[Any], None]:
    return lambda d: d["changes"][0].update({name: value})


@pytest.mark.parametrize(
    ("reach", "message"),
    [
        (lambda d: d.update(changes=[]), "the changes were altered"),
        (lambda d: d["changes"].pop(), "new: "),
        (lambda d: d["changes"].append(d["changes"][0]), "the changes were altered"),
        (lambda d: d["changes"].reverse(), "the changes were altered"),
        (_first("reason", "a harmless renewal"), "differs: "),
        (_first("subject", "trader/somebody-else"), "differs: "),
        (_first("action", "hold"), "no longer needed: hold"),
        (_first("phase", "grant"), "the changes were altered"),
        (_first("before", {}), "differs: "),
        (_first("after", {}), "differs: "),
        (lambda d: d["summary"].update(create=0), "the summary was altered"),
        (lambda d: d.pop("summary"), "the summary was altered"),
        (lambda d: d.update(target={"cluster": "x"}), "the target was altered"),
        (lambda d: d.update(scope={}), "the scope was altered"),
        (lambda d: d.update(policy="0"), "the policy was altered"),
        (_twice_the_life, "longer life than the policy"),
        (lambda d: d.update(createdAt=stamp(NOW + DAY / 2), expiresAt=stamp(NOW + DAY)), "yet to come"),
        (lambda d: d.update(createdAt=stamp(NOW - 2 * DAY)), "longer life than the policy"),
        (lambda d: d.update(createdAt="2026-11-24"), "createdAt is not a time"),
    ],
)
def test_a_plan_altered_under_its_own_digest_is_stale_and_says_in_what(
    reach: Callable[[Any], None], message: str
) -> None:
    with pytest.raises(Stale, match=message):
        checked(altered(reach))


def test_findings_withheld_from_the_reviewers_are_named() -> None:
    subject = str(FRESH.changes[0].subject)
    about = [
        Finding("R11", "warning", "employment ends soon", subject),
        Finding("R14", "info", "declared", subject),
    ]
    elsewhere = Finding("R10", "warning", "access ended", "trader/not-in-this-plan")
    with_findings = replace(FRESH, findings=(*about, elsewhere))
    honest = plan_document(with_findings, TICKET)
    assert checked({**honest, "findings": honest["findings"][:1]}, with_findings) == TICKET
    for shown in ([], [{**honest["findings"][0], "severity": "info"}], None, ["R11"]):
        with pytest.raises(Stale, match="not reviewed: R11: employment ends soon"):
            checked({**honest, "findings": shown}, with_findings)


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
        checked(stored(**changed))


def test_the_difference_names_what_went_and_what_differs() -> None:
    changes = plan_document(FRESH, TICKET)["changes"]
    first = {**changes[0], "before": {"disabled": "x"}}
    document = stored(
        digest="0", changes=[first, *changes[2:], {"address": "gone", "action": "create", "phase": "grant"}]
    )
    with pytest.raises(Stale) as caught:
        checked(document)
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
        b'{"formatVersion": "idac.plan/v1", "changes": [], "changes": []}',
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


def test_routine_changes_that_no_reviewer_was_shown_are_named() -> None:
    due = tuple(replace(c, routine=True) for c in FRESH.changes[:2])
    fresh = replace(FRESH, routine=due)
    shown = plan_document(replace(FRESH, routine=due[:1]), TICKET)
    assert checked(shown, fresh) == TICKET
    assert since_review(shown, fresh) == (f"{due[1].action} {due[1].address}",)
    assert since_review(plan_document(fresh, TICKET), fresh) == ()
    assert len(since_review({**shown, "routine": 7}, fresh)) == 2


def test_what_is_no_change_is_passed_over_when_two_plans_are_told_apart() -> None:
    document = plan_document(FRESH, TICKET)
    more = {**document, "changes": [*document["changes"], "no change at all"]}
    assert list(difference(more, document)) == list(difference(document, document))
