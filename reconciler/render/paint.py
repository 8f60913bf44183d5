"""Colours at a terminal, or none."""

from __future__ import annotations

from collections.abc import Callable

Paint = Callable[[str, str], str]  # (colour name, text) -> text
_CODES = {"green": "32", "yellow": "33", "red": "31", "magenta": "35", "bold": "1", "dim": "2"}


def painter(colour: bool) -> Paint:
    """ANSI colours, or none."""
    if not colour:
        return lambda name, text: text
    return lambda name, text: f"\x1b[{_CODES[name]}m{text}\x1b[0m" if text else ""
