"""Sees the CA's part of the target, as planner: profiles, certificates, deliveries, revocation lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.clock import stamp
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Observation, Resource, Revocation
from reconciler.providers.ca import store
from reconciler.providers.ca.authority import PEM, Inventory, certificates, default_issuer, inventory, issuer
from reconciler.providers.ca.emergencies import Suspects, foreign_revocations, refused_at_login, whose
from reconciler.providers.ca.footing import undermined
from reconciler.providers.ca.resources import INTACT, PROBE_ROLE, PROBES
from reconciler.providers.ca.revocation import Published, accepted, crl_resource, readable, strange_lists
from reconciler.providers.ca.runtime import bot_of, fetched, issuer_address, issuer_of, role_seen
from reconciler.providers.protocol import Client
from reconciler.x509 import Certificate, join_pem, read_certificate


@dataclass(frozen=True, slots=True)
class _Seen:
    """One pass over the target."""

    now: str
    inventory: Inventory
    live: frozenset[str]
    refused: frozenset[str]  # revoked, not expired
    entries: Mapping[str, store.Entry]
    parsed: Mapping[str, Certificate]  # the live and the delivered ones
    at_login: frozenset[str]  # what cert auth refuses
    lists: Published | None  # what the CA publishes, if it verifies
    foreign: tuple[Revocation, ...]  # what somebody else revoked


class CaReader:
    """Reads each collection once, and each live certificate itself: listings do not show its key or URI."""

    name = "ca"

    def __init__(self, client: Client, estate: Estate, clock: Callable[[], str] = stamp) -> None:
        self._client, self._estate, self._clock = client, estate, clock

    def observe(self) -> Observation:
        """Everything the CA holds for this estate. Raises `TargetError`."""
        default = default_issuer(self._client, self._estate)
        authority = join_pem(str(default[PEM]))
        own = read_certificate(authority)
        seen = self._look(own.serial, authority)
        roles = tuple(self._roles())
        resources = [*_issuer(own, authority, seen), *roles]
        explained: set[str] = set()
        unmanaged = list(strange_lists(self._client, self._estate))
        for name, entry in sorted(seen.entries.items()):
            owner = store.owner(name)
            if owner is None:
                unmanaged.append(f"{self._estate.mounts.kv}/{store.CERTIFICATES}/{name}")
            elif entry.serial:
                resource = _delivered(owner, entry, seen, self._estate)
                explained |= {entry.serial, entry.custom.get("previous", "")} & set(resource.facts["serials"])
                resources.append(resource)
        for runtime in self._fetched(seen, explained, roles, authority):
            explained |= set(runtime.facts["serials"])
            resources.append(runtime)
        resources += self._orphans(seen, explained)
        live = {s: c for s, c in seen.parsed.items() if s in seen.live}
        refused = refused_at_login(self._client, self._estate, live, seen.at_login)
        return Observation(
            tuple(resources),
            unmanaged=tuple(unmanaged),
            foreign=tuple(undermined(self._client, self._estate, default)),
            target={"issuer_spki": own.spki},
            revocations=(*seen.foreign, *refused),
        )

    def observe_subject(self, subject: SubjectRef) -> Observation:
        """One subject's deliveries, every live certificate with its common name, and the revocation lists.

        Who revoked what is not asked: whatever stands is to be found. Raises `TargetError`.
        """
        authority = issuer(self._client, self._estate)
        own = read_certificate(authority)
        seen = self._look_at(subject, own.serial, authority)
        resources = [*_issuer(own, authority, seen), *issuer_of(self._client, self._estate, subject)]
        for name, entry in sorted(seen.entries.items()):
            credential = name.removeprefix(f"{subject.principal}.")
            if entry.serial:
                resources.append(_delivered((subject, credential), entry, seen, self._estate))
            else:  # a run broke off before it said what it had delivered
                resources.append(Resource(f"ca.certificate/{subject}/{credential}", subject, {}, {"serials": ()}))
        explained = {serial for r in resources for serial in r.facts.get("serials") or ()}
        named = (r for r in self._orphans(seen, explained) if r.facts["common_name"] == subject.principal)
        resources += (Resource(r.address, subject, r.fields, r.facts) for r in named)
        return Observation(tuple(resources), target={"issuer_spki": own.spki})

    def _look_at(self, subject: SubjectRef, own: str, authority: str) -> _Seen:
        now = self._clock()
        there = inventory(self._client, self._estate, subject.principal)
        entries = store.deliveries_of(self._client, self._estate, subject)
        wanted = {s for s in there.named if _good(s, there.ends[s], there, now)} | {
            s for e in entries.values() for s in (e.serial, e.custom.get("previous", "")) if s in there.ends
        }
        read = {c.serial: c for c in certificates(self._client, self._estate, sorted(wanted))}
        at_login = frozenset[str]().union(*accepted(self._client, self._estate).values())
        lists = readable(self._client, self._estate, authority)
        live = there.live(now) - {own}
        return _Seen(now, there, live, there.refused(now), entries, read, at_login, lists, ())

    def _look(self, own: str, authority: str) -> _Seen:
        now = self._clock()
        there = inventory(self._client, self._estate)
        entries = store.deliveries(self._client, self._estate)
        named = {e.serial for e in entries.values()} | {e.custom.get("previous", "") for e in entries.values()}
        wanted = [s for s, end in there.ends.items() if s != own and (s in named or _good(s, end, there, now))]
        read = {c.serial: c for c in certificates(self._client, self._estate, wanted)}
        at_login = frozenset[str]().union(*accepted(self._client, self._estate).values())
        lists = readable(self._client, self._estate, authority)
        refused = there.refused(now)
        times = lists.times if lists is not None else {}
        delivered = {
            e.serial: (o[0], e.custom.get("spki", "")) for n, e in entries.items() if (o := store.owner(n))
        }
        # What is delivered counts even after its end: it may be that no run looked before.
        serials = refused | (delivered.keys() & there.revoked)
        suspects = Suspects(serials, times, store.notes(self._client, self._estate), delivered)
        foreign = foreign_revocations(self._client, self._estate, suspects)
        return _Seen(now, there, there.live(now) - {own}, refused, entries, read, at_login, lists, foreign)

    def _fetched(
        self, seen: _Seen, explained: set[str], roles: Sequence[Resource], authority: str
    ) -> Iterator[Resource]:
        """What bots fetched for themselves, where their roles explain it."""
        issuers = {r.subject: r.fields for r in roles if r.subject is not None}
        serials = seen.live - explained if issuers else ()
        rest = [seen.parsed[serial] for serial in serials if serial in seen.parsed]
        return fetched(self._client, self._estate, rest, issuers, authority)

    def _roles(self) -> Iterator[Resource]:
        """Certificate profiles, and the bots' own issuers."""
        roles = f"{self._estate.mounts.pki}/roles"
        names = [name for name in self._client.list(roles).keys if name != PROBE_ROLE]
        answers = self._client.read_many(f"{roles}/{name}" for name in names)
        for name, (_, answer) in zip(names, answers, strict=True):
            if answer.found:
                subject = bot_of(name, self._estate)
                address = issuer_address(subject) if subject is not None else f"ca.profile/{name}"
                yield Resource(address, subject, role_seen(answer.data))

    def _orphans(self, seen: _Seen, explained: set[str]) -> Iterator[Resource]:
        for serial in sorted(seen.live - explained):
            certificate = seen.parsed.get(serial)
            if certificate is None or (certificate.common_name in PROBES and not certificate.uri_sans):
                continue
            facts = {n: v for n, v in _facts(certificate).items() if n != "fingerprint"} | _names(certificate)
            subject = whose(certificate, self._estate)
            yield Resource(f"ca.certificate/orphan/{serial}", subject, {}, facts)


