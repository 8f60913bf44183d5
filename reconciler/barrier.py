"""Holds that were put on since the observation: asked for again before every step that gives something."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from reconciler.diff import held_since
from reconciler.errors import TargetError
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual, Desired, Hold


class Barrier:
    """One for a run, under its lock."""

    def __init__(self, desired: Desired, actual: Actual, holds: Callable[[], Sequence[Hold]]) -> None:
        """`holds` reads them afresh and may raise a `TargetError`: then nothing is granted in that step."""
        self._desired, self._actual, self._read = desired, actual, holds
        self._step: tuple[int, int] | None = None
        self._held: Mapping[SubjectRef, str] = {}
        self._unread = ""

    def __call__(self, change: Change) -> str:
        """Why a grant must not be attempted any more; empty when it may."""
        if change.action == "release" or change.subject is None:
            return ""
        if self._step != change.order[:2]:
            self._step = change.order[:2]
            self._look()
        why = self._held.get(change.subject)
        return self._unread or (f"{change.subject} was put on hold meanwhile: {why}" if why else "")

    def _look(self) -> None:
        try:
            self._held, self._unread = held_since(self._desired, self._actual, self._read()), ""
        except TargetError as problem:
            self._unread = f"whether a hold was put on meanwhile cannot be told: {problem}"
