"""The door to RFC 8785: one byte form for digests, and SHA-256 over it."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785

from reconciler.errors import InvalidInput


def canonical(value: Any) -> bytes:
    """RFC 8785 (JSON Canonicalization Scheme) bytes of a JSON-like value.

    Raises `InvalidInput` for what the scheme cannot hold: integers beyond 2^53, and text that is no Unicode
    (half a surrogate pair, which a hostile server's JSON may carry).
    """
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as problem:
        raise InvalidInput(
            f"a value cannot be written canonically: {type(problem).__name__}",
            remedy="numbers stay below 2^53, and text is valid Unicode",
        ) from None


def digest(value: Any) -> str:
    """SHA-256 of the canonical form, as lower-case hex."""
    return hashlib.sha256(canonical(value)).hexdigest()
