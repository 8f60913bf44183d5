"""The front door: one command group a module, imported only when it is called."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    sys.stderr.write("idac 0.1.0\n")
