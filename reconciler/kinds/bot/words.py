"""Field types of bots: digests, SPIFFE IDs, times of the week."""

from __future__ import annotations

from typing import Annotated

from pydantic import StrictStr

from reconciler.kinds.fields import pattern

_DAY = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]"

Digest = Annotated[
    StrictStr, pattern(r"sha256:[0-9a-f]{64}", "sha256: and 64 lower-case hexadecimal digits")
]  # OCI image specification, descriptors
Version = Annotated[
    StrictStr,
    pattern(r"[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?", "a version such as 4.2.0, 32 characters at most"),
]
# SPIFFE ID, section 2: no query, no fragment, no empty and no dotted segment.
SpiffeId = Annotated[
    StrictStr,
    pattern(
        r"spiffe://[a-z0-9._-]{1,255}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}){1,16}",
        "a SPIFFE ID such as spiffe://acme.test/prod/bot/mm-eurusd, its trust domain in lower case",
    ),
]
Window = Annotated[
    StrictStr,
    pattern(rf"{_DAY}(-{_DAY})? {_TIME}-({_TIME}|24:00)", "a window such as Mon-Fri 07:00-17:30"),
]
TimeZone = Annotated[
    StrictStr, pattern(r"[A-Z][A-Za-z_]+(/[A-Z][A-Za-z0-9_+-]+){0,2}", "a time zone such as Europe/London")
]
