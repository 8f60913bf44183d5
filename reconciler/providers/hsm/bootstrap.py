"""Lays an estate's tokens: a transit engine each. Told twice, it changes nothing; every plan looks at it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.errors import Rejected
from reconciler.model.estate import HSM_MOUNT, Estate
from reconciler.model.manifest import Finding
from reconciler.providers.hsm.transit import BACKEND, CONFIG
from reconciler.providers.protocol import Client, deviation


def bootstrap_hsm(admin: Client, estate: Estate) -> tuple[str, ...]:
    """Mount what is missing; what was made or mended, in words. Raises `TargetError`."""
    changed: list[str] = []
    mounted = admin.read("sys/mounts").data
    for token in estate.spec.hsm_tokens:
        mount = estate.hsm_mount(token.name)
        found = mounted.get(f"{mount}/")
        if found is None:
            body = {"type": BACKEND, "description": f"idac {estate.name}: HSM token {token.name}"}
            admin.write(f"sys/mounts/{mount}", body)
            changed.append(f"mounts/{mount}")
        elif found["type"] != BACKEND:
            raise Rejected(
                f"{mount}/ is a mount of type {found['type']}, not {BACKEND}",
                remedy="rename the token in `hsmTokens`, or unmount it",
            )
        if not _as_laid(admin, mount):
            admin.write(f"{mount}/config/keys", CONFIG)
            changed.append(f"{mount}/config/keys")
    return tuple(changed)


def undermined(client: Client, estate: Estate) -> Iterator[Finding]:
    """F02: an engine that is otherwise set up, or that holds keys and is named by idac.yaml no more."""
    mounts = {estate.hsm_mount(token.name) for token in estate.spec.hsm_tokens}
    there = {path.rstrip("/") for path in client.read("sys/mounts").data}
    yield from map(_nobodys, _left(estate, there))
    for mount in sorted(mounts & there):
        if not _as_laid(client, mount):
            yield deviation(f"{mount}/config/keys is not as bootstrap laid it ({', '.join(CONFIG)})")


def left_over(client: Client, estate: Estate) -> tuple[str, ...]:
    """Engines of this estate that no token in `hsmTokens` stands for any more, in one request."""
    return _left(estate, (path.rstrip("/") for path in client.read("sys/mounts").data))


def forgotten(client: Client, estate: Estate) -> Iterator[Finding]:
    """F02 for each of those."""
    return map(_nobodys, left_over(client, estate))


def _left(estate: Estate, there: Iterable[str]) -> tuple[str, ...]:
    named = {estate.hsm_mount(token.name) for token in estate.spec.hsm_tokens}
    return tuple(sorted(m for m in there if m.startswith(f"{estate.prefix}{HSM_MOUNT}") and m not in named))


def _nobodys(mount: str) -> Finding:
    what = f"{mount} holds keys of this estate, and no token in `hsmTokens` stands for it"
    remedy = "put the token back, or have an administrator unmount it"
    return Finding("F02", "error", f"{what}: nobody looks after them — {remedy}")


def _as_laid(client: Client, mount: str) -> bool:
    standing = client.read(f"{mount}/config/keys").data
    return all(standing.get(name) == value for name, value in CONFIG.items())
