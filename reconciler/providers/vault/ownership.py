"""Whose is it, and which subject's? Pure: names, marks and aliases in, a verdict out."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef

ESTATE_MARK, SUBJECT_MARK, STATE_MARK, HOLD_MARK = "idac_estate", "idac_subject", "idac_state", "idac_hold"
PERSON_MARK = "idac_person"  # the personId: a hold follows it when the manifest is gone
POLICIES_MARK = "idac_policies"  # which policies we put on the entity, in the same write

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PRINCIPAL = re.compile(rf"\A([a-z]+)\.({_LABEL})\Z")
_LOGIN = re.compile(rf"\A([a-z]+)\.({_LABEL})\.({_LABEL})\Z")
_WORKLOAD_LOGIN = re.compile(rf"\A([a-z]+)\.({_LABEL})\.({_LABEL})\.({_LABEL})\Z")
_MARK = re.compile(rf"\A([a-z]+)/({_LABEL})\Z")

Owner = Literal["ours", "foreign", "other"]  # foreign: another owner's, but in our name space or on our mount


@dataclass(frozen=True, slots=True)
class Verdict:
    """`votes` says how many of name, mark and alias name the subject: the entity with most votes is it."""

    owner: Owner
    subject: SubjectRef | None = None
    votes: int = 0
    why: str = ""


def principal(text: str) -> SubjectRef | None:
    """`trader.jdoe` -> trader/jdoe; None for anything else."""
    found = _PRINCIPAL.match(text)
    return SubjectRef(*found.groups()) if found else None


def marked_subject(text: str) -> SubjectRef | None:
    """`trader/jdoe` -> trader/jdoe; None for anything else."""
    found = _MARK.match(text)
    return SubjectRef(*found.groups()) if found else None


def login(text: str) -> tuple[SubjectRef, str] | None:
    """`trader.jdoe.mtls` -> (trader/jdoe, "mtls"); None for anything else."""
    found = _LOGIN.match(text)
    return (SubjectRef(found[1], found[2]), found[3]) if found else None


def token_login(text: str) -> tuple[SubjectRef, str] | None:
    """`bot.mm.spire.4-2-0` -> (bot/mm, "spire.4-2-0"); None for anything else."""
    found = _WORKLOAD_LOGIN.match(text)
    return (SubjectRef(found[1], found[2]), f"{found[3]}.{found[4]}") if found else None


def aliases(entity: Mapping[str, Any]) -> dict[str, str]:
    """`{mount:name: id}` of an entity as the server shows it; `auth/` and slashes are left out of the mount.

    An alias outlives its mount, and then shows no path: it is named by the mount's accessor.
    """
    return {f"{_mount(alias)}:{alias['name']}": alias["id"] for alias in entity.get("aliases") or ()}


def _mount(alias: Mapping[str, Any]) -> str:
    path: str = alias.get("mount_path") or ""
    return path.removeprefix("auth/").rstrip("/") or f"accessor {alias.get('mount_accessor', '')}"


def policies_mark(policies: Iterable[str]) -> str:
    """The policies of an entity as a mark beside them: short, since metadata holds 512 bytes a value."""
    return ",".join(sorted(hashlib.sha256(name.encode()).hexdigest()[:16] for name in policies))


def taken_away(entity: Mapping[str, Any]) -> int:
    """How many policies somebody else took off the entity since we wrote it; 0 where there is no mark of ours."""
    mark = (entity.get("metadata") or {}).get(POLICIES_MARK) or ""
    there = policies_mark(entity.get("policies") or ()).split(",")
    return sum(1 for one in mark.split(",") if one and one not in there)


def judge(entity: Mapping[str, Any], estate: Estate) -> Verdict:
    """Whose entity this is. One tampered field changes neither owner nor subject: the others outvote it."""
    metadata = entity.get("metadata") or {}
    mark = metadata.get(ESTATE_MARK)
    mount = f"{estate.mounts.cert}:"
    held = aliases(entity)
    on_ours = [a.removeprefix(mount) for a in held if a.startswith(mount)]
    ours = [a for a in held if a.startswith((mount, estate.mounts.workloads))]
    by_name = _named(entity["name"], estate)
    if mark is not None and mark != estate.name:
        if by_name or ours:
            return _contested(entity, estate, by_name, on_ours, metadata, str(mark))
        return Verdict("other")
    if mark is None and by_name is None:
        if not ours:
            return Verdict("other")
        if len(ours) < len(held):
            why = f"entity {entity['name']} of another owner holds the alias {ours[0]}"
            return Verdict("foreign", why=why)
    return _ours(by_name, metadata, on_ours)


def _contested(
    entity: Mapping[str, Any],
    estate: Estate,
    by_name: SubjectRef | None,
    on_ours: list[str],
    metadata: Mapping[str, str],
    mark: str,
) -> Verdict:
    """Another estate's mark. When all else says that the entity is ours, the mark was tampered with."""
    subject = marked_subject(metadata.get(SUBJECT_MARK, ""))
    if by_name is not None and by_name == subject and on_ours == [by_name.principal]:
        return _ours(by_name, metadata, on_ours)
    why = f"entity {entity['name']} carries the mark of estate {mark!r} but stands in that of {estate.name!r}"
    return Verdict("foreign", why=why)


def _ours(by_name: SubjectRef | None, metadata: Mapping[str, str], on_ours: list[str]) -> Verdict:
    by_mark = marked_subject(metadata.get(SUBJECT_MARK, ""))
    by_alias = principal(on_ours[0]) if on_ours else None
    votes = Counter(s for s in (by_name, by_mark, by_alias) if s is not None)
    if not votes:
        return Verdict("ours")
    subject, count = votes.most_common(1)[0]  # of equals the first: name before mark before alias
    return Verdict("ours", subject, count)


def _named(name: str, estate: Estate) -> SubjectRef | None:
    return principal(name.removeprefix(estate.prefix)) if name.startswith(estate.prefix) else None
