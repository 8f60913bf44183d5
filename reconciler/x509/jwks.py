"""JSON Web Key Sets (RFC 7517): the public keys of whoever vouches for workloads."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from reconciler.errors import CryptoError

_CURVES: Mapping[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})  # RFC 7518, section 6
_SHORTEST_RSA = 2048  # bits
_MOST = 32  # keys


def read_jwks(data: bytes) -> tuple[str, ...]:
    """The signing keys of a key set as PEM (SubjectPublicKeyInfo, no final newline), sorted.

    Raises `CryptoError` for what is no key set, for private members, weak keys and unknown key types.
    """
    try:
        shown = json.loads(data)
    except (ValueError, RecursionError):
        raise CryptoError("that is not a JSON Web Key Set") from None
    keys = shown.get("keys") if isinstance(shown, dict) else None
    if not isinstance(keys, list) or not keys or len(keys) > _MOST or not all(isinstance(k, dict) for k in keys):
        raise CryptoError(f"that is not a JSON Web Key Set of 1 to {_MOST} keys")
    if any(_PRIVATE & key.keys() for key in keys):
        raise CryptoError("it holds a private key, which belongs to the issuer alone: replace that key")
    found = sorted({_pem(key) for key in keys if key.get("use", "sig") in ("sig", "jwt-svid")})
    if not found:
        raise CryptoError("it holds no key for signatures")
    return tuple(found)


def _pem(key: Mapping[str, Any]) -> str:
    try:
        public = _public(key)
    except (KeyError, TypeError, ValueError, binascii.Error, UnsupportedAlgorithm):
        raise CryptoError("it holds a key that cannot be read") from None
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, form).decode().strip()


def _public(key: Mapping[str, Any]) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey:
    match key["kty"]:
        case "EC":
            return ec.EllipticCurvePublicNumbers(_int(key["x"]), _int(key["y"]), _CURVES[key["crv"]]).public_key()
        case "RSA":
            made = rsa.RSAPublicNumbers(_int(key["e"]), _int(key["n"])).public_key()
            if made.key_size < _SHORTEST_RSA:
                raise CryptoError(f"it holds an RSA key of {made.key_size} bits: {_SHORTEST_RSA} are the least")
            return made
        case "OKP" if key["crv"] == "Ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(_bytes(key["x"]))
    raise CryptoError("it holds a key of a type that is not supported: use EC, RSA or Ed25519")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _int(text: str) -> int:
    return int.from_bytes(_bytes(text), "big")
