"""Giving one active subject exactly what its manifest says: no more, and no less."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from reconciler.diff.certificates import fits
from reconciler.diff.compare import answered, differing, resolve
from reconciler.diff.containment import UNEXPLAINED, contain, end_tokens, revoke
from reconciler.diff.credentials import Credentials
from reconciler.diff.identity import by_token
from reconciler.diff.issuers import converge_issuer, delete_issuer, is_fetched, revoke_fetched
from reconciler.diff.keys import deactivate
from reconciler.diff.logins import by_its_token, converge_login
from reconciler.model.change import Change, Phase
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual, Address, Core, Fields, Resource, credential_of

ORPHAN = "ca.certificate/orphan/"
TOKENS = "whoever logged in with what is taken is logged out"
# A live entity's lists: what is there and not desired is power to take away.
POWER = ("policies", "aliases")


def converge(
    subject: SubjectRef, wanted: Sequence[Resource], present: Sequence[Resource], actual: Actual, now: datetime
) -> Iterator[Change]:
    """Changes for one active subject that nobody holds."""
    found: Mapping[Address, Resource] = {r.address: r for r in present}
    adopted: set[Address] = set()
    made: list[Change] = []
    credentials = Credentials(subject, {r.address: r for r in wanted}, found, actual, now)
    for resource in wanted:
        if not answered(actual, resource.address):
            continue
        there = found.get(resource.address)
        match resource.type:
            case "ca.certificate":
                certified = list(credentials.converge(resource, there))
                adopted |= {c.actual.address for c in certified if c.actual is not None}
                made += certified
            case "hsm.key":
                pass  # with its certificate
            case "vault.entity":
                made += _converge_entity(subject, resource, resolve(resource.fields, actual, there), there)
            case "ca.issuer":
                after = resolve(resource.fields, actual)
                made += converge_issuer(subject, resource, after, found, actual.distrusted)
                adopted.add(f"ca.certificate/runtime/{subject}")  # explained; what is not was no part of it
            case _:
                made += converge_login(subject, resource, resolve(resource.fields, actual, there), there, found)
    yield from made
    extras = [r for r in present if r.address not in credentials.wanted and r.address not in adopted]
    removed = [c for r in extras if r.type != "hsm.key" for c in _remove(subject, r)]
    yield from removed
    yield from credentials.superfluous(extras, (*made, *removed))
    taken = [c for c in made if c.type == "ca.certificate" and c.action == "revoke" and not c.routine]
    taken += [c for c in made if c.type == "vault.login" and c.action == "delete"]
    taken += [c for c in made if _gives_name_back(c)]
    yield from _end_tokens(subject, (*taken, *removed), present)


def _end_tokens(subject: SubjectRef, taken: Sequence[Change], present: Sequence[Resource]) -> Iterator[Change]:
    """For each credential, and each unexplained certificate, that is taken from somebody who stays; and for all
    that they have, where they bore another's name."""
    entity = next((r for r in present if r.type == "vault.entity"), None)
    if entity is None or not any(r.type == "vault.login" for r in present):
        return  # nobody can have logged in
    gone = {credential_of(c.address) for c in taken if c.type == "vault.login"}
    if any(map(_gives_name_back, taken)):
        gone |= {credential_of(r.address) for r in present if r.type == "vault.login"}
    revoked = {credential_of(c.address): c for c in taken if c.type == "ca.certificate"}
    for credential in sorted(gone | revoked.keys()):
        before = revoked[credential].before if credential in revoked else None
        serials, login = list((before or {}).get("serials") or ()), credential in gone
        if serials or login:
            yield end_tokens(subject, entity, credential, TOKENS, login=login, serials=serials)


