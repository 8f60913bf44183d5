"""The whole estate: every subject by its lifecycle, then what belongs to no subject."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from reconciler.diff.compare import answered, differing, resolve
from reconciler.diff.containment import contain, drop_alias, hold
from reconciler.diff.convergence import UNEXPLAINED, converge, narrow
from reconciler.diff.holds import Held, judge_holds
from reconciler.diff.tiers import converge_tiers
from reconciler.model.change import Change, Phase
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual, BySubject, Desired, Resource, by_subject


def diff(desired: Desired, actual: Actual, now: datetime) -> tuple[Change, ...]:
    """Every change that would make actual equal desired, containment included, in no particular order.

    `now` decides only what is routine (renewals, ended overlaps, a stale CRL), never what is reviewed.
    """
    wanted, present = by_subject(desired.resources.values()), by_subject(actual.resources.values())
    held = judge_holds(desired, actual, present)
    subjects = {s for s in (*desired.lifecycles, *desired.frozen, *present, *held) if s is not None}
    changes = [c for s in sorted(subjects) for c in _subject(s, desired, actual, wanted, present, held, now)]
    changes += strays(present.get(None, ()), actual)
    changes += _rules(wanted.get(None, ()), present.get(None, ()), desired, actual)
    changes += converge_tiers(wanted.get(None, ()), desired, actual, present, changes)
    if (lists := desired.resources.get("ca.crl")) is not None:
        changes += refresh_lists(lists, actual, changes)
    return tuple(changes)


def _subject(
    subject: SubjectRef,
    desired: Desired,
    actual: Actual,
    wanted: BySubject,
    present: BySubject,
    holds: Mapping[SubjectRef, Held],
    now: datetime,
) -> Iterator[Change]:
    """One subject's changes. An emergency is recorded whatever the manifest says, or whether there is one."""
    resources, held = present.get(subject, ()), holds.get(subject)
    frozen = subject in desired.frozen
    doubtful = frozen or (subject not in desired.lifecycles and not desired.absence_is_intent)
    lifecycle = "active" if doubtful else desired.lifecycles.get(subject, "left")
    if held is not None and held.record:
        entity = next((r for r in resources if r.type == "vault.entity"), None)
        yield hold(subject, held, actual.holds.get(subject), entity)
    why = desired.reasons.get(subject, "")
    sealed = not actual.unavailable
    if lifecycle == "left":
        why = why or _departure(subject, desired)
        # Nobody says that they left: an invalid manifest may be theirs, under a name that cannot be read.
        sure = subject in desired.lifecycles or not desired.frozen
        yield from contain(subject, resources, why, remove=True, sealed=sealed, destroying=sure)
    elif held is not None or lifecycle == "suspended":
        why = held.reason if held is not None and not why else why
        reopened = held is not None and held.record
        yield from contain(subject, resources, why, remove=False, sealed=sealed, reopened=reopened)
    elif frozen:
        yield from narrow(subject, desired.cores.get(subject), resources)
    elif not doubtful:
        yield from converge(subject, wanted.get(subject, ()), resources, actual, now)


def _departure(subject: SubjectRef, desired: Desired) -> str:
    new = next((new for new, old in desired.previously.items() if old == subject), None)
    return f"renamed to {new}" if new else "its manifest was deleted"


def strays(resources: Sequence[Resource], actual: Actual) -> Iterator[Change]:
    """Ours, but of no subject that can be told: contained one by one."""
    for resource in sorted(resources, key=lambda r: r.address):
        if resource.type == "vault.alias":
            yield from drop_alias(resource)
        elif resource.type in ("vault.entity", "vault.login", "ca.certificate"):
            sealed = not actual.unavailable
            yield from contain(None, [resource], UNEXPLAINED, remove=True, sealed=sealed)


def _rules(
    wanted: Sequence[Resource], present: Sequence[Resource], desired: Desired, actual: Actual
) -> Iterator[Change]:
    """Policies and certificate profiles: the rules themselves, so every change to them is `govern`.

    A rule is deleted only when the whole tree was read and is valid: an invalid Role is not a deleted one.
    """
    kinds = ("vault.policy", "ca.profile")
    there = {r.address: r for r in present if r.type in kinds}
    govern: Phase = "govern"
    for resource in sorted((r for r in wanted if r.type in kinds), key=lambda r: r.address):
        if not answered(actual, resource.address):
            continue
        after = resolve(resource.fields, actual)
        standing = there.pop(resource.address, None)
        made = Resource(resource.address, None, after, resource.facts)
        if standing is None:
            why = "the manifest asks for it"
            yield Change(resource.address, None, "create", govern, why, after=dict(after), desired=made)
        elif standing.fields != after:
            before, changed = differing(standing.fields, after)
            why = f"differs in {', '.join(sorted(changed))}"
            yield Change(resource.address, None, "update", govern, why, before, changed, made, standing)
    if desired.frozen or not desired.absence_is_intent:
        return
    for address, extra in sorted(there.items()):
        yield Change(address, None, "delete", govern, UNEXPLAINED, before=dict(extra.fields), actual=extra)


def refresh_lists(wanted: Resource, actual: Actual, changes: Sequence[Change]) -> Iterator[Change]:
    """One CRL refresh for all revocations of the plan, for a CRL out of step, or for one that grows old."""
    there = actual.resources.get("ca.crl")
    if there is None:
        return
    before, after = differing(there.fields, wanted.fields)
    revocations = [c for c in changes if c.type == "ca.certificate" and c.action == "revoke"]
    reviewed = any(not c.routine for c in revocations)
    out_of_step = not there.fields["in_step"]
    if not revocations and not after:
        return
    why = "revocations must reach every place that checks them" if revocations else ""
    why = why or ("cert auth and the CA disagree" if out_of_step else "it is close to its end")
    yield Change(
        "ca.crl",
        None,
        "update",
        "contain",
        why,
        before=before or dict(there.fields),
        after=after or dict(wanted.fields),
        desired=wanted,
        actual=there,
        routine=not reviewed and not out_of_step,
    )
