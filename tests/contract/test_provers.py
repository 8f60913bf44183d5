"""What every prover promises: it asks afresh, never raises for one subject, and never says more than it saw."""

from __future__ import annotations

from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Proof
from tests.contract.stage import Stage


def leaving(stage: Stage, subject: SubjectRef) -> list[Change]:
    stage.leave(subject)
    return [c for c in stage.plan() if c.subject == subject or c.address == "ca.crl"]


def ask(stage: Stage, name: str, changes: list[Change], subject: SubjectRef) -> set[str]:
    proofs = stage.target.provers()[name].prove([c for c in changes if c.subject is not None], stage.known)
    assert {p.subject for p in proofs} == {subject}
    return {p.status for p in proofs}


def test_nothing_contained_is_nothing_to_prove(stage: Stage, name: str) -> None:
    assert stage.target.provers()[name].prove([], stage.known) == ()


def test_power_that_is_still_there_is_never_proved_gone(stage: Stage, name: str) -> None:
    subject = stage.settled()
    changes = leaving(stage, subject)
    assert "failed" in ask(stage, name, changes, subject)
    stage.run()


def test_power_that_is_gone_is_proved_and_what_nobody_asked_is_named(stage: Stage, name: str) -> None:
    subject = stage.settled()
    changes = leaving(stage, subject)
    stage.carry_out(changes)
    assert {"proved"} <= ask(stage, name, changes, subject) <= {"proved", "not-covered"}


def test_a_proof_is_asked_afresh(stage: Stage, name: str) -> None:
    subject = stage.settled()
    wanted = stage.wanted[subject]
    changes = leaving(stage, subject)
    stage.carry_out(changes)
    assert "failed" not in ask(stage, name, changes, subject)
    stage.wanted[subject] = wanted
    stage.run()
    assert "failed" in ask(stage, name, changes, subject)


def test_a_target_that_does_not_answer_is_a_failed_proof_about_everybody(stage: Stage, name: str) -> None:
    first, second = stage.settled(), stage.settled()
    stage.leave(first)
    stage.leave(second)
    changes = [c for c in stage.plan() if c.subject in (first, second)]
    proofs = stage.target.silence()[name].prove(changes, stage.known)
    failed: list[Proof] = [p for p in proofs if p.status == "failed"]
    assert {p.subject for p in failed} == {first, second}
    assert not [p for p in proofs if p.status == "proved"]
    stage.run()
