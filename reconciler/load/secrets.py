"""Secrets that were committed by mistake: found, and never shown."""

from __future__ import annotations

import re
from collections.abc import Iterator

WORDS = "this looks like a private key or an access token: remove it, replace it, and treat it as stolen"

# A text that must be there, and the pattern that then decides. Each pattern begins with that text (Python's engine
# looks for a literal beginning many times faster), so the letters before a token's dot are looked back at.
_SECRETS = tuple(
    (hint, re.compile(pattern))
    for hint, pattern in (
        ("-----BEGIN ", r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY"),  # RFC 7468
        # Tokens of Vault and OpenBao: `hvs.…`, and the older `s.…` of 24 characters.
        (".", r"\.(?:(?<=\bhv[sbr]\.)[A-Za-z0-9_-]{20}|(?<=\b[sbr]\.)[A-Za-z0-9]{24}\b)"),
        ("AKIA", r"AKIA[0-9A-Z]{16}\b"),  # AWS
        ("ASIA", r"ASIA[0-9A-Z]{16}\b"),
        ("gh", r"gh[pousr]_[A-Za-z0-9]{36}"),  # GitHub
    )
)


def find_secrets(text: str) -> Iterator[int]:
    """Where in the text something looks like a secret: character offsets."""
    for hint, pattern in _SECRETS:
        if hint in text:
            yield from (match.start() for match in pattern.finditer(text))


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
