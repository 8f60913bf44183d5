"""What tells somebody under another name: keys, and what a workload's issuer says of it. A hold follows both."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.resource import Resource

_WORKLOAD = "workload "  # no SPKI has a space
_JWT = "-jwt-"  # before the issuer's name, in the name of its login mount


def marks(resource: Resource) -> Iterator[str]:
    """The SPKI of a certificate, once its key stands; issuer and `sub` of a workload's alias or login, in lower
    case, as the server compares them; the SPIFFE IDs that certificates are fetched for.
    """
    match resource.type:
        case "ca.certificate":
            said = resource.fields.get("spki") or resource.facts.get("spki")
            if isinstance(said, str) and said:
                yield said
        case "vault.entity":
            for alias in resource.fields.get("aliases") or ():
                mount, _, sub = alias.partition(":")
                if _JWT in mount:
                    yield _workload(mount, sub)
        case "vault.login":
            if sub := resource.fields.get("bound_subject"):
                issuer = resource.address.rsplit("/", 1)[-1].partition(".")[0]
                yield _workload(_JWT + issuer, sub)
        case "ca.issuer":
            yield from (_WORKLOAD + str(uri).lower() for uri in resource.fields.get("allowed_uri_sans") or ())


def told_by(mark: str) -> str:
    """Why somebody with this mark is whoever else has it: words before that one's name."""
    return "its workload is that of " if mark.startswith(_WORKLOAD) else "it has a key of "


def _workload(mount: str, sub: str) -> str:
    return f"{_WORKLOAD}{mount.rpartition(_JWT)[2]}:{sub}".lower()
