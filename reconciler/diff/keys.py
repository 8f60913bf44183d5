"""Keys in HSM tokens: when one is made, renewed or replaced, and when an old one may be destroyed.

Make before break: a renewed key keeps its older versions until no certificate of theirs is good. Only a key that
may be somewhere else as well is replaced at once, its certificates revoked before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler.diff.compare import differing
from reconciler.model.change import Action, Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Fields, Resource

DEACTIVATED = "deactivated"


def unfit(desired: Resource, actual: Resource | None, distrusted: Collection[str]) -> str:
    """Why a standing key cannot become what is desired, so that another must take its place; empty when it can."""
    if actual is None:
        return ""
    if burnt := actual.facts["burnt"]:
        return f"the key may be somewhere else as well ({', '.join(burnt)}), and that cannot be undone"
    if actual.fields["algorithm"] != desired.fields["algorithm"]:
        return f"the profile wants {desired.fields['algorithm']}, and the key is {actual.fields['algorithm']}"
    if any(spki in distrusted for spki in actual.facts["versions"].values()):
        return "somebody else revoked a certificate of this key"
    return ""


def converge_key(
    subject: SubjectRef, desired: Resource, actual: Resource | None, why_unfit: str
) -> Iterator[Change]:
    """Make, replace, reactivate or mend one key; not yet renew it."""
    made = f"the manifest asks for it; custody: {desired.facts['custody']}"
    if actual is None:
        yield _give(subject, desired, None, "create", made)
    elif why_unfit:
        wrong, _ = differing(actual.fields, desired.fields)
        gone = destroy(subject, actual, why_unfit)
        yield replace(gone, before={**_shown(actual), **wrong})
        yield _give(subject, desired, None, "create", f"in the place of the one that is destroyed: {why_unfit}")
    else:
        _, changed = differing(actual.fields, desired.fields)
        if changed:
            again = "the manifest is active again, and nobody holds it"
            why = again if "state" in changed else f"restore {', '.join(sorted(changed))}"
            yield _give(subject, desired, actual, "update", why)


def too_old(desired: Resource, actual: Resource | None, now: datetime) -> bool:
    """Whether a key has come to the profile's `maxKeyAge`; a tenth earlier at most, by key, so that keys made
    together are not renewed together. One whose age its token does not tell is not judged."""
    limit = desired.facts["max_age"]
    if limit is None or actual is None or not actual.facts["created"]:
        return False
    spread = hashlib.sha256(actual.facts["spki"].encode()).digest()[0] / 2560
    since = datetime.fromisoformat(actual.facts["created"]).astimezone(UTC)
    return now - since > timedelta(seconds=limit) * (1 - spread)


def renew(subject: SubjectRef, desired: Resource, actual: Resource) -> Change:
    """A new version of a key that has come to its age: allowed by the profile, and so routine."""
    why = f"the key of {actual.facts['created']} has come to its profile's maxKeyAge"
    return _give(subject, desired, actual, "rotate", why, routine=True)


def retire(
    subject: SubjectRef, key: Resource, certificate: Resource | None, made: Sequence[Change]
) -> Iterator[Change]:
    """Destroy the older versions of a key once the newest one's certificate alone is good: when, time decides."""
    older = [version for version in key.facts["versions"] if version != key.facts["version"]]
    if not older or certificate is None or any(c.phase == "grant" for c in made):
        return
    if certificate.fields["spki"] == key.facts["spki"] and left(certificate, made) == {
        certificate.facts["serial"]
    }:
        why = "no certificate of its older versions is good any more"
        before, after = {"versions": older}, {"version": key.facts["version"]}
        yield Change(
            key.address,
            subject,
            "revoke",
            "contain",
            why,
            before=before,
            after=after,
            actual=key,
            routine=all(c.routine for c in made),  # else it waits for the review of what ends that certificate
        )


def still_needed(key: Resource, certificate: Resource | None, made: Sequence[Change]) -> bool:
    """Whether a key that no manifest asks for may stand behind a certificate that stays good: a credential that
    moved to another token keeps its old key through the overlap."""
    if certificate is None:
        return False
    good = left(certificate, made)
    own = certificate.fields["spki"] in key.facts["versions"].values()
    return bool(good) and (own or good != {certificate.facts["serial"]})


def left(certificate: Resource, made: Sequence[Change]) -> set[str]:
    """The credential's serials that stay good after these changes."""
    revoked = {
        serial
        for change in made
        if change.address == certificate.address and change.action == "revoke"
        for serial in (change.before or {}).get("serials") or ()
    }
    return {*(certificate.facts.get("serials") or ())} - revoked


def destroy(subject: SubjectRef | None, key: Resource, why: str, *, routine: bool = False) -> Change:
    """Destroy a key for good."""
    return Change(key.address, subject, "delete", "contain", why, before=_shown(key), actual=key, routine=routine)


def deactivate(subject: SubjectRef | None, key: Resource, why: str) -> Iterator[Change]:
    """Have its token refuse to sign with it, unless it does already; it can be activated again."""
    if key.fields["state"] != DEACTIVATED:
        after = {"state": DEACTIVATED}
        yield Change(key.address, subject, "revoke", "contain", why, before=_shown(key), after=after, actual=key)


def taken(resources: Sequence[Resource]) -> str:
    """Whether somebody else took a key from under a certificate that is good; in words, or empty.

    We revoke a key's certificates before we deactivate or destroy it. `resources` are one subject's.
    """
    keys = {r.address: r for r in resources if r.type == "hsm.key"}
    for certificate in resources:
        address = certificate.facts.get("key")
        if not address or not certificate.facts.get("serials") or certificate.fields.get("record") != "intact":
            continue
        key = keys.get(address)
        words = f"the key of its certificate {certificate.facts['serial']}"
        if key is None or certificate.fields["spki"] not in key.facts["versions"].values():
            return f"{words} was destroyed by somebody else"
        if key.fields["state"] == DEACTIVATED:
            return f"{words} was deactivated by somebody else"
    return ""


def _shown(key: Resource) -> Fields:
    return {"state": key.fields["state"], "spki": key.facts["spki"], "custody": key.facts["custody"]}


def _give(
    subject: SubjectRef,
    desired: Resource,
    actual: Resource | None,
    action: Action,
    why: str,
    *,
    routine: bool = False,
) -> Change:
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] = {**desired.fields, "custody": desired.facts["custody"]}
    if actual is not None:
        before, after = differing(actual.fields, desired.fields)
        before = {**before, "spki": actual.facts["spki"]}
    return Change(desired.address, subject, action, "grant", why, before, after, desired, actual, routine)
