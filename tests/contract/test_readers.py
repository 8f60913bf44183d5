"""What every reader promises: it sees all there is, or says that it could not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reconciler.errors import Denied, Overloaded, Rejected, TargetError, Unreachable
from tests.contract.stage import Stage


def test_reading_twice_gives_the_same(stage: Stage, name: str) -> None:
    stage.standing()
    assert stage.target.readers()[name].observe() == stage.target.readers()[name].observe()


def test_reading_writes_nothing(stage: Stage, name: str) -> None:
    stage.standing()
    before = stage.target.writes()
    stage.target.readers()[name].observe()
    assert stage.target.writes() == before


@pytest.mark.parametrize("error", [Unreachable, Denied, Overloaded, Rejected])
def test_a_question_without_an_answer_is_an_error_and_never_a_smaller_estate(
    stage: Stage, name: str, error: type[TargetError]
) -> None:
    stage.standing()
    whole = stage.target.readers()[name].observe()
    questions = 0
    for reader in stage.target.deaf(name, error):
        questions += 1
        try:
            seen = reader.observe()
        except TargetError:
            continue
        if told := [finding for finding in seen.foreign if finding not in whole.foreign]:
            # Of a workload issuer that is out of reach: it stops every grant, and hides nothing.
            assert {finding.code for finding in told} == {"F02"}
            assert replace(seen, foreign=whole.foreign) == whole
            continue
        # A server that lacks a bulk listing says so by refusing it: then the reader asks one by one.
        assert error is Rejected
        assert seen == whole
    assert questions


def test_a_reader_names_its_own_resources_each_once(stage: Stage, name: str) -> None:
    stage.standing()
    reader = stage.target.readers()[name]
    addresses = [r.address for r in reader.observe().resources]
    assert reader.name.partition(".")[0] == name  # `hsm.trade`: each token is a system of its own
    assert addresses
    assert all(address.startswith(f"{name}.") for address in addresses)
    assert len(set(addresses)) == len(addresses)


def test_what_is_read_is_public_and_can_be_written_down(stage: Stage, name: str) -> None:
    stage.standing()
    for resource in stage.target.readers()[name].observe().resources:
        assert "PRIVATE KEY" not in json.dumps([dict(resource.fields), dict(resource.facts)])


def test_of_one_subject_a_reader_sees_what_it_sees_of_it_among_all(stage: Stage, name: str) -> None:
    subject, other = stage.standing()
    reader = stage.target.readers()[name]
    whole, one = reader.observe(), reader.observe_subject(subject)
    assert [r for r in one.resources if r.subject == subject] == [
        r for r in whole.resources if r.subject == subject
    ]
    assert [r for r in one.resources if r.subject == other] == []
    rules = {r.address: r for r in whole.resources if r.subject is None}
    assert all(rules[r.address] == r for r in one.resources if r.subject is None)
    assert one.target == whole.target


@pytest.mark.parametrize("error", [Unreachable, Denied, Overloaded, Rejected])
def test_of_one_subject_too_a_question_without_an_answer_is_an_error(
    stage: Stage, name: str, error: type[TargetError]
) -> None:
    subject, _ = stage.standing()
    whole = stage.target.readers()[name].observe_subject(subject)
    for reader in stage.target.deaf(name, error):
        try:
            seen = reader.observe_subject(subject)
        except TargetError:
            continue
        assert error is Rejected or seen == whole
        assert seen == whole
