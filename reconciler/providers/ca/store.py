"""What the estate's KV v2 mount says about certificates: deliveries, and marks of our own revocations.

Custom metadata is what a bulk listing shows, so everything a plan needs stands there; the data holds the PEMs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.clock import is_moment
from reconciler.errors import Rejected
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.words import printable
from reconciler.providers.protocol import Client

CERTIFICATES, REVOCATIONS = "certificates", "revocations"
LONGEST_VALUE = 512  # bytes that custom metadata takes
NEVER = "0s"  # delete_version_after: a delivery does not vanish by itself
MOMENTS = ("issued_at", "key_since", "not_before", "not_after", "previous_until")  # RFC 3339 in custom metadata


@dataclass(frozen=True, slots=True)
class Entry:
    """One delivery: `custom` describes version `custom["version"]` of its data; `version` is the newest, or 0.

    `sound` is false when somebody else wrote the metadata since: the server counts each write of it, and we note
    the count that ours will make. A server that does not count shows `metadata_version` None.
    """

    custom: Mapping[str, str]
    version: int = 0
    standing: bool = False  # the newest version is neither deleted, destroyed nor about to vanish
    sound: bool = field(default=True, compare=False)
    metadata_version: int | None = field(default=0, compare=False)
    guarded: bool = field(default=False, compare=False)  # somebody made the server ask for check-and-set

    @property
    def intact(self) -> bool:
        """Whether the data is what the custom metadata describes: any later write makes a later version."""
        return self.standing and str(self.version) == self.custom.get("version")

    @property
    def serial(self) -> str:
        """The serial in force, or "" for an entry that was never finished."""
        return self.custom.get("serial", "")


def key(subject: SubjectRef, credential: str) -> str:
    """The flat name of one credential's delivery."""
    return f"{subject.principal}.{credential}"


def owner(name: str) -> tuple[SubjectRef, str] | None:
    """The subject and credential that a delivery's name says, or None for a name that is none of ours."""
    parts = name.split(".")
    return (SubjectRef(parts[0], parts[1]), parts[2]) if len(parts) == 3 and all(parts) else None


def mark_name(serial: str) -> str:
    """The name of a revocation's mark, and the PKI engine's own for a certificate: paths hold no colons."""
    return serial.replace(":", "-")


def entry(info: Mapping[str, Any]) -> Entry:
    """An Entry from KV v2 metadata, as GET and the bulk listing show it."""
    version = int(info.get("current_version") or 0)
    newest = (info.get("versions") or {}).get(str(version)) or {"deletion_time": "none", "destroyed": True}
    stays = info.get("delete_version_after", NEVER) == NEVER
    standing = stays and not newest["destroyed"] and not newest["deletion_time"]
    said = info.get("custom_metadata") or {}
    custom = {n: text for n, text in said.items() if n not in MOMENTS or is_moment(text)}
    count = info.get("current_metadata_version")
    sound = len(custom) == len(said) and (count is None or said.get("metadata_version") == str(count))
    guarded = bool(info.get("cas_required") or info.get("metadata_cas_required"))
    return Entry(custom, version, standing, sound, count, guarded)


def read_entry(client: Client, estate: Estate, name: str) -> Entry:
    """One delivery as it stands now; an empty Entry when there is none."""
    answer = client.read(f"{estate.mounts.kv}/metadata/{CERTIFICATES}/{name}")
    return entry(answer.data) if answer.found else Entry({})


def deliveries(client: Client, estate: Estate) -> dict[str, Entry]:
    """Every delivery by name."""
    return {name: entry(info) for name, info in _listing(client, estate, CERTIFICATES).items()}


def deliveries_of(client: Client, estate: Estate, subject: SubjectRef) -> dict[str, Entry]:
    """One subject's deliveries by name: one request, and one each."""
    base = f"{estate.mounts.kv}/metadata/{CERTIFICATES}/"
    answers = client.read_many(base + name for name in names(client, estate, subject))
    return {path.removeprefix(base): entry(answer.data) for path, answer in answers if answer.found}


def names(client: Client, estate: Estate, subject: SubjectRef) -> Sequence[str]:
    """The names of one subject's deliveries."""
    return client.keys_under(f"{estate.mounts.kv}/metadata/{CERTIFICATES}", f"{subject.principal}.")


@dataclass(frozen=True, slots=True)
class Note:
    """What was noted about a revocation, and when each version was written: the server's clock, RFC 3339 UTC."""

    said: Mapping[str, str]
    written: tuple[str, ...]


