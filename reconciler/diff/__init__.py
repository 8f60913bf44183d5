"""Desired and actual, compared. Pure: the same two states and the same `now` give the same changes."""

from reconciler.diff.estate import diff
from reconciler.diff.holds import held_since, lift

__all__ = ["diff", "held_since", "lift"]
