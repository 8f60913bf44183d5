"""One-time passwords from outside: an administrator enrols, a holder logs in with what their telephone shows."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.firm import Firm, Holder


@dataclass(frozen=True, slots=True)
class Telephone:
    """An authenticator with one secret."""

    method: str
    secret: bytes
    digits: int
    period: int

    def code(self, ahead: int = 0) -> str:
        """RFC 6238 with HMAC-SHA1: the code of now, or of so many periods later."""
        counter = int(time.time()) // self.period + ahead
        mac = hmac.new(self.secret, counter.to_bytes(8, "big"), hashlib.sha1).digest()
        at = mac[-1] & 15
        number = int.from_bytes(mac[at : at + 4], "big") & 0x7FFFFFFF
        return f"{number % 10**self.digits:0{self.digits}d}"


def method_of(firm: Firm, tier: str) -> dict[str, Any]:
    """The tier's TOTP method as the server shows it."""
    info = firm.admin.ok("LIST", "identity/mfa/method/totp").data["key_info"]
    return next(m for m in info.values() if m["name"] == f"idac-{firm.estate.name}.mfa.{tier}")


def enrol(firm: Firm, name: str, tier: str) -> Telephone:
    """What the administrator does, as docs/mfa.md says."""
    method = method_of(firm, tier)["id"]
    entity = firm.admin.ok("GET", f"identity/entity/name/{firm.estate.prefix}trader.{name}").data["id"]
    body = {"method_id": method, "entity_id": entity}
    url = firm.admin.ok("POST", "identity/mfa/method/totp/admin-generate", body).data["url"]
    said = parse_qs(urlsplit(url).query)
    secret = said["secret"][0]
    padded = secret + "=" * (-len(secret) % 8)
    return Telephone(method, base64.b32decode(padded), int(said["digits"][0]), int(said["period"][0]))


def enforcements(firm: Firm) -> dict[str, Any]:
    """This firm's login enforcements."""
    found = firm.admin.list("identity/mfa/login-enforcement").data.get("key_info") or {}
    return {name: one for name, one in found.items() if name.startswith(f"idac-{firm.estate.name}.mfa.")}


def begin(holder: Holder) -> tuple[str, dict[str, Any]]:
    """Log in with the certificate alone: the token, if one is given, and what the server asks for besides."""
    status, body = holder.call("POST", f"auth/{holder.mount}/login", {"name": holder.role}, tls=True)
    auth = body.get("auth") or {}
    assert status == 200 or not auth
    return auth.get("client_token") or "", auth.get("mfa_requirement") or {}


def log_in(holder: Holder, telephone: Telephone, code: str) -> int:
    """Log in with certificate and code; the status of the last answer."""
    token, asked = begin(holder)
    assert not token
    payload = {telephone.method: [code]}
    body = {"mfa_request_id": asked.get("mfa_request_id"), "mfa_payload": payload}
    status, answer = holder.call("POST", "sys/mfa/validate", body)
    if status == 200:
        holder.token = answer["auth"]["client_token"]
    return status
