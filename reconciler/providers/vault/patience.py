"""How long a server is waited for. Vault's own environment variables say it for us too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite

from reconciler.errors import InvalidInput

MAX_RETRIES = "VAULT_MAX_RETRIES"
CLIENT_TIMEOUT = "VAULT_CLIENT_TIMEOUT"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds: `answer` for one answer, `total` for all tries of one request."""

    answer: float = 30.0
    total: float = 60.0
    first_pause: float = 0.1
    longest_pause: float = 5.0
    tries: int = 8


def patience_of(environ: Mapping[str, str]) -> Patience:
    """What the environment asks for, read as Vault and OpenBao read it (`ReadEnvironment` in `api/client.go`).

    `VAULT_MAX_RETRIES` counts the tries after the first, so 0 means one try. `VAULT_CLIENT_TIMEOUT` bounds one
    request with all its tries: seconds, or a duration such as `90s` or `1m30s`; 0 leaves the default. Raises
    `InvalidInput` for anything else.
    """
    usual = Patience()
    retries, timeout = environ.get(MAX_RETRIES, "").strip(), environ.get(CLIENT_TIMEOUT, "").strip()
    if retries and not re.fullmatch("[0-9]{1,9}", retries):
        raise InvalidInput(f"{MAX_RETRIES} is {retries[:40]!r}", remedy="give it a whole number, such as 2")
    tries = int(retries) + 1 if retries else usual.tries
    seconds = _seconds(timeout) if timeout else 0.0
    return replace(usual, tries=tries, **({"answer": seconds, "total": seconds} if seconds else {}))


def _seconds(text: str) -> float:
    whole = f"{text}s" if text.isascii() and text.isdigit() else text
    parts = _PART.findall(whole)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != whole or not isfinite(seconds):
        raise InvalidInput(
            f"{CLIENT_TIMEOUT} is {text[:40]!r}", remedy="give it seconds, or a duration such as 90s"
        )
    return seconds
