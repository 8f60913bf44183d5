"""DSSE v1.0.2 envelopes with exactly one ECDSA P-256/SHA-256 signature.

https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md. One signature with a key id is the
combination that securesystemslib, sigstore-python, sigstore-js and openssl all accept.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from reconciler import x509
from reconciler.canonical import canonical
from reconciler.errors import CryptoError, LedgerError

IN_TOTO = "application/vnd.in-toto+json"
_HEAD = b'{"payload":"'


class Signer(Protocol):
    """A record key, wherever it lives. `sign` gives a DER signature by ECDSA P-256 over SHA-256."""

    key_id: str
    public_pem: str

    def sign(self, data: bytes) -> bytes:
        """The signature over these bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed envelope. `payload` is what was signed, byte for byte."""

    payload: bytes
    key_id: str
    signature: bytes


def pae(payload: bytes, payload_type: str = IN_TOTO) -> bytes:
    """The pre-authentication encoding: what the signature is over."""
    name = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


def seal(payload: bytes, signer: Signer) -> bytes:
    """Sign a payload. Returns the envelope's file form."""
    return _file(Envelope(payload, signer.key_id, signer.sign(pae(payload))))


def parse(data: bytes) -> Envelope:
    """The envelope in a file. Raises `LedgerError` unless it is exactly what `seal` would have written.

    So no unsigned byte can be added, dropped or changed unseen. Nothing is verified yet.
    """
    try:
        end = data.index(b'"', len(_HEAD))
        payload = binascii.a2b_base64(memoryview(data)[len(_HEAD) : end], strict_mode=True)
        [signature] = json.loads(b"{" + data[end + 2 :])["signatures"]
        envelope = Envelope(payload, str(signature["keyid"]), base64.b64decode(signature["sig"], validate=True))
        # Of a payload's base64 only the last four characters can be spelt in more than one way.
        last = base64.b64encode(payload[(len(payload) - 1) // 3 * 3 :])
        exact = data.startswith(_HEAD) and data.endswith(last + _tail(envelope), len(_HEAD))
        exact = exact and len(data) == len(_HEAD) + (len(payload) + 2) // 3 * 4 + len(_tail(envelope))
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
        raise LedgerError("not a DSSE envelope with one signature") from None
    if not exact or not envelope.key_id:
        raise LedgerError("an envelope in another than its one exact form: something unsigned was changed")
    return envelope


def verify(envelope: Envelope, public_pem: str) -> None:
    """Raise `LedgerError` unless the signature over the exact bytes is this key's."""
    try:
        x509.verify(public_pem, envelope.signature, pae(envelope.payload))
    except CryptoError as problem:
        raise LedgerError(problem.message) from None


def statement(envelope: Envelope, only: Collection[str] = ()) -> Mapping[str, Any]:
    """A parsed copy of the payload, for checks and for showing: never sign or hash it again.

    With `only`, members of other names are left out wherever they stand: a record of ten thousand changes takes
    a hundred megabytes when all of it is wanted. Raises `LedgerError` if it is no JSON object.
    """

    def kept(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {name: value for name, value in pairs if name in only}

    try:
        found = json.loads(envelope.payload, object_pairs_hook=kept if only else None)
    except (ValueError, RecursionError):
        raise LedgerError("the signed payload is not JSON") from None
    if not isinstance(found, dict):
        raise LedgerError("the signed payload is not a statement")
    return found


def _file(envelope: Envelope) -> bytes:
    return b"".join((_HEAD, base64.b64encode(envelope.payload), _tail(envelope)))


def _tail(envelope: Envelope) -> bytes:
    """All that stands behind the payload, which may be large and is copied as seldom as can be."""
    rest = {
        "payloadType": IN_TOTO,
        "signatures": [{"keyid": envelope.key_id, "sig": base64.b64encode(envelope.signature).decode()}],
    }
    return b'",' + canonical(rest)[1:] + b"\n"
