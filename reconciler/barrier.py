"""What is asked again before everything that is given: holds, a freeze, and whether MFA tiers hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock

from reconciler.diff import held_since
from reconciler.errors import TargetError
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Proof
from reconciler.model.resource import Actual, Desired, Hold, is_freeze


class Barrier:
    """One for a run. Thread-safe.

    `idac contain` counts on it: a second after it wrote its hold, no run begins a grant to the held subject.
    """

    def __init__(
        self,
        desired: Desired,
        actual: Actual,
        holds: Callable[[], Sequence[Hold]],
        second_factor: Callable[[str], Proof],
        sign_in: Callable[[Change], Proof],
        clock: Callable[[], str],
    ) -> None:
        """`holds` reads them afresh and may raise a `TargetError`: then nothing is granted in that second.

        `second_factor` says whether an MFA tier really holds: under one that does not, nothing is granted.
        `sign_in` says the same of a login by ID token and its claims; what no probe tried is not refused.
        `clock` tells the time in whole seconds.
        """
        self._desired, self._actual, self._read, self._clock = desired, actual, holds, clock
        self._second_factor, self._sign_in = second_factor, sign_in
        self._guard = Lock()
        self._asked: tuple[tuple[int, int], str] | None = None  # the step, and the second
        self._held: Mapping[SubjectRef, str] = {}
        self._all = ""  # why nobody may be given anything

    def __call__(self, change: Change) -> str:
        """Why a grant must not be attempted any more; empty when it may."""
        if change.action == "release":
            return ""
        with self._guard:
            now = change.order[:2], self._clock()
            if self._asked != now:
                self._asked = now
                self._look()
            why = self._held.get(change.subject) if change.subject is not None else ""
            held = self._all or (f"{change.subject} was put on hold meanwhile: {why}" if why else "")
        return held or self._unguarded(change.subject) or self._unbound(change)

    def _unguarded(self, subject: SubjectRef | None) -> str:
        entity = self._desired.resources.get(f"vault.entity/{subject}")
        tier = str(entity.facts.get("tier", "")) if entity is not None else ""
        proof = self._second_factor(tier) if tier else None
        if proof is None or proof.status == "proved":
            return ""
        return f"MFA tier {tier} is not enforced, and {subject} is under it: {proof.detail}"

    def _unbound(self, change: Change) -> str:
        proof = self._sign_in(change) if change.signs_in else None
        if proof is None or proof.status != "failed":
            return ""
        return f"that ID tokens are held to MFA tier {change.signs_in} is not proved: {proof.detail}"

    def _look(self) -> None:
        try:
            holds = self._read()
        except TargetError as problem:
            self._all = f"whether a hold was put on meanwhile cannot be told: {problem}"
            return
        frozen = next((hold for hold in holds if is_freeze(hold)), None)
        self._all = f"the estate was frozen meanwhile: {frozen.reason}" if frozen is not None else ""
        self._held = held_since(self._desired, self._actual, [hold for hold in holds if not is_freeze(hold)])
