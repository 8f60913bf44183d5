"""What tells somebody under another name: keys, and what an issuer of tokens says of them. A hold follows both."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.manifest import SubjectRef
from reconciler.model.mounts import TOKENS
from reconciler.model.resource import Resource, issuer_of

_WORKLOAD, _SIGN_IN = "workload ", "sign-in "  # no SPKI has a space
PEOPLE = ("staff", "trader")


def marks(resource: Resource) -> Iterator[str]:
    """The SPKI of a certificate, once its key stands; issuer and `sub` of an alias or login by token, in lower
    case, as the server compares them; the SPIFFE IDs that certificates are fetched for.
    """
    match resource.type:
        case "ca.certificate":
            said = resource.fields.get("spki") or resource.facts.get("spki")
            if isinstance(said, str) and said:
                yield said
        case "vault.entity":
            for alias in filter(by_token, resource.fields.get("aliases") or ()):
                mount, _, sub = alias.partition(":")
                yield _token(resource.subject, mount, sub)
        case "vault.login":
            if sub := resource.fields.get("bound_subject"):
                yield _token(resource.subject, TOKENS + issuer_of(resource.address), sub)
        case "ca.issuer":
            yield from (_WORKLOAD + str(uri).lower() for uri in resource.fields.get("allowed_uri_sans") or ())


def by_token(alias: str) -> bool:
    """Whether an alias (`mount:name`) is one where an issuer's tokens log in."""
    return TOKENS in alias.partition(":")[0]


def told_by(mark: str) -> str:
    """Why somebody with this mark is whoever else has it: words before that one's name."""
    if mark.startswith(_SIGN_IN):
        return "its sign-in is that of "
    return "its workload is that of " if mark.startswith(_WORKLOAD) else "it has a key of "


def _token(subject: SubjectRef | None, mount: str, sub: str) -> str:
    person = subject is not None and subject.kind in PEOPLE
    return f"{_SIGN_IN if person else _WORKLOAD}{mount.rpartition(TOKENS)[2]}:{sub}".lower()
