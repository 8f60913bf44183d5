"""The record key, and the public keys that records are verified with.

`trust/record-keys.json` names each key with the time it was used in; an auditor keeps a copy of `trust/`,
because whoever can replace a record can replace this directory too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler import x509
from reconciler.errors import CryptoError, LedgerError
from reconciler.ledger.files import make_directory, write_once
from reconciler.ledger.plain import line
from reconciler.model.secret import Secret
from reconciler.model.secretref import SecretRef

FORMAT = "idac.trust/v1"
KEY_FILE = "record-key.pem"  # under `.idac/` the private key, under `trust/` its public part
KEYS_FILE = "record-keys.json"


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A pinned public key and its window. Times are RFC 3339, UTC; `not_after` None while it is in use."""

    key_id: str
    public_pem: str
    not_before: str
    not_after: str | None

    def covers(self, moment: str) -> bool:
        """Whether that (claimed) time is in the key's window."""
        return self.not_before <= moment and (self.not_after is None or moment < self.not_after)


def ensure_record_key(private: Path, ledger: Path, now: str) -> x509.Signer:
    """The record key in the directory `private`, made if there is none; its public part pinned in `ledger`.

    Raises `LedgerError` if another key is pinned there already.
    """
    path = private / KEY_FILE
    private.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        write_once(path, x509.new_signing_key().reveal().encode(), mode=0o600)
    signer = x509.Signer(_read_key(path))
    pin(ledger, signer.public_pem, signer.key_id, now)
    return signer


def load_signer(reference: SecretRef | None, root: Path, environ: Mapping[str, str]) -> x509.Signer:
    """The signer named in `records.key` of idac.yaml, or else the one under `.idac/` beside it.

    Raises `LedgerError` if it is not there, `CryptoError` if it is not a P-256 key.
    """
    if reference is not None and reference.env is not None:
        if not environ.get(reference.env):
            raise LedgerError(
                f"{reference.env} is not set", remedy="records.key in idac.yaml takes the key from it"
            )
        return x509.Signer(Secret(environ[reference.env]))
    named = reference.file if reference is not None else None
    return x509.Signer(_read_key(root / named if named else root / ".idac" / KEY_FILE))


def pin(ledger: Path, public_pem: str, key_id: str, now: str) -> None:
    """Pin a ledger's first key. Raises `LedgerError` if another is pinned; the same key is left as it is."""
    trust = ledger / "trust"
    if (trust / KEYS_FILE).exists():
        if key_id not in load_trust(trust):
            raise LedgerError(
                f"{trust / KEYS_FILE} pins another key than the record key {key_id[:16]}…",
                remedy="use that ledger's own key, or add the new one to trust/ with its window",
            )
        return
    make_directory(trust)
    if not (trust / KEY_FILE).exists():
        write_once(trust / KEY_FILE, public_pem.encode())
    key = {"keyId": key_id, "file": KEY_FILE, "notBefore": now, "notAfter": None}
    write_once(trust / KEYS_FILE, line({"formatVersion": FORMAT, "keys": [key]}))


def load_trust(directory: Path) -> dict[str, TrustedKey]:
    """The pinned keys by key id. Raises `LedgerError` unless every key file is what the list says."""
    try:
        document = json.loads((directory / KEYS_FILE).read_bytes())
        if document["formatVersion"] != FORMAT:
            raise LedgerError(f"{directory / KEYS_FILE} is not of the format {FORMAT}")
        keys = [_trusted(directory, entry) for entry in document["keys"]]
    except OSError as problem:
        raise LedgerError(
            f"no pinned record key: {problem.filename}: {problem.strerror}",
            remedy="`idac bootstrap` pins it; an auditor names an own copy: `idac records verify --trust DIR`",
        ) from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise LedgerError(f"{directory / KEYS_FILE} is not a list of pinned keys") from None
    return {key.key_id: key for key in keys}


def _trusted(directory: Path, entry: Mapping[str, Any]) -> TrustedKey:
    pem = (directory / Path(entry["file"]).name).read_text()
    until = entry["notAfter"]
    key = TrustedKey(str(entry["keyId"]), pem, str(entry["notBefore"]), None if until is None else str(until))
    try:
        found = x509.key_id(pem)
    except CryptoError as problem:
        raise LedgerError(f"{entry['file']}: {problem.message}") from None
    if found != key.key_id:
        raise LedgerError(f"{entry['file']} is not the key {key.key_id[:16]}… that {KEYS_FILE} names")
    return key


def _read_key(path: Path) -> Secret:
    try:
        if path.parent.name == ".idac" and os.stat(path).st_mode & 0o077:
            raise LedgerError(f"others may read the record key {path.name}", remedy=f"chmod 600 {path}")
        return Secret(path.read_text())
    except OSError as problem:
        raise LedgerError(
            f"no record key: {path}: {problem.strerror}",
            remedy="`idac bootstrap` makes one, or name it in idac.yaml under records.key",
        ) from None
    except UnicodeDecodeError:
        raise LedgerError(f"the record key {path} is not PEM") from None
