"""Desired resources of the HSM provider, and the names of keys. Pure data, no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from reconciler.model.estate import Estate, HsmToken
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Fields, Resource

ACTIVE, DEACTIVATED = "active", "deactivated"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_OWNED = re.compile(rf"\A([a-z]+)\.({_LABEL})\.({_LABEL})\Z")

# What a key of ours must show, by the backend's own names. Transit: `GET keys/:name` of OpenBao 2.7.2.
POSTURE: Mapping[str, Fields] = MappingProxyType(
    {
        "transit": {
            "allow_plaintext_backup": False,
            "auto_rotate_period": 0,  # the server would make versions that no certificate is for
            "backed_up": False,
            "deletion_allowed": False,
            "derived": False,
            "exportable": False,
            "imported_key": False,
            "restored": False,
        }
    }
)
# Of these, what was once otherwise can never be made good: the key may be somewhere else as well.
FOR_GOOD: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "transit": frozenset(
            {"allow_plaintext_backup", "backed_up", "derived", "exportable", "imported_key", "restored"}
        )
    }
)
CUSTODY: Mapping[str, str] = MappingProxyType({"transit": "transit (software, non-exportable)"})
# Backends whose keys are in hardware, so that a profile which claims that may be issued for them.
IN_HARDWARE: frozenset[str] = frozenset()


def key_name(estate: Estate, subject: SubjectRef, credential: str) -> str:
    """The token's name for a credential's key. It begins with the entity's name: the holder's policy says so."""
    return f"{prefix(estate, subject)}{credential}"


def prefix(estate: Estate, subject: SubjectRef) -> str:
    """How the names of all of a subject's keys begin. No label holds a dot, so it is nobody else's."""
    return f"{estate.prefix}{subject.principal}."


def owner(estate: Estate, name: str) -> tuple[SubjectRef, str] | None:
    """Subject and credential of a key by its name; None for a name that we would not give."""
    found = _OWNED.match(name.removeprefix(estate.prefix)) if name.startswith(estate.prefix) else None
    return (SubjectRef(found[1], found[2]), found[3]) if found else None


def address(subject: SubjectRef, credential: str, token: str) -> str:
    """`hsm.key/trader/jdoe/signing/trade`. The token is in it: while a key moves there are two."""
    return f"hsm.key/{subject}/{credential}/{token}"


def key(
    estate: Estate, subject: SubjectRef, credential: str, token: HsmToken, algorithm: str, max_age: int | None
) -> Resource:
    """The key that one credential should have. `algorithm` is the profile's, `max_age` seconds or None."""
    fields = {
        "name": key_name(estate, subject, credential),
        "token": token.name,
        "algorithm": algorithm,
        "state": ACTIVE,
        **POSTURE[token.backend],
    }
    facts = {"backend": token.backend, "custody": CUSTODY[token.backend], "max_age": max_age}
    return Resource(address(subject, credential, token.name), subject, fields, facts)


__all__ = [
    "ACTIVE",
    "CUSTODY",
    "DEACTIVATED",
    "FOR_GOOD",
    "IN_HARDWARE",
    "POSTURE",
    "address",
    "key",
    "key_name",
    "owner",
    "prefix",
]
