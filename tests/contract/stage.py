"""What the contract is played on: providers over one target, and the ways to disturb it from outside.

`OnServer` is the real thing, `InMemory` the model that unit tests compare states with. Both keep the same
promises, or the unit tests would prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import count
from typing import Any, Protocol

import reconciler.providers.ca.resources as ca
import reconciler.providers.hsm.resources as hsm
import reconciler.providers.vault.resources as vault
from reconciler.diff import diff
from reconciler.errors import TargetError
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Actual, Address, Desired, Resource
from reconciler.observe import observe
from reconciler.providers.protocol import Prover, Reader, Writer
from reconciler.providers.vault.policies import OWN_KEYS, RUNTIME
from reconciler.x509 import new_key_and_csr, read_csr

PROFILE = ca.Profile("mtls", ("bot",), 12 * 3600)
FETCHED = ca.Profile("fetched", ("bot",), 600)
PATHS = {"desk/data/fx/*": ("read",)}
_NUMBERS = count(1)


class Target(Protocol):
    """One target system with its providers, by name (`vault`, `ca`, `hsm`)."""

    estate: Estate

    def readers(self) -> Mapping[str, Reader]: ...

    def writers(self) -> Mapping[str, Writer]: ...

    def provers(self) -> Mapping[str, Prover]: ...

    def now(self) -> datetime: ...

    def writes(self) -> int:
        """Writing calls so far."""
        ...

    def deaf(self, name: str, error: type[TargetError]) -> Iterator[Reader]:
        """The provider's reader once for each question it asks: that one question is answered with the error."""
        ...

    def silence(self) -> Mapping[str, Prover]:
        """The provers of a target that answers nothing."""
        ...

    def meddle(self, address: Address) -> None:
        """Somebody else changes what stands at this address, or puts something of theirs where nothing stands."""
        ...


@dataclass(slots=True)
class Stage:
    """A target and what its manifests say. Every test brings a subject of its own."""

    target: Target
    wanted: dict[SubjectRef, list[Resource]] = field(default_factory=dict)
    rules: list[Resource] = field(default_factory=list)
    known: dict[Address, dict[str, Any]] = field(default_factory=dict)
    looked_at: tuple[()] | tuple[SubjectRef, SubjectRef] = ()

    def __post_init__(self) -> None:
        estate = self.target.estate
        self.rules = [
            vault.role_policy(estate, "desk", PATHS),
            vault.grant_policy(estate, {"bot": [["desk"]]}),
            ca.profile(estate, PROFILE),
            ca.crl(),
        ]
        self.run()

    def joiner(self) -> SubjectRef:
        """Somebody new, with all that a subject can have to come: a bot, for only bots have logins by token."""
        subject = SubjectRef("bot", f"t{next(_NUMBERS)}")
        csr, spki = _request(str(subject))
        certificate = ca.certificate(
            self.target.estate, subject, "mtls", PROFILE, csr=csr, spki=spki, renew_before=14400, max_key_age=None
        )
        login = vault.cert_login(self.target.estate, subject, "mtls", certificate.fields["uri_san"])
        estate = self.target.estate
        key = hsm.key(estate, subject, "signing", estate.spec.hsm_tokens[0], "ec-p256", None)
        signing = ca.certificate(
            estate,
            subject,
            "signing",
            PROFILE,
            csr="",
            spki="",
            key=key.address,
            renew_before=14400,
            max_key_age=None,
        )
        uri = str(certificate.fields["uri_san"])
        alias = f"{estate.mounts.workload('spire')}:{uri}"
        entity = vault.entity(estate, subject, ["desk"], own=[OWN_KEYS, RUNTIME], aliases=[alias])
        release = vault.token_login(subject, "spire.1-0", sub=uri, audience="vault", claims={"/image": "sha256:1"})
        issuer = ca.issuer(estate, subject, FETCHED, uri)
        self.wanted[subject] = [entity, key, certificate, signing, login, release, issuer]
        return subject

    def settled(self) -> SubjectRef:
        """Somebody who has everything."""
        subject = self.joiner()
        self.run()
        return subject

    def standing(self) -> tuple[SubjectRef, SubjectRef]:
        """Two who have everything, for those who only look."""
        if not self.looked_at:
            self.looked_at = (self.settled(), self.settled())
        return self.looked_at

    def leave(self, subject: SubjectRef) -> None:
        del self.wanted[subject]

    def desired(self) -> Desired:
        resources = [*self.rules, *(r for mine in self.wanted.values() for r in mine)]
        return Desired({r.address: r for r in resources}, dict.fromkeys(self.wanted, "active"))

    def actual(self) -> Actual:
        seen = observe(list(self.target.readers().values()))
        for resource in seen.resources.values():
            self.known[resource.address] = {**self.known.get(resource.address, {}), **resource.facts}
        return seen

    def plan(self) -> list[Change]:
        return sorted(diff(self.desired(), self.actual(), self.target.now()), key=lambda c: c.order)

    def carry_out(self, changes: Sequence[Change]) -> None:
        writers = self.target.writers()
        for change in changes:
            evidence = writers[change.address.split(".", 1)[0]].apply(change, self.known)
            self.known.setdefault(change.address, {}).update(evidence)

    def run(self) -> list[Change]:
        changes = self.plan()
        self.carry_out(changes)
        return changes

    def until(self, wanted: Callable[[Change], bool]) -> Change:
        """Plan, carry out everything before the first such change, and hand that one over."""
        before: list[Change] = []
        for change in self.plan():
            if wanted(change):
                self.carry_out(before)
                return change
            before.append(change)
        raise AssertionError("no such change is planned")

    def mine(self, subject: SubjectRef, name: str) -> dict[Address, Resource]:
        """What one provider's part of the target holds of a subject."""
        there = self.actual().resources.values()
        return {r.address: r for r in there if r.subject == subject and r.address.startswith(f"{name}.")}


@cache
def _request(subject: str) -> tuple[str, str]:
    _, csr = new_key_and_csr(subject)
    return csr, read_csr(csr).spki
