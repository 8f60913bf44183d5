"""A token made of Vault's or OpenBao's transit engine: one mount, in which keys are born and never leave.

Custody is software: the keys lie encrypted in the server's storage, and in its memory while it is unsealed. Needs
OpenBao: Vault has no `soft-delete`, so that nothing could be deactivated there, and the containment says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from reconciler.clock import rfc3339
from reconciler.errors import CryptoError, Rejected
from reconciler.providers.hsm.backend import StoredKey, Version
from reconciler.providers.hsm.resources import POSTURE
from reconciler.providers.protocol import Answer, Client, Clients
from reconciler.x509 import public_spki

BACKEND = "transit"
# A certificate profile's algorithm -> the engine's type.
TYPES = {
    "ec-p256": "ecdsa-p256",
    "ec-p384": "ecdsa-p384",
    "rsa-2048": "rsa-2048",
    "rsa-3072": "rsa-3072",
    "rsa-4096": "rsa-4096",
}
CONFIG: Mapping[str, Any] = {"disable_upsert": True}  # encrypting under a name makes no key of that name
# Parameters with which a key is made, as text: an ACL compares texts only.
MADE: Mapping[str, str] = {"allow_plaintext_backup": "false", "derived": "false", "exportable": "false"}
_ALGORITHMS = {type_: algorithm for algorithm, type_ in TYPES.items()}


class TransitToken:
    """Implements `backend.Token` over one mount."""

    backend = BACKEND

    def __init__(self, clients: Clients, name: str, mount: str) -> None:
        self._clients, self.name, self.mount = clients, name, mount

    def identity(self) -> str:
        """The mount's accessor. Raises `Rejected` when no transit engine is mounted there."""
        about = self._clients("plan").read("sys/mounts").data.get(f"{self.mount}/") or {}
        if about.get("type") != BACKEND:
            raise Rejected(
                f"HSM token {self.name}: no transit engine is mounted at {self.mount}",
                remedy="run `idac bootstrap`",
            )
        return str(about.get("accessor", ""))

    def keys(self) -> Iterator[StoredKey]:
        """Every key of the mount."""
        plan = self._clients("plan")
        names = plan.list(f"{self.mount}/keys").keys
        answers = plan.read_many(f"{self.mount}/keys/{name}" for name in names)
        for name, (_, answer) in zip(names, answers, strict=True):
            if answer.found:  # else destroyed since it was listed
                yield stored(name, answer)

    def names(self, prefix: str) -> Sequence[str]:
        """The names of the keys that begin so."""
        return self._clients("plan").keys_under(f"{self.mount}/keys", prefix)

    def read(self, name: str) -> StoredKey | None:
        """One key as it is now."""
        answer = self._clients("plan").read(self._path(name))
        return stored(name, answer) if answer.found else None

    def make(self, name: str, algorithm: str) -> None:
        """A new key. One that stands is answered with a warning, which raises `Rejected`."""
        self._grant.write(self._path(name), {"type": TYPES[algorithm], **MADE})

    def renew(self, name: str) -> None:
        """A new version; the holder signs with it from now on, unless they name an older one."""
        self._grant.write(f"{self._path(name)}/rotate", {})

    def request(self, name: str, version: str) -> str:
        """An empty request: of a CSR nothing counts but its key and its signature."""
        return str(self._grant.write(f"{self._path(name)}/csr", {"version": version}).data["csr"])

    def activate(self, name: str) -> None:
        """Restore what was soft-deleted."""
        self._grant.write(f"{self._path(name)}/soft-delete-restore", {})

    def mend(self, name: str) -> None:
        """What can be set back: the server makes no versions by itself, and nobody deletes it by one call."""
        self._grant.write(f"{self._path(name)}/config", {"auto_rotate_period": "0", "deletion_allowed": "false"})

    def deactivate(self, name: str) -> None:
        """Soft-delete: the engine then refuses every operation with it but deletion and restoring."""
        self._contain.delete(f"{self._path(name)}/soft-delete")

    def retire(self, name: str, newest: str) -> None:
        """Trimmed versions are erased from the engine's storage."""
        path = self._path(name)
        least = {"min_decryption_version": newest, "min_encryption_version": newest}
        self._contain.write(f"{path}/config", least)
        self._contain.write(f"{path}/trim", {"min_available_version": newest})

    def destroy(self, name: str) -> None:
        """Delete for good; the engine wants to be told twice."""
        if self.read(name) is None:
            return
        self._contain.write(f"{self._path(name)}/config", {"deletion_allowed": "true"})
        self._contain.delete(self._path(name))

    @property
    def _grant(self) -> Client:
        return self._clients("grant")

    @property
    def _contain(self) -> Client:
        return self._clients("contain")

    def _path(self, name: str) -> str:
        return f"{self.mount}/keys/{name}"


def stored(name: str, answer: Answer) -> StoredKey:
    """A key as `GET keys/:name` shows it."""
    shown = answer.data
    posture = {field: shown.get(field) for field in POSTURE[BACKEND]} | {
        "backed_up": bool(shown.get("backup_info")),
        "restored": bool(shown.get("restore_info")),
    }
    pairs = shown.get("keys") or {}
    if not isinstance(pairs, dict) or not all(version.isdecimal() for version in pairs) or "type" not in shown:
        raise Rejected(f"key {name}: the engine does not say of what type it is, or which versions it has")
    versions = sorted((int(version), about) for version, about in pairs.items())
    type_ = str(shown["type"])
    return StoredKey(
        name,
        _ALGORITHMS.get(type_, type_),
        not shown.get("soft_deleted", False),
        posture,
        tuple(_version(str(version), about) for version, about in versions),
    )


def _version(name: str, about: Any) -> Version:
    """Of a symmetric key, which is none of ours, the engine shows the time alone."""
    if not isinstance(about, dict):
        return Version(name, "", "")
    try:
        spki = public_spki(str(about.get("public_key", "")))
        created = rfc3339(datetime.fromisoformat(str(about["creation_time"])))
    except (CryptoError, ValueError, KeyError):
        return Version(name, "", "")
    return Version(name, spki, created)
