"""Which certificates somebody else revoked, or had the login method refuse: each is an emergency.

A revocation of ours is noted in KV immediately before it. The CA says when it revoked, and the server when the
note was written; a note that was there long before, or came afterwards, explains nothing. It may be left over from
an attempt that failed, or be a thief's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reconciler.clock import rfc3339
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Revocation
from reconciler.providers.ca import store
from reconciler.providers.ca.authority import parsed, revoked_at
from reconciler.providers.ca.roles import RUNTIME_KIND
from reconciler.providers.protocol import Answer, Client
from reconciler.x509 import Certificate

BEFORE = timedelta(seconds=120)  # from the note to the revocation: longer than a silent run keeps its lock
AFTER = timedelta(seconds=2)  # one server's two readings of its clock, and two nodes' clocks
_PRINCIPAL = re.compile(r"\A([a-z]+)\.([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\Z")


@dataclass(frozen=True, slots=True)
class Suspects:
    """Revoked serials that matter, when the CA's lists say they were revoked, and our notes.

    `delivered` says whose the delivered ones are, with their SPKI: for those that the CA did not keep.
    """

    serials: Collection[str]
    times: Mapping[str, str]
    notes: Mapping[str, store.Note]
    delivered: Mapping[str, tuple[SubjectRef, str]]


def foreign_revocations(client: Client, estate: Estate, suspects: Suspects) -> tuple[Revocation, ...]:
    """Those of the revocations that are not ours. What the lists and the notes explain is not read at all."""
    doubtful = sorted(s for s in suspects.serials if not is_ours(s, suspects.times.get(s, ""), suspects.notes))
    answers = client.read_many(f"{estate.mounts.pki}/cert/{serial}" for serial in doubtful)
    pairs = zip(doubtful, answers, strict=True)
    return tuple(r for serial, (_, answer) in pairs for r in _judged(serial, answer, suspects))


def refused_at_login(
    client: Client, estate: Estate, live: Mapping[str, Certificate], at_login: Collection[str]
) -> Iterator[Revocation]:
    """Certificates that the CA calls good and cert auth refuses: somebody wanted them out, and told the door.

    The CA is asked about each of them again: another run may have revoked it since `live` was seen.
    """
    doubtful = sorted(live.keys() & set(at_login))
    answers = client.read_many(f"{estate.mounts.pki}/cert/{serial}" for serial in doubtful)
    for serial, (_, answer) in zip(doubtful, answers, strict=True):
        if not revoked_at(answer):
            yield Revocation(serial, named(live[serial]), live[serial].spki, "")


def named(certificate: Certificate) -> SubjectRef | None:
    """The subject that a certificate's common name says, whatever else it says."""
    found = _PRINCIPAL.match(certificate.common_name)
    return SubjectRef(*found.groups()) if found else None


def whose(certificate: Certificate, estate: Estate) -> SubjectRef | None:
    """Whose certificate an unexplained one is; None unless common name and URI agree on it.

    A bot's URI is what its manifest says, so its common name alone counts.
    """
    by_name = named(certificate)
    if by_name is not None and by_name.kind == RUNTIME_KIND:
        return by_name
    kind, dot, name = certificate.common_name.partition(".")
    uri = f"spiffe://{estate.spec.trust_domain}/{kind}/{name}"
    ours = dot and kind and name and "." not in name and certificate.uri_sans == (uri,)
    return SubjectRef(kind, name) if ours else None


def _judged(serial: str, answer: Answer, suspects: Suspects) -> Iterator[Revocation]:
    seconds = revoked_at(answer)
    told = rfc3339(datetime.fromtimestamp(seconds, UTC)) if seconds else ""
    at = suspects.times.get(serial) or told
    if is_ours(serial, at, suspects.notes):
        return
    if answer.found:
        certificate = parsed(answer)
        yield Revocation(serial, named(certificate), certificate.spki, at)
    else:
        subject, spki = suspects.delivered.get(serial, (None, ""))
        yield Revocation(serial, subject, spki, at)


def is_ours(serial: str, at: str, notes: Mapping[str, store.Note]) -> bool:
    """Whether a note of ours about this serial was written when it was revoked (`at`), and not at another time."""
    if serial not in notes or not at:
        return False
    revoked = datetime.fromisoformat(at)
    written = (datetime.fromisoformat(w) for w in notes[serial].written)
    return any(-AFTER <= revoked - moment <= BEFORE for moment in written)
