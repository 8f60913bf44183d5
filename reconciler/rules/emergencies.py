"""What an emergency leaves behind: keys never to certify again, and what may have been taken by hand."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from reconciler.model.change import Change
from reconciler.model.issuers import SIGN_IN
from reconciler.model.manifest import Finding, SubjectRef
from reconciler.model.mounts import TOKENS
from reconciler.model.resource import Actual, Desired, credential_of, issuer_of


def aftermath(changes: Sequence[Change], desired: Desired, actual: Actual) -> tuple[Finding, ...]:
    """Findings about emergencies, in order of address."""
    held = {*actual.holds, *(c.subject for c in changes if c.action == "hold")}
    return (*_distrusted_keys(desired, actual, held), *_missing_logins(changes, actual), *_burnt_keys(actual))


def _distrusted_keys(desired: Desired, actual: Actual, held: Collection[SubjectRef | None]) -> Iterator[Finding]:
    """H01: a key whose certificate somebody else revoked gets no other, not even after a release."""
    distrusted = {**actual.distrusted, **{r.spki: r.at for r in actual.revocations if r.spki}}
    certificates = (r for a, r in sorted(desired.resources.items()) if r.type == "ca.certificate")
    for resource in certificates if distrusted else ():
        spki = resource.fields["spki"]  # of a key in an HSM token it is a reference: such a key is replaced
        if isinstance(spki, str) and spki in distrusted:
            when = f" on {distrusted[spki]}" if distrusted[spki] else ""
            credential = credential_of(resource.address)
            message = (
                f"credential {credential}: its key was revoked by somebody else{when}: make a new key and CSR"
            )
            severe = resource.subject not in held  # a held subject is granted nothing anyhow
            yield Finding("H01", "error" if severe else "warning", message, str(resource.subject))


def _burnt_keys(actual: Actual) -> Iterator[Finding]:
    """H03: a subject's key in an HSM token that may be somewhere else as well: whoever took it may still sign."""
    keys = (r for a, r in actual.resources.items() if a.startswith("hsm.key/") and r.facts["burnt"])
    for key in sorted(keys, key=lambda r: r.address):
        message = (
            f"key {key.address} may be somewhere else as well ({', '.join(key.facts['burnt'])}): find out who took"
            " it, and what was signed with it; it is destroyed, and where it is wanted another is made"
        )
        if not key.address.startswith("hsm.key/unknown/"):
            yield Finding("H03", "warning", message, str(key.subject))


def _missing_logins(changes: Sequence[Change], actual: Actual) -> Iterator[Finding]:
    """H02: a login role that is gone while its certificate is in force. A run that broke off leaves the same."""
    for change in sorted(changes, key=lambda c: c.address):
        if change.type != "vault.login" or change.action != "create" or change.subject is None:
            continue
        if _disarmed(change.subject, actual):
            message = (
                f"{change.subject} has no login although its entity stands: its first release was approved, or a"
                " run of ours broke off, or somebody took its logins away by hand; this plan makes them. Was that"
                " an emergency? Use `idac contain`: then it is held"
            )
            yield Finding("H02", "warning", message, str(change.subject))
        if _signed_in(change, actual):
            login = credential_of(change.address)
            message = (
                f"{change.subject} has no login {login} although its alias stands: a run of ours broke off, or"
                " somebody took it away by hand; this plan makes it again. Was that an emergency? Use"
                " `idac contain`: then it is held"
            )
            yield Finding("H02", "warning", message, str(change.subject))
        path = change.address.split("/", 1)[1]
        certificate = actual.resources.get(f"ca.certificate/{path}")
        if certificate is not None and certificate.facts.get("serials"):
            message = (
                f"login role {path} is gone while its certificate is in force: a run of ours broke off, or"
                " somebody took it away by hand; this plan makes it again. If that was an emergency, revoke the"
                " certificate or disable the entity: then the subject is held"
            )
            yield Finding("H02", "warning", message, str(change.subject))


def _signed_in(change: Change, actual: Actual) -> bool:
    """Whether a person's login by ID token is gone while its alias stands, in an entity that is enabled."""
    entity = actual.resources.get(f"vault.entity/{change.subject}")
    if entity is None or entity.fields["disabled"] or change.address in actual.resources:
        return False
    if not change.address.endswith(f".{SIGN_IN}"):
        return False
    alias = f"{TOKENS}{issuer_of(change.address)}:{(change.after or {}).get('bound_subject')}"
    return any(one.endswith(alias) for one in entity.fields["aliases"])


def _disarmed(subject: SubjectRef, actual: Actual) -> bool:
    """Whether a bot that is active in the server has nothing left to log in with."""
    entity = actual.resources.get(f"vault.entity/{subject}")
    if entity is None or entity.fields["disabled"] or f"ca.issuer/{subject}" not in actual.resources:
        return False
    return not any(r.subject == subject and r.type == "vault.login" for r in actual.resources.values())
