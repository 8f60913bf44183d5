"""What every writer promises: it does one change, once, on what was observed, and reads back what it did."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import reconciler.providers.ca.resources as ca
from reconciler.errors import IdacError, Refused, Rejected
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Resource
from reconciler.providers.vault.resources import role_policy
from tests.contract.stage import PROFILE, Stage


def of(name: str, change: Change, subject: SubjectRef | None = None) -> bool:
    return change.address.startswith(f"{name}.") and change.subject == subject


def test_what_is_created_is_read_as_it_was_desired(stage: Stage, name: str) -> None:
    subject = stage.settled()
    seen = stage.mine(subject, name)
    wanted = {r.address: r for r in stage.wanted[subject] if r.address.startswith(f"{name}.")}
    assert seen.keys() == wanted.keys()
    for address, resource in wanted.items():
        for field, value in resource.fields.items():
            if isinstance(value, dict) and value.keys() == {"ref"}:  # a reference is learned on the way
                assert seen[address].fields[field]
            else:
                assert seen[address].fields[field] == value, field


def test_what_is_deleted_is_read_no_more(stage: Stage, name: str) -> None:
    subject = stage.settled()
    stage.leave(subject)
    stage.run()
    assert stage.mine(subject, name) == {}


def test_a_change_told_twice_is_done_once(stage: Stage, name: str) -> None:
    subject = stage.joiner()
    change = stage.until(lambda c: of(name, c, subject))
    writer = stage.target.writers()[name]
    first = dict(writer.apply(change, stage.known))
    there = stage.mine(subject, name)
    again = dict(writer.apply(change, stage.known))
    assert stage.mine(subject, name).keys() == there.keys()
    assert {a: r.fields for a, r in stage.mine(subject, name).items()} == {a: r.fields for a, r in there.items()}
    assert first.get("id") == again.get("id")
    assert first.get("serial") == again.get("serial")  # no second certificate
    stage.run()
    assert stage.plan() == []


def test_taking_away_told_twice_is_done_once(stage: Stage, name: str) -> None:
    subject = stage.settled()
    stage.leave(subject)
    changes = stage.plan()
    stage.carry_out(changes)
    stage.carry_out([c for c in changes if c.address.startswith(f"{name}.") and c.action in ("delete", "revoke")])
    assert stage.mine(subject, name) == {}


@pytest.mark.parametrize("name", ["vault", "ca"])  # a token has no rules
def test_something_that_came_meanwhile_is_not_overwritten(stage: Stage, name: str) -> None:
    """Created by the plan, and there when the change is carried out: whoever made it meant something by it."""
    rule = another_rule(stage, name)
    stage.rules.append(rule)
    change = stage.until(lambda c: c.address == rule.address)
    stage.target.meddle(rule.address)
    with pytest.raises((Rejected, Refused)):
        stage.target.writers()[name].apply(change, stage.known)
    stage.rules.remove(rule)
    stage.run()
    assert stage.plan() == []


def another_rule(stage: Stage, name: str) -> Resource:
    if name == "vault":
        return role_policy(stage.target.estate, "meanwhile", {"desk/data/x": ["read"]})
    return ca.profile(stage.target.estate, replace(PROFILE, name="meanwhile", lifetime=3600))


@pytest.mark.parametrize("kind", ["vault.entity", "vault.login", "ca.issuer", "hsm.key"])
def test_a_subjects_place_that_somebody_took_meanwhile_is_not_overwritten(stage: Stage, kind: str) -> None:
    subject = stage.joiner()
    change = stage.until(lambda c: c.subject == subject and c.type == kind)
    stage.target.meddle(change.address)
    with pytest.raises((Rejected, Refused)):
        stage.target.writers()[kind.partition(".")[0]].apply(change, stage.known)
    stage.run()
    assert stage.plan() == []


def test_what_changed_since_it_was_observed_is_not_changed_further(stage: Stage, name: str) -> None:
    key = f"hsm.key/{stage.settled()}/signing/trade"
    address = {"vault": "vault.policy/role/desk", "ca": f"ca.profile/{PROFILE.name}", "hsm": key}[name]
    stage.target.meddle(address)
    (change,) = [c for c in stage.plan() if c.address == address]
    stage.run()  # another run mends it
    assert change.desired is not None
    another = {"algorithm": "rsa-4096"} if name == "hsm" else another_rule(stage, name).fields
    other = {**change.desired.fields, **another} | {n: v for n, v in change.desired.fields.items() if n == "name"}
    stale = replace(change, desired=replace(change.desired, fields=other))
    with pytest.raises((Rejected, Refused)):
        stage.target.writers()[name].apply(stale, stage.known)
    assert stage.plan() == []


@pytest.mark.parametrize("address", ["hsm.key/trader/x/y/z", "vault.nothing/x", "ca.nothing/x"])
def test_what_a_writer_does_not_know_it_refuses_and_touches_nothing(stage: Stage, name: str, address: str) -> None:
    before = stage.target.writes()
    with pytest.raises(IdacError):
        stage.target.writers()[name].apply(Change(address, None, "create", "grant", "why"), stage.known)
    assert stage.target.writes() == before


def test_evidence_is_public(stage: Stage, name: str) -> None:
    subject = stage.joiner()
    change = stage.until(lambda c: of(name, c, subject))
    evidence = stage.target.writers()[name].apply(change, stage.known)
    assert "PRIVATE KEY" not in json.dumps(dict(evidence))
    stage.run()
