"""Telling an emergency from drift: who contained this subject, we or somebody else? And whom a hold follows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.diff.identity import marks, told_by
from reconciler.diff.keys import taken as key_taken
from reconciler.diff.logins import by_its_token
from reconciler.errors import Refused
from reconciler.model.change import Change
from reconciler.model.manifest import ALGO, SubjectRef
from reconciler.model.resource import Actual, BySubject, Desired, Hold, Resource, Revocation

OURS = ("containing", "contained")
MISSING = "its entity was deleted by somebody else while its certificates were in force"
CUT_OFF = "its entity was deleted by somebody else while it could log in"


@dataclass(frozen=True, slots=True)
class Held:
    """A subject that nothing may be granted to, and why. `record` is false when the target knows all of it."""

    reason: str
    record: bool
    hold: Hold
    revoked: tuple[Revocation, ...] = ()  # of this subject, by somebody else, not released since


@dataclass(slots=True)
class _Look:
    """The two states, and what is looked up in them often."""

    desired: Desired
    actual: Actual
    present: BySubject
    revoked: Mapping[SubjectRef, tuple[Revocation, ...]] = field(init=False)
    _keys: dict[SubjectRef, set[str]] | None = field(init=False, default=None)  # asked for when somebody is held

    def __post_init__(self) -> None:
        revoked: dict[SubjectRef, list[Revocation]] = {}
        for one in self.actual.revocations:
            if one.subject is not None and not _answered(one, self.actual):
                revoked.setdefault(one.subject, []).append(one)
        self.revoked = {subject: tuple(found) for subject, found in revoked.items()}

    def keys(self, subject: SubjectRef) -> frozenset[str]:
        """The subject's keys and workloads, desired and actual ones."""
        if self._keys is None:
            self._keys = {}
            for resource in (*self.desired.resources.values(), *self.actual.resources.values()):
                if resource.subject is not None:
                    self._keys.setdefault(resource.subject, set()).update(marks(resource))
        return frozenset(self._keys.get(subject, ()))


@dataclass(slots=True)
class _Sources:
    """Holds that may follow to somebody, by what they follow by."""

    holds: Sequence[Hold]
    by_subject: Mapping[SubjectRef, Hold] = field(init=False)
    by_person: Mapping[str, Hold] = field(init=False)
    by_key: Mapping[str, Hold] = field(init=False)

    def __post_init__(self) -> None:
        self.by_subject = {hold.subject: hold for hold in self.holds}
        self.by_person = {hold.person.casefold(): hold for hold in self.holds if hold.person}
        self.by_key = {key: hold for hold in self.holds for key in hold.keys}


def judge_holds(desired: Desired, actual: Actual, present: BySubject) -> Mapping[SubjectRef, Held]:
    """Everybody who is held: those that the target says are, the newly contained, and those a hold follows to."""
    look = _Look(desired, actual, present)
    subjects = {s for s in (*desired.lifecycles, *desired.frozen, *present, *look.revoked, *actual.holds) if s}
    found = {s: held for s in sorted(subjects) if (held := _own(s, look)) is not None}
    sources = _Sources([held.hold for held in found.values()])
    others = subjects - found.keys() if found or actual.revocations else ()  # mostly there is nothing to follow
    for subject in sorted(others):
        gone = subject not in desired.frozen and desired.lifecycles.get(subject, "left") == "left"
        if not gone and (why := _followed(subject, look, sources)):
            found[subject] = Held(why, True, _made(subject, why, look))
    return found


def held_since(desired: Desired, actual: Actual, holds: Iterable[Hold]) -> Mapping[SubjectRef, str]:
    """Whom holds that were put on after the observation follow to, and why: nothing may be granted to them."""
    new = _Sources([hold for hold in holds if hold.subject not in actual.holds])
    if not new.holds:
        return {}
    look = _Look(desired, actual, {})
    return {subject: why for subject in desired.lifecycles if (why := _followed(subject, look, new))}


def foreign_containment(resources: Sequence[Resource], revoked: Sequence[Revocation], *, all_seen: bool) -> str:
    """Why a subject must be put on hold; empty when nobody contained it behind our back.

    Our own containment leaves marks before it acts: the entity's `state` is written with `disabled`, a
    revocation is noted in KV before the CA is told, a KV entry goes before its entity. What lacks the
    mark was done by somebody else. `revoked` are the subject's certificates that somebody else revoked,
    whatever became of their deliveries. `all_seen` is false when a system did not answer, or nobody is sure
    to have been there: then a missing entity means nothing.
    """
    entity = next((r for r in resources if r.address.startswith("vault.entity/")), None)
    if entity is not None and entity.fields.get("disabled") and entity.fields.get("state") not in OURS:
        return "its entity was disabled by somebody else"
    if revoked:
        return _revoked_words(revoked)
    if entity is None and all_seen and any(_delivery(r) for r in resources):
        return MISSING
    # Such a login comes after its entity, and goes before it.
    if entity is None and all_seen and any(by_its_token(r) for r in resources):
        return CUT_OFF
    if entity is not None and (taken := entity.facts.get("taken")):
        return f"{taken} of its policies were taken away by somebody else"
    contained = entity is not None and entity.fields.get("disabled")  # by us: its certificates may be next
    return key_taken(resources) if all_seen and not contained else ""