def notes(client: Client, estate: Estate) -> dict[str, Note]:
    """What was noted before each revocation of ours, by serial. Whoever writes as contain can note anything."""
    found = _listing(client, estate, REVOCATIONS).items()
    return {name.replace("-", ":"): _note(info) for name, info in found}


def marks(client: Client, estate: Estate) -> dict[str, Mapping[str, str]]:
    """What we noted before each revocation of ours, by serial."""
    return {serial: note.said for serial, note in notes(client, estate).items() if note.said}


def _note(info: Mapping[str, Any]) -> Note:
    times = (str(version.get("created_time", "")) for version in (info.get("versions") or {}).values())
    written = tuple(f"{time[:19]}Z" for time in times if time[19:20] in (".", "Z"))  # fractions of a second go
    return Note(info.get("custom_metadata") or {}, written)


def _listing(client: Client, estate: Estate, folder: str) -> Mapping[str, Mapping[str, Any]]:
    """Metadata of everything in a folder: one request on OpenBao, one an entry where there is no bulk listing."""
    kv = estate.mounts.kv
    infos = details(client, f"{kv}/detailed-metadata/{folder}")
    if infos is not None:
        return infos
    found = client.list(f"{kv}/metadata/{folder}").keys
    answers = client.read_many(f"{kv}/metadata/{folder}/{name}" for name in found)
    return {name: answer.data for name, (_, answer) in zip(found, answers, strict=True) if answer.found}


def details(
    client: Client, path: str, stored: Callable[[str], str] = str
) -> Mapping[str, Mapping[str, Any]] | None:
    """What a bulk listing says of each key; None on a server that has no such listing, as Vault has none."""
    try:
        answer = client.list(path, stored=stored)
    except Rejected:
        return None
    if answer.body.get("errors"):
        return None  # "unsupported path": nothing there is an empty list of errors
    return answer.data.get("key_info") or {}


def mark(client: Client, estate: Estate, serial: str, said: Mapping[str, str]) -> None:
    """Note, before it is done, that this revocation is ours. Custom metadata is cut to what fits."""
    kv, name = estate.mounts.kv, mark_name(serial)
    short = {field: _cut(value) for field, value in said.items() if value}
    client.write(f"{kv}/data/{REVOCATIONS}/{name}", {"data": dict(said)})
    client.write(f"{kv}/metadata/{REVOCATIONS}/{name}", {"custom_metadata": short})


def deliver(
    client: Client, estate: Estate, name: str, standing: Entry, data: Mapping[str, str], said: Mapping[str, str]
) -> Entry:
    """Write a delivery over the one that stands, check-and-set, and describe it. Returns what then stands."""
    kv = estate.mounts.kv
    metadata = f"{kv}/metadata/{CERTIFICATES}/{name}"
    count = standing.metadata_version or 0
    plain: dict[str, Any] = {"delete_version_after": NEVER, "max_versions": 0, "cas_required": False}
    if standing.version and (standing.guarded or not standing.standing):
        freed = {"metadata_cas_required": False, "metadata_cas": count} if standing.guarded and count else {}
        client.write(metadata, plain | freed)
        count += 1
    body = {"options": {"cas": standing.version}, "data": dict(data)}
    version = client.write(f"{kv}/data/{CERTIFICATES}/{name}", body).data["version"]
    custom = {n: value for n, value in said.items() if value}
    custom |= {"version": str(version), "metadata_version": str(count + 1)}
    client.write(metadata, {"custom_metadata": custom, **plain})
    return Entry(custom, version, True)


def delivered(client: Client, estate: Estate, name: str) -> Mapping[str, str]:
    """The data of one delivery; empty when there is none."""
    return whole(client, estate, name)[1]


def whole(client: Client, estate: Estate, name: str) -> tuple[Entry, Mapping[str, str]]:
    """One delivery as it stands now with its data, in one request; both empty when there is none."""
    shown = client.read(f"{estate.mounts.kv}/data/{CERTIFICATES}/{name}").data
    about = shown.get("metadata") or {"destroyed": True}
    standing = not about.get("destroyed") and not about.get("deletion_time")
    made = Entry(about.get("custom_metadata") or {}, int(about.get("version") or 0), standing)
    return made, shown.get("data") or {}


def withdraw(client: Client, estate: Estate, name: str) -> None:
    """Remove a delivery with all its versions."""
    client.delete(f"{estate.mounts.kv}/metadata/{CERTIFICATES}/{name}")


def _cut(value: str) -> str:
    return printable(value).encode()[:LONGEST_VALUE].decode(errors="ignore")
