"""Certificates: what they must be, how long they last, and when a new one is due."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler.diff.compare import differing
from reconciler.diff.containment import revoke
from reconciler.model.change import Action, Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Fields, Resource

CONTENT = ("profile", "profile_digest", "spki", "common_name", "uri_san")
NAMES = ("spki", "common_name", "uri_san")  # whose certificate it is
# No time of day: what is reviewed must not depend on the clock.
OVERLAPPING = (
    "; the old key stays valid for {overlap} beside the new one (until {end} at most), and whoever logged in with "
    "it stays logged in: was it stolen, set `overlap: 0s` on the credential"
)
SHOWN_FACTS = ("serial", "not_after", "fingerprint")


def converge_certificate(
    subject: SubjectRef,
    desired: Resource,
    after: Fields,
    actual: Resource | None,
    orphans: Sequence[Resource],
    now: datetime,
    older: Collection[str] = (),
) -> Iterator[Change]:
    """Issue, adopt, rotate, redeliver or renew one credential's certificate; `after` has refs resolved.

    `older` are the SPKIs of earlier versions of its key in an HSM token.
    """
    before, changed = differing(actual.fields, after) if actual is not None else ({}, {})
    if actual is not None and "record" in changed and any(name in changed for name in NAMES):
        # Not a rotation: whoever put that certificate there must not have it for an overlap's time.
        yield from revoke(subject, actual, "its record was altered to name another certificate", before)
        actual = None
    if actual is None or actual.facts.get("revoked") in ("ours", "foreign"):  # a foreign one was released since
        orphan = next((o for o in orphans if fits(after, o)), None)
        if orphan is not None:
            yield _change(subject, desired, after, orphan, "update", "adopt what a crash left behind")
        else:
            yield _change(subject, desired, after, None, "create", "no certificate is in force")
        return
    content = [name for name in CONTENT if name in changed]
    renewing = not changed and renewal_due(desired, actual, now) and not key_too_old(desired, actual, now)
    if "spki" in content and desired.facts["overlap"] == 0:
        # Break before make: whoever stole the old key must not have it for as long as the new one takes.
        yield from revoke(subject, actual, "its key is replaced, and no overlap is allowed", before)
        yield _change(subject, desired, after, None, "create", "a new key takes the place of the revoked one")
        return
    if changed.keys() == {"spki"} and before["spki"] in older:
        yield from _rekeyed(subject, desired, after, actual, "its key has a newer version")
        renewing = True
    elif content:
        reason = f"the manifest changed {', '.join(content)}"
        if "spki" in content:
            reason += OVERLAPPING.format(overlap=_span(desired.facts["overlap"]), end=actual.facts["not_after"])
        yield _change(subject, desired, after, actual, "rotate", reason, before)
    elif changed:
        yield _change(subject, desired, after, actual, "update", f"repair {', '.join(changed)}", before)
    elif renewing:
        reason = f"renewal is due: the certificate ends {actual.facts['not_after']}"
        yield _change(subject, desired, after, actual, "rotate", reason, routine=True)
    yield from _end_overlap(subject, desired, actual, now, again=renewing or bool(content))


def replaced(
    subject: SubjectRef, desired: Resource, after: Fields, actual: Resource | None, why: str
) -> Iterator[Change]:
    """A certificate for a key that is about to be made in the place of one that is no good: break before make."""
    if actual is not None and actual.facts.get("serials"):
        yield from revoke(subject, actual, why)
    yield _change(subject, desired, after, None, "create", "a new key takes the place of the one that is no good")


def rekey(subject: SubjectRef, desired: Resource, after: Fields, actual: Resource, why: str) -> Iterator[Change]:
    """A certificate for the new version that its key is about to get, in the place of one that is good."""
    yield from _rekeyed(subject, desired, after, actual, why)
    if desired.facts["overlap"]:
        yield from supersede(subject, actual, "superseded again")


def _rekeyed(
    subject: SubjectRef, desired: Resource, after: Fields, actual: Resource, why: str
) -> Iterator[Change]:
    """Routine: a profile's maxKeyAge asks for it, or a run that broke off left it undone."""
    if desired.facts["overlap"]:
        yield _change(subject, desired, after, actual, "rotate", why, routine=True)
        return
    for change in revoke(subject, actual, f"{why}, and no overlap is allowed"):
        yield replace(change, routine=True)
    yield _change(subject, desired, after, None, "create", why, routine=True)


