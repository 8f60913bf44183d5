"""A stored key as managed fields: one reading for the reader and for the writer's read-back. Pure."""

from __future__ import annotations

from typing import Any

from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Resource
from reconciler.providers.hsm.backend import StoredKey, Token
from reconciler.providers.hsm.resources import ACTIVE, CUSTODY, DEACTIVATED, FOR_GOOD, POSTURE, address, owner

UNKNOWN = "unknown"  # kind of the subject of a key whose name is none that we give


def resource(estate: Estate, token: Token, key: StoredKey) -> Resource:
    """The `hsm.key` resource of a stored key, whoever made it."""
    subject, credential = owner(estate, key.name) or (SubjectRef(UNKNOWN, key.name), "-")
    fields = {
        "name": key.name,
        "token": token.name,
        "algorithm": key.algorithm,
        "state": ACTIVE if key.active else DEACTIVATED,
        **key.posture,
    }
    return Resource(address(subject, credential, token.name), subject, fields, facts(token, key))


def facts(token: Token, key: StoredKey) -> dict[str, Any]:
    """What is public about its key pairs. `spki` and `created` are the newest version's."""
    newest = key.versions[-1] if key.versions else None
    return {
        "backend": token.backend,
        "custody": CUSTODY[token.backend],
        "spki": newest.spki if newest is not None else "",
        "version": newest.name if newest is not None else "",
        "created": newest.created if newest is not None else "",
        "versions": {version.name: version.spki for version in key.versions},
        "burnt": burnt(token, key),
    }


def burnt(token: Token, key: StoredKey) -> list[str]:
    """In which respects the key may be somewhere else as well, now or once, for good."""
    wanted = POSTURE[token.backend]
    wrong = [n for n in sorted(FOR_GOOD[token.backend]) if key.posture.get(n) != wanted[n]]
    unread = not key.versions or any(not version.spki for version in key.versions)
    return wrong + ["versions"] * unread
