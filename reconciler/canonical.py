"""The door to RFC 8785: one byte form for digests, and SHA-256 over it."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785


def canonical(value: Any) -> bytes:
    """RFC 8785 (JSON Canonicalization Scheme) bytes of a JSON-like value.

    Raises `ValueError` for what the scheme cannot hold, such as integers beyond 2^53.
    """
    return rfc8785.dumps(value)


def digest(value: Any) -> str:
    """SHA-256 of the canonical form, as lower-case hex."""
    return hashlib.sha256(canonical(value)).hexdigest()
