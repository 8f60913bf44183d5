"""Asks the live CA and cert auth afresh whether a contained subject's certificates still count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.clock import stamp
from reconciler.errors import IdacError
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Proof
from reconciler.model.resource import Fields
from reconciler.providers.ca import store
from reconciler.providers.ca.authority import issuer
from reconciler.providers.ca.probe import probe
from reconciler.providers.ca.resources import RUNTIME_KIND, issuer_role
from reconciler.providers.ca.revocation import CrlKeeper, Published, accepted, published
from reconciler.providers.ca.revoker import Revoker
from reconciler.providers.ca.runtime import live_named
from reconciler.providers.protocol import CertificateLogin, Clients, Known
from reconciler.x509 import join_pem, ocsp_request, read_certificate, read_ocsp

OCSP = "application/ocsp-request"


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What was fetched afresh, once for all subjects."""

    authority: str
    lists: Published
    at_login: frozenset[str]
    marks: Mapping[str, Mapping[str, str]]
    now: str


class CaProver:
    """One proof per subject for each of: CRL, OCSP, cert auth's lists, the delivery, and the probe."""

    def __init__(
        self,
        clients: Clients,
        estate: Estate,
        certificate_login: CertificateLogin,
        clock: Callable[[], str] = stamp,
    ) -> None:
        self._clients, self._estate, self._login, self._clock = clients, estate, certificate_login, clock

    def prove(self, contained: Sequence[Change], known: Known) -> tuple[Proof, ...]:
        """Proofs about every subject that lost something. A failure to ask is a `failed` Proof."""
        subjects: dict[SubjectRef, list[Change]] = {}
        for change in contained:
            if not change.asks:
                subjects.setdefault(_subject(change), []).append(change)
        if not subjects:
            return ()
        try:
            evidence = self._look()
        except IdacError as error:
            return tuple(Proof(s, "ca", "failed", f"the CA could not be asked: {error}") for s in subjects)
        probed = self._probe(evidence.authority)
        return tuple(p for s, changes in subjects.items() for p in self._subject(s, changes, evidence, probed))

    def _look(self) -> _Evidence:
        plan, estate = self._clients("plan"), self._estate
        authority = issuer(plan, estate)
        at_login = frozenset[str]().union(*accepted(plan, estate).values())
        return _Evidence(
            authority,
            published(plan, estate, authority),
            at_login,
            store.marks(plan, estate),
            self._clock(),
        )

    def _subject(
        self, subject: SubjectRef, changes: Sequence[Change], evidence: _Evidence, probed: tuple[bool, str, Fields]
    ) -> Iterator[Proof]:
        if any(c.type == "ca.issuer" for c in changes) or (subject.kind == RUNTIME_KIND and _whole(changes)):
            yield from self._fetching(subject)
        serials = _serials(subject, changes, evidence)
        if not serials and not any(c.type == "ca.certificate" for c in changes):
            return
        said = {"serials": serials}
        missing = [s for s in serials if s not in evidence.lists.serials]
        crl = evidence.lists.full.number
        yield _proof(subject, "ca.crl", missing, f"every serial is in CRL {crl}", "not in the CRL", said)
        let_in = [s for s in serials if s not in evidence.at_login]
        yield _proof(subject, "ca.login", let_in, "cert auth refuses every serial", "not refused", said)
        yield self._ocsp(subject, serials, evidence)
        yield self._delivery(subject, changes, serials)
        refused, detail, more = probed
        yield Proof(subject, "ca.probe", "proved" if refused else "failed", detail, more)

    def _fetching(self, subject: SubjectRef) -> Iterator[Proof]:
        """That the bot can fetch no certificate any more, and that none it fetched is live."""
        plan, estate = self._clients("plan"), self._estate
        role = f"{estate.mounts.pki}/roles/{issuer_role(estate, subject)}"
        try:
            standing = [role] if plan.read(role).found else []
            live = live_named(plan, estate, subject, self._clock())
        except IdacError as error:
            yield Proof(subject, "ca.issuer", "failed", f"it could not be asked: {error}")
            return
        yield _proof(subject, "ca.issuer", standing, "no issuer of its own is there", "still there", {})
        yield _proof(subject, "ca.runtime", live, "no certificate that it fetched is live", "still live", {})

    def _delivery(self, subject: SubjectRef, changes: Sequence[Change], serials: Sequence[str]) -> Proof:
        """Whoever loses everything is delivered nothing; whoever loses one certificate, nothing but good ones."""
        whole = _whole(changes)
        plan, estate = self._clients("plan"), self._estate
        try:
            own = store.names(plan, estate, subject)
            left = [n for n in own if whole or store.read_entry(plan, estate, n).serial in ("", *serials)]
        except IdacError as error:
            return Proof(subject, "ca.delivery", "failed", f"it could not be asked: {error}")
        good = "no certificate is delivered" if whole else "no revoked certificate is delivered"
        return _proof(subject, "ca.delivery", left, good, "still delivered", {})

    def _ocsp(self, subject: SubjectRef, serials: Sequence[str], evidence: _Evidence) -> Proof:
        try:
            good = [s for s in serials if self._status(s, evidence.authority) != "revoked"]
        except IdacError as error:
            return Proof(subject, "ca.ocsp", "failed", str(error), {"serials": serials})
        said = {"serials": serials}
        return _proof(subject, "ca.ocsp", good, "OCSP says revoked for every serial", "not revoked", said)

    def _status(self, serial: str, authority: str) -> str:
        plan, pki = self._clients("plan"), self._estate.mounts.pki
        answer = plan.read(f"{pki}/cert/{serial}")
        if not answer.found:
            return "the CA does not have it"
        pem = join_pem(str(answer.data["certificate"]))
        if read_certificate(pem).not_after <= self._clock():
            return "revoked"  # ended since: nothing accepts it
        body = ocsp_request(pem, authority)
        return read_ocsp(plan.fetch(f"{pki}/ocsp", body=body, content_type=OCSP), pem, authority).status

    def _probe(self, authority: str) -> tuple[bool, str, Fields]:
        revoker = Revoker(self._clients, self._estate, "probe", self._clock)
        keeper = CrlKeeper(self._clients, self._estate)
        try:
            return probe(self._clients("contain"), self._estate, authority, self._login, revoker, keeper)
        except IdacError as error:
            return False, f"the probe could not be carried through: {error}", {}


def _subject(change: Change) -> SubjectRef:
    """The change's subject; what belongs to none is named by its group, as apply names it."""
    if change.subject is not None:
        return change.subject
    kind, _, name = change.group.partition("/")
    return SubjectRef(kind, name)


def _whole(changes: Sequence[Change]) -> bool:
    return any(c.whole for c in changes)


def _serials(subject: SubjectRef, changes: Sequence[Change], evidence: _Evidence) -> list[str]:
    """What this plan revoked, and what we marked for this subject before and has not ended by itself."""
    named = {s for c in changes if c.type == "ca.certificate" for s in (c.before or {}).get("serials") or ()}
    marked = {s for s, said in evidence.marks.items() if said.get("subject") == str(subject)}
    ended = {s for s, said in evidence.marks.items() if "" < said.get("not_after", "") <= evidence.now}
    return sorted((named | marked) - ended)


def _proof(subject: SubjectRef, system: str, wrong: Sequence[str], good: str, bad: str, said: Fields) -> Proof:
    if wrong:
        return Proof(subject, system, "failed", f"{bad}: {', '.join(wrong)}", said)
    return Proof(subject, system, "proved", good, said)
