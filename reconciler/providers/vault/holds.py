"""Holds in KV v2: who must be granted nothing until somebody releases them.

A hold is written by contain and deleted by nobody. It ends when two logins say so about its present version: grant
in `releases/`, where contain cannot write, and contain in the hold itself, where grant cannot. So neither login's
token is enough to end one unseen, and an old release does not end a new hold: the server counts versions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.errors import Rejected
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Hold, is_freeze
from reconciler.model.words import printable
from reconciler.providers.protocol import Client, Clients
from reconciler.providers.vault.ownership import principal
from reconciler.providers.vault.resources import entity_name

HOLDS, RELEASES, DISTRUSTED = "holds", "releases", "distrusted"
LONGEST = 480  # bytes; metadata values hold 512
MOST_KEYS = 40  # of one person; metadata holds 64 values
Entries = Mapping[str, Mapping[str, Any]]  # KV v2 metadata by name, as a bulk listing shows it


@dataclass(frozen=True, slots=True)
class Book:
    """All that is written of holds: those that stand, what released ones answer, and keys not to certify again."""

    standing: tuple[Hold, ...]  # the estate's own is not among them
    answered: Mapping[SubjectRef, str]
    distrusted: Mapping[str, str]
    freeze: Hold | None = None  # the estate's own


def book(holds: Entries, releases: Entries, distrusted: Entries) -> Book:
    """What the three folders say together. A hold whose words were wiped out stands all the same."""
    standing: list[Hold] = []
    answered: dict[SubjectRef, str] = {}
    for name, info in holds.items():
        subject, said = principal(name), info.get("custom_metadata") or {}
        if subject is None:
            continue
        release = (releases.get(name) or {}).get("custom_metadata") or {}
        if said.get("released") and release.get("version") == str(info.get("current_version")):
            answered[subject] = min(said.get("answered", ""), release.get("answered", ""))
        else:
            standing.append(_hold(subject, said, info))
    keys = {spki: _when(info) for spki, info in distrusted.items()}
    freeze = next((hold for hold in standing if is_freeze(hold)), None)
    return Book(tuple(hold for hold in standing if not is_freeze(hold)), answered, keys, freeze)


def shortened(text: str) -> str:
    """As much of a reason as metadata holds, in characters that it takes."""
    return printable(text).encode()[:LONGEST].decode(errors="ignore")


def put(clients: Clients, estate: Estate, change: Change, by: str, at: str) -> None:
    """Write the hold, as contain; read it back. The change's `after` says why, whose, and which keys.

    Raises `Rejected`, too, when its reason was a missing entity and another run has made one by now.
    """
    subject, said = _subject(change), change.after or {}
    if said.get("missing"):
        _require_missing(clients("plan"), entity_name(estate, subject))
    kv, contain = estate.mounts.kv, clients("contain")
    for key in said.get("revoked") or ():  # first: from here on nobody certifies them, whatever fails later
        noted = {"subject": str(subject), "serial": key["serial"], "at": key["at"] or at}
        contain.write(f"{kv}/metadata/{DISTRUSTED}/{key['spki']}", {"custom_metadata": noted})
    who = f"{said['by']}, run {by}" if said.get("by") else by
    custom = {"reason": shortened(change.reason), "by": shortened(who), "at": at}
    custom |= {"person": said.get("person") or ""}
    custom |= {f"key{n}": key for n, key in enumerate((said.get("keys") or ())[:MOST_KEYS])}
    custom = {name: value for name, value in custom.items() if value}
    contain.write(f"{kv}/data/{HOLDS}/{subject.principal}", {"data": custom})
    contain.write(f"{kv}/metadata/{HOLDS}/{subject.principal}", {"custom_metadata": custom})
    if _custom(clients("plan"), estate, subject)[1] != custom:
        raise Rejected(f"the hold on {subject} does not stand after it was written")


def _subject(change: Change) -> SubjectRef:
    if change.subject is None:
        raise Rejected(f"{change.address} belongs to no subject")
    return change.subject


def _require_missing(client: Client, name: str) -> None:
    if client.read(f"identity/entity/name/{name}").found:
        raise Rejected(f"entity {name} was made since it was observed", remedy="run `idac plan` again")


def release(clients: Clients, estate: Estate, change: Change, by: str, at: str) -> None:
    """End the hold: as grant, then as contain; read it back. `answered`: up to when revocations were known."""
    subject, answered = _subject(change), str((change.after or {}).get("answered") or "")
    said = {"reason": change.reason, "by": by, "at": at}
    kv, name = estate.mounts.kv, subject.principal
    version, custom = _custom(clients("plan"), estate, subject)
    if not version:  # the mark on the entity was all there was
        clients("contain").write(f"{kv}/data/{HOLDS}/{name}", {"data": dict(said)})
        version, custom = _custom(clients("plan"), estate, subject)
    noted = {**said, "reason": shortened(said["reason"]), "version": str(version), "answered": answered}
    noted = {field: value for field, value in noted.items() if value}
    clients("grant").write(f"{kv}/data/{RELEASES}/{name}", {"data": noted})
    clients("grant").write(f"{kv}/metadata/{RELEASES}/{name}", {"custom_metadata": noted})
    ended = {**custom, "released": said["at"], **({"answered": answered} if answered else {})}
    clients("contain").write(f"{kv}/metadata/{HOLDS}/{name}", {"custom_metadata": ended})
    if _custom(clients("plan"), estate, subject) != (version, ended):
        raise Rejected(f"the hold on {subject} still stands after its release")


def _custom(client: Client, estate: Estate, subject: SubjectRef) -> tuple[int, Mapping[str, str]]:
    answer = client.read(f"{estate.mounts.kv}/metadata/{HOLDS}/{subject.principal}")
    return int(answer.data.get("current_version") or 0), answer.data.get("custom_metadata") or {}


def _hold(subject: SubjectRef, said: Mapping[str, str], info: Mapping[str, Any]) -> Hold:
    at = said.get("at") or str(info.get("created_time", ""))
    keys = frozenset(value for name, value in said.items() if name.startswith("key"))
    return Hold(subject, said.get("reason", ""), said.get("by", ""), at, said.get("person", ""), keys)


def of(client: Client, estate: Estate, subject: SubjectRef) -> Book:
    """What is written of one subject's hold, or of the estate's own: two requests."""
    name, metadata = subject.principal, f"{estate.mounts.kv}/metadata"
    hold, release = (client.read(f"{metadata}/{folder}/{name}") for folder in (HOLDS, RELEASES))
    return book({name: hold.data} if hold.found else {}, {name: release.data}, {})


def _when(info: Mapping[str, Any]) -> str:
    return str((info.get("custom_metadata") or {}).get("at") or info.get("created_time", ""))


def entries(client: Client, estate: Estate, folder: str, *, bulk: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every entry of a folder: one LIST where the server has a bulk listing, one read more each where not."""
    kv = estate.mounts.kv
    if bulk:
        answer = client.list(f"{kv}/detailed-metadata/{folder}")
        # A 404 that says something means "no such endpoint", one that says nothing "nothing there".
        if answer.found or not (answer.body.get("errors") or answer.body.get("warnings")):
            yield from (answer.data.get("key_info") or {}).items()
            return
    base = f"{kv}/metadata/{folder}/"
    names = client.list(base.rstrip("/")).keys
    for path, found in client.read_many(base + name for name in names):
        if found.found:
            yield path.removeprefix(base), found.data


def read(client: Client, estate: Estate, *, bulk: bool = True) -> Book:
    """The three folders as they are now."""
    folders = (dict(entries(client, estate, folder, bulk=bulk)) for folder in (HOLDS, RELEASES, DISTRUSTED))
    return book(*folders)
