"""Text from manifests and servers, made harmless for a terminal."""

from __future__ import annotations

import unicodedata
from typing import Any

# Cc: C0/C1 controls (escape sequences). Cf: bidirectional overrides, zero-width. Zl, Zp: line separators.
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def safe(value: Any) -> str:
    """The text of a value with every control, bidirectional and invisible character written as `\\u{…}`."""
    return "".join(c if unicodedata.category(c) not in _UNSAFE else f"\\u{{{ord(c):x}}}" for c in str(value))


def safe_lines(text: str) -> str:
    """As `safe`, but line ends of our own making stay."""
    return "\n".join(safe(line) for line in text.split("\n"))
