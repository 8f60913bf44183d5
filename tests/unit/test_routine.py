"""What runs on a schedule without review: what is due by the time alone, and nothing that waits for a reviewer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from reconciler.diff import diff, routine_part
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Resource
from tests.unit.world import NOW, actual, certificate, crl, desired, entity, issued, login, stamp

ANNA, BOB = SubjectRef("trader", "anna"), SubjectRef("trader", "bob")
OLD = timedelta(hours=20)  # of a day: its renewal is due


def part(wanted: Resource, standing: Resource, *, lists: Resource | None = None) -> list[tuple[str, str]]:
    """Anna as she stands with this certificate, Bob gone: what of that is routine."""
    asked = desired([entity(ANNA, id=None), login(ANNA), wanted], {ANNA: "active"})
    there = actual([entity(ANNA), login(ANNA), standing, entity(BOB), login(BOB), lists or crl()])
    changes = diff(asked, there, NOW)
    made = routine_part(changes, asked.resources["ca.crl"], there, NOW)
    assert all(c.routine for c in made)
    assert {c.subject for c in changes if not c.routine} >= {BOB}
    return sorted((c.action, c.type) for c in made)


def overlapping(until: timedelta, **more: Any) -> Resource:
    """A certificate whose predecessor is still good until then."""
    facts = {"previous": "0a:0a", "previous_until": stamp(NOW + until), "serials": ["0b:0b", "0a:0a"]}
    return issued(certificate(ANNA), **{"serial": "0b:0b", **facts, **more})


def test_a_renewal_is_routine_and_a_leaver_is_not() -> None:
    assert part(certificate(ANNA), issued(certificate(ANNA), age=OLD)) == [("rotate", "ca.certificate")]
    assert part(certificate(ANNA), issued(certificate(ANNA))) == []


def test_an_overlap_that_is_over_ends_with_the_lists_that_say_so() -> None:
    ended = [("revoke", "ca.certificate"), ("update", "ca.crl")]
    assert part(certificate(ANNA), overlapping(timedelta(minutes=-1))) == ended
    assert part(certificate(ANNA), overlapping(timedelta(minutes=1))) == []


def test_a_renewal_ends_the_overlap_before_it() -> None:
    made = part(certificate(ANNA), overlapping(timedelta(minutes=1), age=OLD))
    assert made == [("revoke", "ca.certificate"), ("rotate", "ca.certificate"), ("update", "ca.crl")]


def test_an_overlap_that_only_a_reviewed_rotation_ends_waits_for_that() -> None:
    another_key = certificate(ANNA, spki="new")
    assert part(another_key, overlapping(timedelta(minutes=1))) == []
    assert [action for action, _ in part(another_key, overlapping(timedelta(minutes=-1)))] == ["revoke", "update"]


def test_lists_that_grow_old_are_refreshed_and_lists_out_of_step_are_looked_at_first() -> None:
    fine = issued(certificate(ANNA))
    assert part(certificate(ANNA), fine, lists=crl(fresh=False)) == [("update", "ca.crl")]
    assert part(certificate(ANNA), fine, lists=crl(in_step=False)) == []
    over = overlapping(timedelta(minutes=-1))
    assert ("update", "ca.crl") in part(certificate(ANNA), over, lists=crl(in_step=False))
