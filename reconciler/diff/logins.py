"""Login roles of an active subject. Whom a login lets in is never changed in place.

Another digest, audience or name lets somebody else in: that is power given, and whoever came in by the old
one has power still. So such a login is deleted and its tokens are ended, which nothing holds up, and making
it again is a grant. Every other deviation loosens what was reviewed, and is mended at once; a shorter life
takes nothing away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.diff.compare import differing
from reconciler.diff.identity import PEOPLE
from reconciler.model.change import Change, Phase
from reconciler.model.login import rebound
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Address, Fields, Resource

GONE = "it is gone while its certificate is in force: a run broke off, or somebody deleted it by hand"
# Longer than desired is power too; every other deviation of a login loosens its binding.
HARMLESS_IF_SHORTER = ("token_ttl", "token_max_ttl", "token_explicit_max_ttl")


def by_its_token(login: Resource) -> bool:
    """Whether it is a login by an issuer's token, which no certificate stands beside."""
    return login.type == "vault.login" and "bound_subject" in login.fields


def converge_login(
    subject: SubjectRef,
    desired: Resource,
    after: Fields,
    actual: Resource | None,
    found: Mapping[Address, Resource],
) -> Iterator[Change]:
    """Make, make again or mend one login role. `after`: the desired fields, as far as they are known."""
    made = Resource(desired.address, subject, after, desired.facts)
    if actual is None:
        certificate = found.get(desired.address.replace("vault.login/", "ca.certificate/", 1))
        gone = certificate is not None and certificate.facts.get("serials")
        yield _create(made, GONE if gone else "the manifest asks for it")
        return
    before, changed = differing(actual.fields, after)
    if who := rebound(actual.fields, after):
        names = ", ".join(who)
        why = f"it lets in somebody else than it should ({names}): deleted, and made again as a grant"
        yield Change(desired.address, subject, "delete", "contain", why, before=before, actual=actual)
        yield _create(made, _again(subject, names, before, changed))
    elif changed:
        shorter = all(n in HARMLESS_IF_SHORTER and (before[n] or 0) < changed[n] for n in changed)
        phase: Phase = "grant" if shorter else "contain"
        why = f"restore {', '.join(sorted(changed))}"
        yield Change(desired.address, subject, "update", phase, why, before, changed, made, actual)


def _create(made: Resource, why: str) -> Change:
    return Change(made.address, made.subject, "create", "grant", why, after=dict(made.fields), desired=made)


def _again(subject: SubjectRef, names: str, before: Mapping[str, Any], changed: Mapping[str, Any]) -> str:
    """An approval names no digest, so nobody but the reviewer can tell whether it is of this one."""
    why = f"in the place of the one that is deleted ({names})"
    if subject.kind in PEOPLE and "bound_claims" in changed:
        why += "; another acr or amr is asked for: whoever signed in with the old one must sign in again"
    elif before.get("bound_claims") and changed.get("bound_claims"):
        why += "; another digest or environment stood there: see that the approval is of this one"
    return why
