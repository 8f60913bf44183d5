"""The model of the target systems that unit tests compare states with, as providers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from reconciler.errors import Rejected, TargetError, Unreachable
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Proof
from reconciler.model.resource import Actual, Address, Fields, Observation, Resource
from reconciler.providers.protocol import Known, Prover, Reader, Writer, desired_of
from tests.unit.world import NOW, advance, crl, key, stored

AUTHORITY = Resource("ca.authority", None, {}, {"certificate": "PEM", "sha256": "a", "spki": "b", "subject": "CA"})
KINDS = (
    "vault.entity",
    "vault.login",
    "vault.policy",
    "vault.token",
    "ca.certificate",
    "ca.issuer",
    "ca.profile",
    "ca.crl",
    "hsm.key",
)
NAMES = ("vault", "ca", "hsm")
THEIRS = {"name": "", "estate": "", "subject": "", "policies": [], "aliases": [], "disabled": False, "state": ""}


@dataclass(slots=True)
class InMemory:
    """`stage.Target` over a state."""

    estate: Estate
    state: Actual = field(default_factory=lambda: Actual({r.address: r for r in (AUTHORITY, crl())}))
    written: int = 0

    def readers(self) -> Mapping[str, Reader]:
        return {name: _Reader(name, self) for name in NAMES}

    def writers(self) -> Mapping[str, Writer]:
        return {name: _Writer(name, self) for name in NAMES}

    def provers(self) -> Mapping[str, Prover]:
        return {name: _Prover(name, self) for name in NAMES}

    def now(self) -> datetime:
        return NOW

    def writes(self) -> int:
        return self.written

    def deaf(self, name: str, error: type[TargetError]) -> Iterator[Reader]:
        yield _Reader(name, self, error("no answer"))

    def silence(self) -> Mapping[str, Prover]:
        return {name: _Prover(name, self, Unreachable("no answer")) for name in NAMES}

    def meddle(self, address: Address) -> None:
        kind, _, rest = address.partition("/")
        parts = rest.split("/")
        subject = (
            SubjectRef(parts[0], parts[1])
            if kind in ("vault.entity", "vault.login", "ca.certificate", "ca.issuer", "hsm.key")
            else None
        )
        facts = {"id": f"id-{subject.principal}"} if subject is not None else {}
        new = Resource(address, subject, THEIRS if kind == "vault.entity" else {}, facts)
        if kind == "hsm.key" and subject is not None:  # of a type that cannot become ours
            new = stored(key(subject, parts[2], parts[3]), algorithm="ed25519")
        there = self.state.resources.get(address, new)
        powers: Mapping[str, Fields] = {
            "vault.entity": {"policies": ["theirs"]},
            "vault.policy": {"document": "theirs"},
            "hsm.key": {"auto_rotate_period": 3600},
        }
        changed = replace(there, fields={**there.fields, **powers.get(kind, {"allow_any_name": True})})
        self.state = replace(self.state, resources={**self.state.resources, address: changed})


@dataclass(slots=True)
class _Reader:
    name: str
    target: InMemory
    error: TargetError | None = None

    def observe(self) -> Observation:
        if self.error is not None:
            raise self.error
        state = self.target.state
        mine = tuple(r for a, r in state.resources.items() if a.startswith(f"{self.name}."))
        return Observation(mine, tuple(state.holds.values()) if self.name == "vault" else ())

    def observe_subject(self, subject: SubjectRef) -> Observation:
        seen = self.observe()
        mine = tuple(r for r in seen.resources if r.subject == subject or r.address in ("ca.authority", "ca.crl"))
        return Observation(mine, tuple(h for h in seen.holds if h.subject == subject))


@dataclass(slots=True)
class _Writer:
    name: str
    target: InMemory

    def apply(self, change: Change, known: Known) -> Fields:
        if change.type not in KINDS or not change.address.startswith(f"{self.name}."):
            raise Rejected(f"{self.name} cannot {change.action} {change.address}")
        if change.action == "create":
            desired_of(change)
        there = self.target.state.resources.get(change.address)
        if not self._done(change, there):
            self._expected(change, there)
            self.target.state = advance(self.target.state, [change])
            self.target.written += 1
        now = self.target.state.resources.get(change.address)
        return {n: v for n, v in (now.facts if now is not None else {}).items() if n in ("id", "serial", "spki")}

    def _done(self, change: Change, there: Resource | None) -> bool:
        """Told before."""
        if change.action in ("delete", "revoke"):
            return there is None and change.type != "vault.token"
        if change.desired is None or there is None:
            return False
        own = {n: v for n, v in change.desired.fields.items() if not isinstance(v, dict)}
        return (
            all(there.fields.get(n) == v for n, v in own.items())
            and there.fields.keys() == change.desired.fields.keys()
        )

    def _expected(self, change: Change, there: Resource | None) -> None:
        gives = change.desired is not None and "/orphan/" not in (change.actual.address if change.actual else "")
        before = change.actual.fields if change.actual is not None else None
        if gives and (there.fields if there is not None else None) != before:
            raise Rejected(f"{change.address}: it changed since it was observed")


@dataclass(slots=True)
class _Prover:
    name: str
    target: InMemory
    error: TargetError | None = None

    def prove(self, contained: Sequence[Change], known: Known) -> tuple[Proof, ...]:
        asked = [c for c in contained if c.subject is not None]
        subjects: dict[SubjectRef, None] = dict.fromkeys(c.subject for c in asked if c.subject is not None)
        return tuple(self._proof(subject) for subject in subjects)

    def _proof(self, subject: SubjectRef) -> Proof:
        if self.error is not None:
            return Proof(subject, self.name, "failed", str(self.error))
        there = [
            r
            for a, r in self.target.state.resources.items()
            if r.subject == subject and a.startswith(f"{self.name}.") and not r.fields.get("disabled")
        ]
        return Proof(subject, self.name, "failed" if there else "proved", f"{len(there)} things left")
