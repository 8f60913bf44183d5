"""Draws what idac printed in colour as an SVG for the README; no font or style is fetched from anywhere.

FORCE_COLOR=1 idac plan | python -m tests.picture "idac plan" > docs/plan.svg
"""

from __future__ import annotations

import io
import re
import sys

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

WIDTH = 108


def picture(printed: str, title: str) -> str:
    """The SVG. Its text can be selected and searched."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(printed.rstrip("\n")), soft_wrap=False)
    drawn = console.export_svg(title=title, theme=MONOKAI, unique_id="idac")
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    return drawn.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace")


if __name__ == "__main__":
    sys.stdout.write(picture(sys.stdin.read(), sys.argv[1]))