def _issuer(own: Certificate, authority: str, seen: _Seen) -> Iterator[Resource]:
    """The issuing certificate, and the state of the revocation lists."""
    facts = {"certificate": authority, "sha256": own.fingerprint, "spki": own.spki, "subject": own.subject}
    yield Resource("ca.authority", None, {}, facts)
    yield crl_resource(seen.lists, seen.at_login, seen.inventory, seen.now)


def _good(serial: str, end: str, there: Inventory, now: str) -> bool:
    return end > now and serial not in there.revoked


def _delivered(owner: tuple[SubjectRef, str], entry: store.Entry, seen: _Seen, estate: Estate) -> Resource:
    """One delivery joined with the certificate that it names and with what was revoked."""
    subject, credential = owner
    custom, current = entry.custom, seen.parsed.get(entry.serial)
    previous = custom.get("previous", "")
    chain = [s for s in (entry.serial, previous) if s in seen.live and _belongs(seen.parsed.get(s), subject)]
    sound = entry.sound and _describes(custom, subject, current)
    lost = current is None and custom.get("not_after", "") > seen.now
    if sound and lost and entry.serial not in seen.inventory.revoked:
        chain.insert(0, entry.serial)  # the CA did not keep it, and it is as good as any other
    names = _names(current) if current is not None else _recorded(entry, subject, seen, estate)
    fields = {
        "profile": custom.get("profile"),
        "profile_digest": custom.get("profile_digest"),
        **names,
        "entity": custom.get("entity"),
        "delivery": INTACT if entry.intact else "altered",
        "record": INTACT if sound else "altered",
    }
    dates = {n: custom.get(n, "") for n in ("serial", "fingerprint", "not_before", "not_after")}
    facts: dict[str, Any] = {
        **(_facts(current) if current is not None else dates),
        "issued_at": custom.get("issued_at", ""),
        "key_since": custom.get("key_since", ""),
        "key": custom.get("key", ""),
        "revoked": _revoked(entry.serial, previous, seen),
        "serials": chain,
        "previous": previous or None,
        "previous_until": custom.get("previous_until") or None,
    }
    return Resource(f"ca.certificate/{subject}/{credential}", subject, fields, facts)


