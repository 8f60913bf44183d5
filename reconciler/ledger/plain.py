"""Values as the ledger writes them: JSON without numbers, and without anything that looks like a secret.

Numbers become strings, because verifiers of other makes turn them into floats (facts of the in-toto
libraries: a 128-bit serial came back as 1.62e+38). What looks like a secret is withheld rather than
refused: by the time evidence is written the change has happened, and losing its record would be worse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

WITHHELD = "withheld: looked like "

# A net under the rule that evidence is public, not a licence to put secrets there.
_PATTERNS = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY"),
    "a Vault token": re.compile(
        r"(?<![A-Za-z0-9.-])(?:hv[sbr]|[sbr])\.(?=[A-Za-z0-9_-]*[A-Z0-9])[A-Za-z0-9_-]{24,}"
    ),
    "a JSON web token": re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
    "a password in a URL": re.compile(r"://[^/@\s:]*:[^/@\s]+@"),
}
_ANY = re.compile("|".join(p.pattern for p in _PATTERNS.values()))
_NAMES = frozenset({"password", "passphrase", "pin", "private_key", "secret_id", "client_token"})


_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def plain(value: Any) -> Any:
    """The value with numbers as strings, tuples as lists, and secrets and what is no JSON withheld."""
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        return {_text(str(k)): _member(str(k), v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return f"{WITHHELD}a {type(value).__name__}"


def line(value: Mapping[str, Any]) -> bytes:
    """One line of a journal, or a small file: JSON with sorted members, and a newline."""
    return f"{_encode(plain(value))}\n".encode()


def _member(name: str, value: Any) -> Any:
    return f"{WITHHELD}a {name}" if name.lower() in _NAMES and value else plain(value)


def _text(value: str) -> str:
    if _ANY.search(value):
        return WITHHELD + next(what for what, pattern in _PATTERNS.items() if pattern.search(value))
    if value.isascii():
        return value
    return value.encode("utf-8", "backslashreplace").decode()  # a lone surrogate has no UTF-8 form
