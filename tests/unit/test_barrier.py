"""Whoever was put on hold since a run looked is granted nothing: asked once a second, and at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from reconciler.barrier import Barrier
from reconciler.errors import TargetError, Unreachable
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Proof
from reconciler.model.resource import Hold, Resource
from tests.unit.world import actual, desired

PROVED = Proof(SubjectRef("mfatier", "otp"), "vault.mfa", "proved", "refused")
ANNA, BOB = SubjectRef("trader", "anna"), SubjectRef("trader", "bob")


@dataclass(slots=True)
class Server:
    """Holds as they stand, how often they were asked for, and the time."""

    holds: list[Hold] = field(default_factory=list)
    error: TargetError | None = None
    asked: int = 0
    time: str = "12:00:00"
    tier: Proof | None = None  # what the probe of bob's MFA tier says; nobody is under one where it is None

    def read(self) -> Sequence[Hold]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return list(self.holds)


def barrier(server: Server) -> Barrier:
    tiered = Resource(f"vault.entity/{BOB}", BOB, {}, {"tier": "otp"})
    wanted = desired((tiered,) if server.tier else (), {ANNA: "active", BOB: "active"})
    return Barrier(
        wanted,
        actual(()),
        server.read,
        lambda tier: server.tier or PROVED,
        lambda change: PROVED,
        lambda: server.time,
    )


def grant(subject: SubjectRef, kind: str = "vault.entity") -> Change:
    return Change(f"{kind}/{subject}", subject, "create", "grant", "why")


def test_a_hold_is_seen_within_a_second_in_the_middle_of_a_step() -> None:
    server = Server()
    asked = barrier(server)
    assert [asked(grant(s)) for s in (ANNA, BOB, ANNA)] == ["", "", ""]
    assert server.asked == 1
    server.holds.append(Hold(ANNA, "the desk called", "operator x", "now"))
    assert asked(grant(ANNA)) == ""
    server.time = "12:00:01"
    assert "trader/anna was put on hold meanwhile" in asked(grant(ANNA))
    assert asked(grant(BOB)) == ""
    assert server.asked == 2


def test_a_new_step_is_asked_for_at_once() -> None:
    server = Server()
    asked = barrier(server)
    assert asked(grant(ANNA)) == ""
    server.holds.append(Hold(ANNA, "the desk called", "operator x", "now"))
    assert "put on hold meanwhile" in asked(grant(ANNA, "ca.certificate"))


def test_holds_that_cannot_be_read_bar_everybody_until_they_can() -> None:
    server = Server(error=Unreachable("no answer"))
    asked = barrier(server)
    assert "cannot be told" in asked(grant(BOB))
    server.error, server.time = None, "12:00:01"
    assert asked(grant(BOB)) == ""


def test_a_freeze_bars_everybody_and_the_rules_too() -> None:
    server = Server(holds=[Hold(SubjectRef("estate", "t"), "who signs these?", "operator x", "now")])
    asked = barrier(server)
    rule = Change("vault.policy/role/x", None, "create", "govern", "why")
    for change in (grant(ANNA), grant(BOB), rule):
        assert asked(change) == "the estate was frozen meanwhile: who signs these?"
    server.holds.clear()
    server.time = "12:00:01"
    assert asked(rule) == ""


def test_a_release_is_never_barred() -> None:
    server = Server(holds=[Hold(ANNA, "the desk called", "operator x", "now")])
    assert barrier(server)(Change(f"vault.entity/{ANNA}", ANNA, "release", "grant", "why")) == ""


def test_whoever_is_under_a_tier_that_lets_a_probe_in_is_granted_nothing() -> None:
    server = Server(tier=Proof(SubjectRef("mfatier", "otp"), "vault.mfa", "failed", "the probe got in"))
    asked = barrier(server)
    assert asked(grant(ANNA)) == ""
    said = "MFA tier otp is not enforced, and trader/bob is under it: the probe got in"
    assert asked(grant(BOB)) == said
    server.tier = PROVED
    assert asked(grant(BOB)) == ""
