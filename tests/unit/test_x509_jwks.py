"""Key sets of workload issuers: public signing keys, and nothing else."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from reconciler.errors import CryptoError
from reconciler.x509 import read_jwks
from tests.workloads import WorkloadIssuer

KEY = WorkloadIssuer().jwk


def b64(value: int | bytes) -> str:
    data = value if isinstance(value, bytes) else value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def keys(*several: dict[str, Any]) -> bytes:
    return json.dumps({"keys": several}).encode()


def rsa_key(bits: int) -> dict[str, str]:
    numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    return {"kty": "RSA", "n": b64(numbers.n), "e": b64(numbers.e)}


def test_keys_of_every_type_come_out_as_public_pem_sorted() -> None:
    issuer = WorkloadIssuer()
    raw = ed25519.Ed25519PrivateKey.generate().public_key()
    form = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    okp = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw.public_bytes(*form))}
    found = read_jwks(keys(issuer.jwk, rsa_key(2048), okp, issuer.jwk))
    assert len(found) == 3
    assert list(found) == sorted(found)
    loaded = [serialization.load_pem_public_key(pem.encode()) for pem in found]
    assert any(key == issuer.key.public_key() for key in loaded)


def test_what_spire_publishes_is_read_and_keys_for_other_uses_are_left_out() -> None:
    spires = {**KEY, "use": "jwt-svid"}
    authority = {**WorkloadIssuer().jwk, "use": "x509-svid", "x5c": ["…"]}
    assert len(read_jwks(keys(spires, authority))) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"-----BEGIN PUBLIC KEY-----", "no"),
        (b"[]", "not a JSON Web Key Set"),
        (keys(), "not a JSON Web Key Set"),
        (keys(*[KEY] * 33), "1 to 32 keys"),
        (keys({**KEY, "d": "AAAA"}), "private key"),
        (keys({"kty": "oct", "k": "AAAA"}), "private key"),
        (keys({**KEY, "use": "enc"}), "no key for signatures"),
        (keys({**KEY, "crv": "secp256k1"}), "cannot be read"),
        (keys({**KEY, "x": KEY["y"]}), "cannot be read"),
        (keys({**KEY, "x": 5}), "cannot be read"),
        (keys({"kty": "EC"}), "cannot be read"),
        (keys({"kty": "OKP", "crv": "X25519", "x": "AAAA"}), "not supported"),
        (keys(rsa_key(1024)), "1024 bits"),
    ],
)
def test_what_is_no_set_of_good_public_keys_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(CryptoError, match=words):
        read_jwks(data)


def test_no_part_of_a_private_key_is_in_the_refusal() -> None:
    secret = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    with pytest.raises(CryptoError) as caught:
        read_jwks(keys({**KEY, "d": b64(secret)}))
    assert b64(secret) not in str(caught.value)