def lift(subject: SubjectRef, reason: str, desired: Desired, actual: Actual) -> tuple[Change, ...]:
    """The changes that release a subject: its own hold, and those of the same person under other names.

    Raises `Refused` when nobody holds it, or when a hold on somebody else would follow to it again.
    """
    if subject not in actual.holds:
        raise Refused(f"{subject} is not on hold", remedy="`idac plan` shows what is held")
    look = _Look(desired, actual, {})
    lifted = {subject}
    while more := {s for s in actual.holds.keys() - lifted if _same_person(s, lifted, look)}:
        lifted |= more
    left = _Sources([hold for held, hold in actual.holds.items() if held not in lifted])
    for one in sorted(lifted):
        if why := _followed(one, look, left, answered=lifted):
            remedy = "make a new key, or release that subject first"
            raise Refused(f"{one} would be held again: {why}", remedy=remedy)
    return tuple(_release(one, reason, actual) for one in sorted(lifted))


# ---- who is held --------------------------------------------------------------------------------------------


def _own(subject: SubjectRef, look: _Look) -> Held | None:
    """A hold that stands, or an emergency at this subject itself."""
    standing, revoked = look.actual.holds.get(subject), look.revoked.get(subject, ())
    resources = look.present.get(subject, ())
    # Without a manifest only a live certificate tells somebody who was there: a mere KV entry can be planted.
    real = subject in look.desired.lifecycles or subject in look.desired.frozen
    real = real or any(r.facts.get("serials") for r in resources if _delivery(r))
    emergency = foreign_containment(resources, revoked, all_seen=real and not look.actual.unavailable)
    unrecorded = any(r.spki and r.spki not in look.actual.distrusted for r in revoked)
    if standing is None:
        return Held(emergency, True, _made(subject, emergency, look), revoked) if emergency else None
    if unrecorded:
        why = _revoked_words(revoked)
        return Held(why, True, _made(subject, why, look, standing), revoked)
    return Held(f"on hold since {standing.at}", False, standing, revoked)


def _delivery(resource: Resource) -> bool:
    """Whether a credential was delivered: what is found besides, or was fetched at run time, is no sign of one."""
    return resource.address.startswith("ca.certificate/") and not resource.address.startswith(
        ("ca.certificate/orphan/", "ca.certificate/runtime/")
    )


def _followed(
    subject: SubjectRef, look: _Look, sources: _Sources, answered: Collection[SubjectRef | None] = ()
) -> str:
    """Why a hold on somebody else, or a key that somebody else revoked, is this subject's too."""
    person, keys = look.desired.persons.get(subject, ""), look.keys(subject)
    ways = [("", sources.by_subject.get(subject))]
    ways += [("it was ", sources.by_subject.get(name)) for name in look.desired.former.get(subject, ())]
    same = sources.by_person.get(person.casefold()) if person else None
    algo = person.removeprefix(ALGO) if person.startswith(ALGO) else ""
    same_one = f"its algoId {algo} is that of " if algo else f"it is the same person (personId {person}) as "
    ways.append((same_one, same))
    ways += [(told_by(key), sources.by_key.get(key)) for key in sorted(keys)]
    for words, hold in ways:
        if hold is not None:
            return f"{words}{hold.subject}, which is on hold: {hold.reason}"
    for one in look.actual.revocations:
        if one.spki in keys and one.subject not in answered and not _answered(one, look.actual):
            return f"its key is that of certificate {one.serial}, {_done(one)} by somebody else"
    return ""


def _made(subject: SubjectRef, why: str, look: _Look, before: Hold | None = None) -> Hold:
    """The hold to write: with the person and the keys that are known now, and what was known before."""
    marked = next((r.facts.get("person") for r in look.present.get(subject, ()) if r.type == "vault.entity"), None)
    person = look.desired.persons.get(subject) or (before.person if before is not None else "") or marked or ""
    keys = look.keys(subject) | {r.spki for r in look.revoked.get(subject, ()) if r.spki}
    return Hold(subject, why, "", "", person, keys | (before.keys if before is not None else frozenset()))


def _answered(one: Revocation, actual: Actual) -> bool:
    """Whether somebody released the subject knowing of this revocation. What is only refused at login never is."""
    released = actual.answered.get(one.subject, "") if one.subject is not None else ""
    return bool(one.at) and one.at <= released


def _revoked_words(revoked: Sequence[Revocation]) -> str:
    serials = ", ".join(r.serial for r in revoked)
    return f"its certificate {serials} was {_done(revoked[0])} by somebody else"


def _done(one: Revocation) -> str:
    return "revoked" if one.at else "refused at login"


# ---- releasing ----------------------------------------------------------------------------------------------


def _same_person(other: SubjectRef, lifted: Collection[SubjectRef], look: _Look) -> bool:
    """Whether a held subject is one of these under another name."""
    former, persons = look.desired.former, _persons(lifted, look)
    names = {name for one in lifted for name in former.get(one, ())}
    return (
        other in names or bool(set(former.get(other, ())) & set(lifted)) or bool(_persons([other], look) & persons)
    )


def _persons(subjects: Iterable[SubjectRef], look: _Look) -> set[str]:
    """Their personIds, from the manifests and from their holds."""
    found: set[str] = set()
    for one in subjects:
        hold = look.actual.holds.get(one)
        found |= {look.desired.persons.get(one, "").casefold(), hold.person.casefold() if hold is not None else ""}
    return found - {""}


def _release(subject: SubjectRef, reason: str, actual: Actual) -> Change:
    """`answered`: up to when revocations by somebody else were known to whoever releases."""
    standing, address = actual.holds[subject], f"vault.entity/{subject}"
    known = [r.at for r in actual.revocations if r.subject == subject]
    return Change(
        address,
        subject,
        "release",
        "grant",
        reason,
        before={"hold": standing.reason, "since": standing.at},
        after={"hold": None, "answered": max([*known, actual.answered.get(subject, "")])},
        actual=actual.resources.get(address),
    )
