"""plan orders, and its digest covers everything that decides what would happen, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.canonical import digest
from reconciler.diff import diff
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding, Origin, SubjectRef, Tree
from reconciler.model.plan import Guard, Plan
from reconciler.model.resource import Actual
from reconciler.plan import plan
from reconciler.rules.guards import judge
from tests.unit.world import NOW, actual, certificate, desired, entity, issued, login, policy

ANNA, BOB = SubjectRef("trader", "anna"), SubjectRef("trader", "bob")
TREE = Tree(manifests=(), digest="t1", commit="c1")


def estate(**policy_fields: Any) -> Estate:
    spec: dict[str, Any] = {"trustDomain": "t.test", "policy": policy_fields}
    made = Estate.model_validate(
        {"name": "t", "root": "/x", "spec": spec, "configuration_digest": "cd", "policy_digest": "pd"}
    )
    return made.model_copy(update={"policy_digest": digest(made.policy_document)})


def make(changes: tuple[Change, ...], findings: tuple[Finding, ...] = (), **more: Any) -> Plan:
    state = more.pop("actual", actual([]))
    return plan(changes, state, more.pop("estate", estate()), more.pop("tree", TREE), findings, ())


def joiners_and_leaver() -> tuple[Change, ...]:
    standing = [entity(BOB), login(BOB), issued(certificate(BOB), serial="0a:0a", serials=["0a:0a"])]
    wanted = [entity(ANNA, id=None), login(ANNA), certificate(ANNA), policy("p")]
    return diff(desired(wanted, {ANNA: "active"}), actual(standing), NOW)


ONCE = joiners_and_leaver()


def test_containment_comes_first_then_rules_then_grants() -> None:
    made = make(joiners_and_leaver())
    assert [c.phase for c in made.changes] == ["contain"] * 6 + ["govern"] + ["grant"] * 3
    assert made.changes[5].closes
    assert made.summary == {
        "create": 4,
        "update": 2,
        "rotate": 0,
        "revoke": 2,
        "delete": 2,
        "hold": 0,
        "release": 0,
    }


def test_a_finding_bars_its_subject_from_grants_but_not_from_containment() -> None:
    barred = Finding("R001", "error", "supervised by a leaver", subject="trader/anna")
    made = make(joiners_and_leaver(), (barred,))
    assert [c.phase for c in made.changes] == ["contain"] * 6 + ["govern"]


def test_routine_changes_are_listed_but_capped_and_outside_the_digest() -> None:
    changes = joiners_and_leaver()
    routine = tuple(replace(c, routine=True, address=f"{c.address}-{i}") for i, c in enumerate(changes))
    few = make((*changes, *routine), estate=estate(routineCap=3))
    assert len(few.routine) == 3
    assert few.digest == make(changes, estate=estate(routineCap=3)).digest
    assert not few.empty


@given(st.permutations(ONCE))
def test_the_digest_does_not_depend_on_the_order_of_discovery(changes: list[Change]) -> None:
    assert make(tuple(changes)).digest == make(ONCE).digest


def altered(field: str) -> Plan:
    changes = list(ONCE)
    changes.sort(key=lambda c: c.order)
    first = changes[0]
    match field:
        case "estate":
            return make(ONCE, estate=estate().model_copy(update={"name": "u"}))
        case "configuration":
            return make(ONCE, estate=estate().model_copy(update={"configuration_digest": "x"}))
        case "policy":
            return make(ONCE, estate=estate().model_copy(update={"policy_digest": "x"}))
        case "target":
            return make(ONCE, actual=Actual({}, target={"cluster": "other"}))
        case "observed":
            assert first.actual is not None
            changes[0] = replace(first, actual=replace(first.actual, fields={**first.actual.fields, "x": 1}))
        case "missing":
            changes = changes[1:]
        case "subject":
            changes[0] = replace(first, subject=None)
        case _:
            value: Any = {"after": {"x": 1}, "before": {"x": 1}}.get(field, "other")
            changes[0] = replace(first, **{field: value})
    return make(tuple(changes))


@pytest.mark.parametrize(
    "field",
    [
        "estate",
        "configuration",
        "policy",
        "target",
        "observed",
        "missing",
        "address",
        "subject",
        "reason",
        "before",
        "after",
    ],
)
def test_whatever_decides_what_would_happen_is_in_the_digest(field: str) -> None:
    assert altered(field).digest != make(ONCE).digest


def test_an_unrelated_merge_does_not_void_a_review() -> None:
    other = Tree(manifests=(), digest="t2", commit="c2", dirty=True)
    assert make(ONCE, tree=other).digest == make(ONCE).digest


def test_an_empty_plan_says_so() -> None:
    assert make(()).empty


# ---- guards -----------------------------------------------------------------------------------------------------


def verdicts(
    target: Any,
    state: Actual,
    *,
    tree: Tree = TREE,
    findings: tuple[Finding, ...] = (),
    rules: Estate | None = None,
) -> dict[str, Guard]:
    changes = diff(target, state, NOW)
    guards = judge(changes, target, state, rules or estate(), tree, findings)
    return {g.code: g for g in guards if g.status == "refused"}


def people(count: int) -> list[SubjectRef]:
    return [SubjectRef("trader", f"t{i}") for i in range(count)]


def test_a_tree_that_is_not_whole_freezes_grants() -> None:
    partial = Tree(manifests=(), absence_is_intent=False, why_not="desk.yaml cannot be read")
    found = verdicts(desired([], {}, absence_is_intent=False), actual([]), tree=partial)
    assert "desk.yaml cannot be read" in found["G02"].message
    assert found["G02"].stops == "grants"


@pytest.mark.parametrize("origin", [None, Origin("a.yaml", 3, 1)])
def test_an_invalid_manifest_freezes_grants(origin: Origin | None) -> None:
    finding = Finding("M001", "error", "unknown field", origin=origin)
    found = verdicts(desired([], {}), actual([]), findings=(finding,))
    assert "1 error in the manifests" in found["G03"].message
    assert ("a.yaml:3:1" in found["G03"].message) == (origin is not None)


def test_a_barred_subject_is_named() -> None:
    findings = tuple(Finding("R001", "error", "x", subject=f"trader/t{i}") for i in range(7))
    found = verdicts(
        desired([entity(people(1)[0], id=None)], {people(1)[0]: "active"}), actual([]), findings=findings
    )
    assert "and 2 more" in found["G04"].message
    assert found["G04"].stops == "nothing"
    assert "withheld" not in verdicts(desired([], {}), actual([]), findings=findings[:1])["G04"].message


def test_a_role_that_went_while_a_manifest_still_names_it_is_said_to_stay() -> None:
    anna = people(1)[0]
    finding = Finding("R04", "error", "there is no Role desk", subject=str(anna))
    standing = actual([entity(anna), policy("desk")])
    found = verdicts(desired([], {}, frozen=frozenset({anna})), standing, findings=(finding,))
    assert "vault.policy/role/desk stays until then, though no manifest explains it" in found["G04"].message


def test_foreign_objects_freeze_grants() -> None:
    foreign = (Finding("V001", "error", "entity x carries the mark of estate other"),)
    assert "estate other" in verdicts(desired([], {}), actual([], foreign=foreign))["G05"].message


def test_the_issuance_cap_counts_every_certificate() -> None:
    everyone = people(3)
    target = desired([certificate(s) for s in everyone], dict.fromkeys(everyone, "active"))
    found = verdicts(target, actual([entity(s) for s in everyone]), rules=estate(issuanceCap=2))
    assert "3 certificates" in found["G06"].message


def test_too_much_routine_waits_for_the_next_run() -> None:
    guards = judge(
        (replace(joiners_and_leaver()[0], routine=True),),
        desired([], {}),
        actual([]),
        estate(routineCap=0),
        TREE,
        (),
    )
    assert "waits" in next(g for g in guards if g.code == "G07").message


def test_a_silent_system_freezes_grants() -> None:
    assert "ca: sealed" in verdicts(desired([], {}), actual([], unavailable={"ca": "sealed"}))["G08"].message
