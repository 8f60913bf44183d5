"""Secrets that were committed by mistake: found, and never shown."""

from __future__ import annotations

import re

# Private keys (RFC 7468); Vault and OpenBao tokens, new and old form; AWS and GitHub keys.
_SECRET = re.compile(
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY|\bhv[sbr]\.[A-Za-z0-9_-]{20}|\b[sbr]\.[A-Za-z0-9]{24}\b"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}"
)
_HINTS = ("PRIVATE KEY", "hv", "s.", "b.", "r.", "AKIA", "ASIA", "gh")
WORDS = "this looks like a private key or an access token: remove it, replace it, and treat it as stolen"


def find_secrets(text: str) -> list[int]:
    """Where in the text something looks like a secret: character offsets."""
    if not any(hint in text for hint in _HINTS):
        return []
    return [match.start() for match in _SECRET.finditer(text)]


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
