"""Desired and actual, compared. Pure: the same two states and the same `now` give the same changes."""

from reconciler.diff.emergency import contain_now, contain_rest
from reconciler.diff.estate import diff
from reconciler.diff.freezing import freeze, thaw
from reconciler.diff.holds import held_since, lift
from reconciler.diff.routine import routine_part

__all__ = ["contain_now", "contain_rest", "diff", "freeze", "held_since", "lift", "routine_part", "thaw"]