def narrow(subject: SubjectRef, core: Core | None, present: Sequence[Resource]) -> Iterator[Change]:
    """For a subject whose manifest has a fault: take what it no longer asks for all the same, and give nothing."""
    if core is None:
        return
    taken: list[Change] = []
    named: list[Change] = []
    own = [r for r in present if not r.address.startswith(ORPHAN) and not is_fetched(r)]
    delivered = {credential_of(r.address) for r in own if r.type == "ca.certificate" or by_its_token(r)}
    # A name that does not stand yet may be a new one for an old credential: then none is sure to be superfluous.
    sure = core.credentials is not None and core.credentials <= delivered
    for resource in own:
        credential = credential_of(resource.address)
        if resource.type == "vault.entity":
            doubtful = [] if core.whole else [a for a in resource.fields["aliases"] if by_token(a)]
            after = {**core.entity.fields, "aliases": [*core.entity.fields["aliases"], *doubtful]}
            narrowed = list(_narrow_entity(subject, core.entity, after, resource))
            yield from narrowed
            named += [c for c in narrowed if _gives_name_back(c)]
        elif credential in core.ended:
            taken += _remove(subject, resource)
        elif sure and resource.type != "ca.issuer" and credential not in (core.credentials or ()):
            key = resource.type == "hsm.key"  # not destroyed: the fault may be what makes it superfluous
            taken += deactivate(subject, resource, UNEXPLAINED) if key else _remove(subject, resource)
    yield from taken
    yield from _end_tokens(subject, (*taken, *named), present)


def _remove(subject: SubjectRef, extra: Resource) -> Iterator[Change]:
    if extra.type == "ca.issuer":
        yield delete_issuer(subject, extra, UNEXPLAINED)
    elif is_fetched(extra):
        yield revoke_fetched(subject, extra, UNEXPLAINED)
    elif extra.type == "ca.certificate":
        yield from revoke(subject, extra, UNEXPLAINED)
    elif extra.type == "vault.login":
        before = dict(extra.fields)
        yield Change(extra.address, subject, "delete", "contain", UNEXPLAINED, before=before, actual=extra)
    else:
        yield from contain(subject, [extra], UNEXPLAINED, remove=True, sealed=True)


def _converge_entity(
    subject: SubjectRef, desired: Resource, after: Fields, actual: Resource | None
) -> Iterator[Change]:
    if actual is None:
        yield _change(subject, desired, after, None, "grant", "the manifest asks for it")
        return
    narrowed = yield from _narrow_entity(subject, desired, after, actual)
    _, more = differing(narrowed, after)
    if more:
        onward = replace(actual, fields=narrowed)
        yield _change(subject, desired, after, onward, "grant", _widening(actual, more))


def _narrow_entity(
    subject: SubjectRef, desired: Resource, after: Fields, actual: Resource
) -> Generator[Change, None, dict[str, Any]]:
    """Take what is not desired; the fields that then stand.

    A name of this estate's that is another's is power too: policies name keys and certificates by their holder.
    """
    narrowed: dict[str, Any] = dict(actual.fields)
    for name in POWER:
        narrowed[name] = [v for v in actual.fields[name] if v in after[name]]
    own, name = str(after["name"]), str(actual.fields["name"])
    if name != own and name.startswith(own.removesuffix(subject.principal)):
        narrowed["name"] = own
    before, less = differing(actual.fields, narrowed)
    if less:
        lost = [f"no longer in {n}: {', '.join(_lost(before[n], less[n]))}" for n in less if n in POWER]
        reason = "; ".join(lost + [f"it bears a name that is not its own: {name}"] * ("name" in less))
        yield _change(subject, desired, narrowed, actual, "contain", reason)
    return narrowed


def _gives_name_back(change: Change) -> bool:
    return change.type == "vault.entity" and change.phase == "contain" and "name" in (change.after or {})


def _change(
    subject: SubjectRef | None,
    desired: Resource,
    after: Fields,
    actual: Resource | None,
    phase: Phase,
    reason: str,
) -> Change:
    made = Resource(desired.address, subject, after, desired.facts)
    if actual is None:
        return Change(desired.address, subject, "create", phase, reason, after=dict(after), desired=made)
    before, changed = differing(actual.fields, after)
    return Change(
        desired.address,
        subject,
        "update",
        phase,
        reason,
        before=before,
        after=changed,
        desired=made,
        actual=actual,
    )


def _lost(before: Sequence[str], after: Sequence[str]) -> list[str]:
    return [v for v in before if v not in after]


def _widening(actual: Resource, more: Mapping[str, Any]) -> str:
    if "disabled" in more:
        return "the manifest is active again, and nobody holds it"
    gained = [v for n in POWER if n in more for v in more[n] if v not in actual.fields[n]]
    return f"gains {', '.join(gained)}" if gained else f"restore {', '.join(sorted(more))}"


__all__ = ["UNEXPLAINED", "converge", "fits"]
