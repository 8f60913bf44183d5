"""Bots that fetch their own certificates: the role they fetch them from, and what becomes of what they fetched."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from reconciler.diff.compare import differing
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Address, Fields, Resource

ELSEWHERE = "what was fetched names another SPIFFE ID than the manifest"
BURNT = "somebody else revoked a certificate of its key: it must make another"
_SHOWN = ("allowed_domains", "allowed_uri_sans", "max_ttl")


def is_fetched(resource: Resource) -> bool:
    """Whether it stands for the live certificates that a bot fetched."""
    return resource.address.startswith("ca.certificate/runtime/")


def converge_issuer(
    subject: SubjectRef,
    desired: Resource,
    after: Fields,
    found: Mapping[Address, Resource],
    distrusted: Collection[str],
) -> Iterator[Change]:
    """Make or mend the bot's PKI role: what it may fetch is a rule, so that is `govern`.

    `distrusted` are keys whose certificates somebody else revoked: what was fetched with one of them goes.
    """
    actual, address = found.get(desired.address), desired.address
    if actual is None:
        yield Change(
            desired.address, subject, "create", "govern", "the manifest asks for it", None, after, desired
        )
    elif actual.fields != after:
        before, changed = differing(actual.fields, after)
        why = f"differs in {', '.join(sorted(changed))}"
        yield Change(address, subject, "update", "govern", why, before, changed, desired, actual)
    fetched = found.get(f"ca.certificate/runtime/{subject}")
    if fetched is None:
        return
    if [fetched.facts["uri_san"]] != after["allowed_uri_sans"]:
        yield revoke_fetched(subject, fetched, ELSEWHERE)
    elif any(key in distrusted for key in fetched.facts.get("keys") or ()):
        yield revoke_fetched(subject, fetched, BURNT)


def delete_issuer(subject: SubjectRef, issuer: Resource, why: str) -> Change:
    """Take from a bot the role that it fetches certificates from."""
    before = {name: issuer.fields.get(name) for name in _SHOWN}
    return Change(issuer.address, subject, "delete", "contain", why, before=before, actual=issuer)


def revoke_fetched(subject: SubjectRef, seen: Resource | None, why: str) -> Change:
    """Revoke all that the bot fetched. Which that are is seen when it is done, and not before: it goes on
    fetching until its issuer is gone, and a plan must not be void with every renewal."""
    return Change(
        f"ca.certificate/runtime/{subject}",
        subject,
        "revoke",
        "contain",
        why,
        before={"named": subject.principal},
        after={"revoked": True},
        actual=seen,
    )


def contain_issuer(subject: SubjectRef, resources: Mapping[Address, Resource], why: str) -> Iterator[Change]:
    """Take the issuer, then all that was fetched: also where none is seen, for it may be fetched meanwhile."""
    issuer = resources.get(f"ca.issuer/{subject}")
    fetched = resources.get(f"ca.certificate/runtime/{subject}")
    if issuer is not None:
        yield delete_issuer(subject, issuer, why)
    if issuer is not None or fetched is not None:
        yield revoke_fetched(subject, fetched, why)


__all__ = ["contain_issuer", "converge_issuer", "delete_issuer", "is_fetched", "revoke_fetched"]
