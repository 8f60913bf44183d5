"""What bots fetch for themselves: their PKI roles, and the live certificates that those explain.

No delivery tells of these certificates. Each has a mark in its subject that no other PKI role of ours may give
(`resources.RUNTIME_OU`), lives an hour at most, and says in every other respect what its bot's role says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.errors import CryptoError
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Fields, Resource
from reconciler.providers.ca import store
from reconciler.providers.ca.authority import PEM, inventory
from reconciler.providers.ca.emergencies import named
from reconciler.providers.ca.resources import (
    BACKDATE,
    EXT_KEY_USAGE_FLAGS,
    EXT_KEY_USAGES,
    LONGEST_RUNTIME,
    ROLE_FIELDS,
    RUNTIME_KIND,
    RUNTIME_OU,
    SLACK,
    issuer_role,
)
from reconciler.providers.dialect import shown
from reconciler.providers.protocol import Client
from reconciler.x509 import Certificate, Expected, deviations, join_pem


def bot_of(role: str, estate: Estate) -> SubjectRef | None:
    """Whose PKI role that is, by its name; None for any other role."""
    name = role.removeprefix(f"{estate.prefix}{RUNTIME_KIND}.")
    subject = SubjectRef(RUNTIME_KIND, name)
    return subject if name and "." not in name and role == issuer_role(estate, subject) else None


def issuer_address(subject: SubjectRef) -> str:
    """`ca.issuer/bot/mm`."""
    return f"ca.issuer/{subject}"


def runtime_address(subject: SubjectRef) -> str:
    """Of all that a bot fetched and that is live."""
    return f"ca.certificate/runtime/{subject}"


def issuer_of(client: Client, estate: Estate, subject: SubjectRef) -> Iterator[Resource]:
    """The subject's own PKI role, if it has one."""
    answer = client.read(f"{estate.mounts.pki}/roles/{issuer_role(estate, subject)}")
    if answer.found:
        yield Resource(issuer_address(subject), subject, role_seen(answer.data))


def role_seen(role: Mapping[str, Any]) -> Fields:
    """The managed fields of a PKI role as GET shows it."""
    return {field: shown(role, field) for field in ROLE_FIELDS}


def fetched(
    client: Client,
    estate: Estate,
    unexplained: Collection[Certificate],
    roles: Mapping[SubjectRef, Fields],
    ca: str,
) -> Iterator[Resource]:
    """The certificates that a bot's standing role explains, one resource a bot. `ca` is the issuer's PEM."""
    mine: dict[SubjectRef, list[Certificate]] = {}
    for certificate in unexplained:
        subject = named(certificate)
        if subject is not None and subject in roles:
            mine.setdefault(subject, []).append(certificate)
    for subject, several in sorted(mine.items()):
        expected = _expected(subject, roles[subject])
        if expected is None:
            continue
        paths = {f"{estate.mounts.pki}/cert/{c.serial}": c for c in several}
        fit = [
            paths[path].serial
            for path, answer in client.read_many(paths)
            if answer.found and _fits(join_pem(str(answer.data.get(PEM))), ca, expected, paths[path].spki)
        ]
        if fit:
            keys = sorted({c.spki for c in several if c.serial in fit})
            facts = {"serials": sorted(fit), "uri_san": expected.uri_san, "keys": keys}
            yield Resource(runtime_address(subject), subject, {}, facts)


def live_named(client: Client, estate: Estate, subject: SubjectRef, now: str) -> list[str]:
    """The serials of every live certificate with the subject's common name that no delivery of its explains."""
    there = inventory(client, estate, subject.principal)
    found = there.live(now) & there.named
    entries = (store.read_entry(client, estate, name) for name in store.names(client, estate, subject))
    delivered = {s for entry in entries for s in (entry.serial, entry.custom.get("previous", ""))}
    return sorted(found - delivered)


def _fits(pem: str, authority: str, expected: Expected, spki: str) -> bool:
    """Whatever key it has: that is the bot's own matter."""
    try:
        return not deviations(pem, authority, replace(expected, spki=spki))
    except CryptoError:
        return False


def _expected(subject: SubjectRef, role: Fields) -> Expected | None:
    """What a certificate of that role looks like; None when the role itself is not one of a bot."""
    uris, units = role.get("allowed_uri_sans") or [], role.get("ou") or []
    if len(uris) != 1 or "*" in uris[0] or RUNTIME_OU not in units:
        return None
    flags = [EXT_KEY_USAGES[name] for name, flag in EXT_KEY_USAGE_FLAGS.items() if role.get(flag)]
    return Expected(
        spki="",
        common_name=subject.principal,
        uri_san=uris[0],
        key_usages=tuple(role.get("key_usage") or ()),
        ext_key_usages=(*flags, *(role.get("ext_key_usage_oids") or ())),
        policy_oids=tuple(role.get("policy_identifiers") or ()),
        longest=LONGEST_RUNTIME + BACKDATE + SLACK,
        subject={"organization": tuple(role.get("organization") or ()), "ou": tuple(units)},
    )