def fits(after: Fields, orphan: Resource) -> bool:
    """Whether an unexplained live certificate is the very one we would issue: same key, same names."""
    return all(orphan.facts.get(n) == after[n] for n in NAMES)


def renewal_due(desired: Resource, actual: Resource, now: datetime) -> bool:
    """Whether the certificate's real dates put it inside its renewal window.

    The window is `renew_before`, at most a third of the real lifetime (a CA may have shortened it: without
    this a short certificate would be renewed at every run), widened by up to a tenth of itself, by serial,
    so that certificates issued together are not renewed together. A certificate that already reaches the
    end of employment is not renewed.
    """
    end = desired.facts.get("end")
    not_before, not_after = when(actual.facts["not_before"]), when(actual.facts["not_after"])
    if end is not None and not_after >= when(f"{end}T00:00:00Z"):
        return False
    window = min(timedelta(seconds=desired.facts["renew_before"]), (not_after - not_before) / 3)
    spread = hashlib.sha256(actual.facts["serial"].encode()).digest()[0] / 2560
    return now >= not_after - window * (1 + spread)


def key_too_old(desired: Resource, actual: Resource, now: datetime) -> bool:
    """Whether the key has outlived the profile's `maxKeyAge`: then a new CSR is needed, not a renewal."""
    limit = desired.facts.get("max_key_age")
    return limit is not None and now - when(actual.facts["key_since"]) > timedelta(seconds=limit)


def when(text: str) -> datetime:
    """RFC 3339 UTC text to an aware datetime."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _span(seconds: int) -> str:
    """`5400` -> `90m`: in the largest unit that fits."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _end_overlap(
    subject: SubjectRef, desired: Resource, actual: Resource, now: datetime, *, again: bool
) -> Iterator[Change]:
    """The previous certificate goes when its overlap is over, when the present one is rotated `again`, or at once
    where no overlap is allowed any more.

    The first two are routine: which of them it is depends on the time alone. The last is not.
    """
    previous, until = actual.facts.get("previous"), actual.facts.get("previous_until")
    if not previous or not until or previous not in (actual.facts.get("serials") or ()):
        return
    cut = desired.facts["overlap"] == 0 and until > str(actual.facts.get("issued_at"))
    if cut or again or now >= when(until):
        over = f"; the overlap ended {until}" if now >= when(until) else f" again, before its overlap ends {until}"
        why = "superseded; no overlap is allowed any more" if cut else f"superseded{over}"
        yield from supersede(subject, actual, why, routine=not cut)


def supersede(subject: SubjectRef, actual: Resource, why: str, *, routine: bool = True) -> Iterator[Change]:
    """Revoke the previous certificate, if it still is good."""
    previous = actual.facts.get("previous")
    if previous and previous in (actual.facts.get("serials") or ()):
        before, after = {"serials": [previous]}, {"revoked": True}
        yield Change(
            actual.address,
            subject,
            "revoke",
            "contain",
            why,
            before=before,
            after=after,
            actual=actual,
            routine=routine,
        )


def _change(
    subject: SubjectRef,
    desired: Resource,
    after: Fields,
    actual: Resource | None,
    action: Action,
    reason: str,
    before: Fields | None = None,
    *,
    routine: bool = False,
) -> Change:
    seen = {n: actual.facts.get(n) for n in SHOWN_FACTS} if actual is not None else None
    return Change(
        desired.address,
        subject,
        action,
        "grant",
        reason,
        before={**(seen or {}), **(before or {})} if seen is not None else None,
        after=dict(after),
        desired=Resource(desired.address, subject, after, desired.facts),
        actual=actual,
        routine=routine,
    )


__all__ = ["converge_certificate", "fits", "key_too_old", "rekey", "renewal_due", "replaced", "revoke", "when"]
