"""A credential's certificate together with the key behind it, where that is in an HSM token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciler.diff import keys
from reconciler.diff.certificates import converge_certificate, rekey, replaced
from reconciler.diff.compare import answered, resolve
from reconciler.diff.containment import UNEXPLAINED
from reconciler.model.change import Change
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual, Address, Fields, Resource, credential_of


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of one active subject: what is wanted, and what of theirs stands."""

    subject: SubjectRef
    wanted: Mapping[Address, Resource]
    found: Mapping[Address, Resource]
    actual: Actual
    now: datetime

    def converge(self, certificate: Resource, there: Resource | None) -> Iterator[Change]:
        """Changes to a certificate, and to its key: a key whose token does not answer stays as it is."""
        after = resolve(certificate.fields, self.actual, there)
        key = self.wanted.get(certificate.facts.get("key", ""))
        if key is None or not answered(self.actual, key.address):
            yield from self._certify(certificate, after, there)
            return
        standing = self.found.get(key.address)
        why = keys.unfit(key, standing, self._distrusted())
        changed = list(keys.converge_key(self.subject, key, standing, why))
        yield from changed
        if why:  # what its new key will be nobody knows yet
            yield from replaced(self.subject, certificate, self._unresolved(certificate, after), there, why)
            return
        older = standing.facts["versions"].values() if standing is not None else ()
        made = list(self._certify(certificate, after, there, older))
        quiet = not changed and all(c.routine for c in made)
        if standing is not None and there is not None and quiet and keys.too_old(key, standing, self.now):
            renewal = keys.renew(self.subject, key, standing)
            yield renewal
            unknown = self._unresolved(certificate, after)
            made = list(rekey(self.subject, certificate, unknown, there, renewal.reason))
        yield from made
        if standing is not None:
            yield from keys.retire(self.subject, standing, there, made)

    def superfluous(self, extras: Sequence[Resource], made: Sequence[Change]) -> Iterator[Change]:
        """Keys that no manifest asks for go, once no certificate of theirs stays good."""
        for key in (r for r in extras if r.type == "hsm.key"):
            address = f"ca.certificate/{self.subject}/{credential_of(key.address)}"
            if not keys.still_needed(key, self.found.get(address), made):
                # Of a credential that stays, time decides: it moved to another token, and its overlap ended.
                overdue = address in self.wanted and all(c.routine for c in made if c.address == address)
                yield keys.destroy(self.subject, key, UNEXPLAINED, routine=overdue)

    def _certify(
        self, certificate: Resource, after: Fields, there: Resource | None, older: Sequence[str] = ()
    ) -> Iterator[Change]:
        orphans = [r for r in self.found.values() if "/orphan/" in r.address]
        yield from converge_certificate(self.subject, certificate, after, there, orphans, self.now, older)

    def _unresolved(self, certificate: Resource, after: Fields) -> Fields:
        return {**after, "spki": certificate.fields["spki"]}

    def _distrusted(self) -> frozenset[str]:
        """Keys whose certificates somebody else revoked."""
        return frozenset(self.actual.distrusted) | {r.spki for r in self.actual.revocations if r.spki}
