"""Holds that were put on since the observation: asked for again before every grant, once a second at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock

from reconciler.diff import held_since
from reconciler.errors import TargetError
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual, Desired, Hold


class Barrier:
    """One for a run. Thread-safe.

    `idac contain` counts on it: a second after it wrote its hold, no run begins a grant to the held subject.
    """

    def __init__(
        self, desired: Desired, actual: Actual, holds: Callable[[], Sequence[Hold]], clock: Callable[[], str]
    ) -> None:
        """`holds` reads them afresh and may raise a `TargetError`: then nothing is granted in that second.

        `clock` tells the time in whole seconds.
        """
        self._desired, self._actual, self._read, self._clock = desired, actual, holds, clock
        self._guard = Lock()
        self._asked: tuple[tuple[int, int], str] | None = None  # the step, and the second
        self._held: Mapping[SubjectRef, str] = {}
        self._unread = ""

    def __call__(self, change: Change) -> str:
        """Why a grant must not be attempted any more; empty when it may."""
        if change.action == "release" or change.subject is None:
            return ""
        with self._guard:
            now = change.order[:2], self._clock()
            if self._asked != now:
                self._asked = now
                self._look()
            why = self._held.get(change.subject)
            return self._unread or (f"{change.subject} was put on hold meanwhile: {why}" if why else "")

    def _look(self) -> None:
        try:
            self._held, self._unread = held_since(self._desired, self._actual, self._read()), ""
        except TargetError as problem:
            self._unread = f"whether a hold was put on meanwhile cannot be told: {problem}"
