"""Containing one subject at once, whatever the manifests say of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.diff.containment import contain, hold
from reconciler.diff.estate import refresh_lists, strays
from reconciler.diff.holds import Held
from reconciler.diff.identity import marks
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual, Hold, Resource, by_subject


def contain_now(subject: SubjectRef, reason: str, by: str, lists: Resource, actual: Actual) -> tuple[Change, ...]:
    """Hold the subject, then take all that `actual` shows of it; told again, the same again.

    `by` says who wants it; `lists` is the desired `ca.crl`. The hold is written however little stands: whoever
    asks for it may know of a manifest that is about to come.
    """
    standing = by_subject(actual.resources.values())
    entity = next((r for r in standing.get(subject, ()) if r.type == "vault.entity"), None)
    before = actual.holds.get(subject)
    held = Held(reason, True, _hold(subject, reason, by, before, standing.get(subject, ())))
    first = hold(subject, held, before, entity)
    return (first, *_taken(subject, reason, lists, actual, reopened=True))


def contain_rest(subject: SubjectRef, reason: str, lists: Resource, actual: Actual) -> tuple[Change, ...]:
    """What another run gave to a subject that is on hold already; nothing when there is nothing."""
    return tuple(_taken(subject, reason, lists, actual, reopened=False))


def _taken(
    subject: SubjectRef, reason: str, lists: Resource, actual: Actual, *, reopened: bool
) -> Iterator[Change]:
    standing, sealed = by_subject(actual.resources.values()), not actual.unavailable
    resources = standing.get(subject, ())
    changes = [*contain(subject, resources, reason, remove=False, sealed=sealed, reopened=reopened)]
    changes += strays(standing.get(None, ()), actual)
    yield from changes
    yield from refresh_lists(lists, actual, changes)


def _hold(subject: SubjectRef, reason: str, by: str, before: Hold | None, resources: Sequence[Resource]) -> Hold:
    """With person or algo, keys and workloads as they can be seen, so that it follows them under another name."""
    marked = next((str(r.facts["person"]) for r in resources if "person" in r.facts), "")
    keys = {mark for r in resources for mark in marks(r)}
    person = marked or (before.person if before is not None else "")
    return Hold(subject, reason, by, "", person, frozenset(keys | (before.keys if before is not None else set())))
