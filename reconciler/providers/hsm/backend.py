"""What a token is to this tool, whatever stands behind it: a place where keys are born, used and ended.

A backend says no policy: it does one thing to one key, and tells what is there. What should be there is
`resources.py`, and in which order things happen the diff. A new backend (a PKCS#11 module) is one module here, its
posture in `resources.POSTURE`, and a line in `tokens.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from reconciler.model.resource import Fields


@dataclass(frozen=True, slots=True)
class Version:
    """One key pair behind a key's name. A rotated key has several until the older ones are retired."""

    name: str  # the backend's own: a transit version, the CKA_ID of a PKCS#11 object
    spki: str
    created: str  # RFC 3339 UTC, by the token's own clock; "" where it keeps none


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One key as the token shows it. `versions` are those that still exist, the newest last."""

    name: str
    algorithm: str  # as certificate profiles name it (`ec-p256`); the backend's own word for any other
    active: bool  # whether the token signs with it
    posture: Fields  # by the backend's own names: where the key came from, and whether it can ever leave
    versions: tuple[Version, ...]


class Token(Protocol):
    """One token, with the four identities' power over it. Thread-safe. Every method raises a `TargetError`."""

    name: str
    backend: str

    def identity(self) -> str:
        """What tells this token from another put in its place: a mount's accessor, a token's serial number."""
        ...

    def keys(self) -> Iterator[StoredKey]:
        """Every key there is, as planner."""
        ...

    def names(self, prefix: str) -> Sequence[str]:
        """The names of the keys that begin with `prefix`, as planner."""
        ...

    def read(self, name: str) -> StoredKey | None:
        """One key as it is now, as planner; None when there is none."""
        ...

    def make(self, name: str, algorithm: str) -> None:
        """A new key, in the posture that `resources.POSTURE` says, as grant. Nothing may have that name."""
        ...

    def renew(self, name: str) -> None:
        """A new version of a key; the older ones stay until they are retired. As grant."""
        ...

    def request(self, name: str, version: str) -> str:
        """A certificate request (PKCS#10, PEM) signed by that version inside the token, as grant."""
        ...

    def activate(self, name: str) -> None:
        """Sign with it again, as grant."""
        ...

    def mend(self, name: str) -> None:
        """Bring back what of the posture can be brought back, as grant."""
        ...

    def deactivate(self, name: str) -> None:
        """Sign with it no more; it can be activated again. As contain."""
        ...

    def retire(self, name: str, newest: str) -> None:
        """Destroy every version older than `newest`, as contain."""
        ...

    def destroy(self, name: str) -> None:
        """Destroy it with all its versions, for good, as contain. Nothing there is no error."""
        ...