def _describes(custom: Mapping[str, str], subject: SubjectRef, certificate: Certificate | None) -> bool:
    """Whether the record says of the certificate what the certificate says, as far as that can still be asked."""
    if custom.get("subject") != str(subject) or not {"issued_at", "key_since"} <= custom.keys():
        return False
    own = ("fingerprint", "spki", "not_before", "not_after")
    return certificate is None or all(custom.get(name) == getattr(certificate, name) for name in own)


def _belongs(certificate: Certificate | None, subject: SubjectRef) -> bool:
    """An entry altered to name another subject's serial must not lead us to revoke that one."""
    return certificate is not None and certificate.common_name == subject.principal


def _revoked(current: str, previous: str, seen: _Seen) -> str:
    """Who revoked: a certificate in its overlap counts like the current one."""
    revoked = [
        s for s in (current, previous) if s in seen.refused or (s == current and s in seen.inventory.revoked)
    ]
    if any(r.serial in revoked for r in seen.foreign):
        return "foreign"
    return "ours" if current in revoked else "no"


def _recorded(entry: store.Entry, subject: SubjectRef, seen: _Seen, estate: Estate) -> dict[str, str | None]:
    """Names of a certificate that the CA no longer has. Tidied after its end: as recorded. Before: unknown."""
    if not "" < entry.custom.get("not_after", "") <= seen.now:
        return {"spki": None, "common_name": None, "uri_san": None}
    uri = f"spiffe://{estate.spec.trust_domain}/{subject}"
    return {"spki": entry.custom.get("spki"), "common_name": subject.principal, "uri_san": uri}


def _names(certificate: Certificate) -> dict[str, str | None]:
    uri = " ".join(certificate.uri_sans)
    return {"spki": certificate.spki, "common_name": certificate.common_name, "uri_san": uri}


def _facts(certificate: Certificate) -> dict[str, str]:
    return {n: getattr(certificate, n) for n in ("serial", "fingerprint", "not_before", "not_after")}
