"""A server's address: what may stand in it, and when TLS may be left out."""

from __future__ import annotations

import re

from reconciler.errors import InvalidInput

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_ADDRESS = re.compile(
    rf"\A(?P<scheme>(?i:https?))://(?:(?P<host>(?:{_LABEL}\.){{0,60}}{_LABEL}\.?)|\[(?P<ip>[0-9A-Fa-f:.]{{2,45}})\])"
    r"(?::(?P<port>[0-9]{1,5}))?/*\Z"
)


def parse(address: str) -> tuple[bool, str, int]:
    """(whether with TLS, host, port) of `https://host:port`; plain `http` is for loopback only.

    Raises `InvalidInput`. What stands before an `@` may be a password, so such an address is not repeated.
    """
    remedy = "set VAULT_ADDR or target.address in idac.yaml"
    if "@" in address:
        raise InvalidInput("the server's address carries a user or password", remedy="give it without them")
    found = _ADDRESS.match(address)
    scheme = found["scheme"].lower() if found else ""
    port = int(found["port"] or (443 if scheme == "https" else 80)) if found else 0
    if found is None or not 0 < port < 65536:
        raise InvalidInput(
            f"the server's address {address[:100]!r} is not of the form https://host:port", remedy=remedy
        )
    secure, host = scheme == "https", (found["host"] or found["ip"]).lower()
    if not secure and host not in LOOPBACK:
        raise InvalidInput(
            f"refused to send tokens to {address} without TLS", remedy="use https, or loopback for a trial"
        )
    return secure, host, port
