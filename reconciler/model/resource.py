"""Resources: desired and actual state in one shape, so that comparing them is one question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.manifest import Finding, Lifecycle, SubjectRef

# JSON-like and public: str, int, bool, None, list, dict. No floats (digests), no secrets (ever).
Value = Any
Fields = Mapping[str, Value]
Address = str  # "<provider>.<type>/<path>", such as "ca.certificate/trader/jdoe/mtls"


def resource_type(address: Address) -> str:
    """`ca.certificate/trader/jdoe/mtls` -> `ca.certificate`."""
    return address.split("/", 1)[0]


def credential_of(address: Address) -> str:
    """`ca.certificate/trader/jdoe/mtls`, `hsm.key/trader/jdoe/mtls/trade` -> `mtls`; an orphan's is its serial."""
    parts = address.split("/")
    return parts[3] if len(parts) > 3 else parts[-1]


def issuer_of(login: Address) -> str:
    """Whose tokens log in: `vault.login/bot/mm/spire.1-0` -> `spire`."""
    return credential_of(login).partition(".")[0]


def ref(address: Address, name: str) -> dict[str, str]:
    """A value that is only known once `address` stands: `{ref: address#name}` in plans."""
    return {"ref": f"{address}#{name}"}


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing in a target system.

    `fields` are managed: desired and actual are equal when these are. `facts` are not compared: on the
    desired side what a writer needs besides (a CSR), on the actual side what was seen besides (an id, a
    serial, dates). Both are public: plans and records may show them.
    """

    address: Address
    subject: SubjectRef | None
    fields: Fields
    facts: Fields = field(default_factory=dict)

    @property
    def type(self) -> str:
        """The provider's name for this sort of resource, such as `vault.entity`."""
        return resource_type(self.address)


BySubject = Mapping[SubjectRef | None, Sequence[Resource]]


def by_subject(resources: Iterable[Resource]) -> BySubject:
    """The resources of each subject, in their order; under None those that belong to nobody."""
    grouped: defaultdict[SubjectRef | None, list[Resource]] = defaultdict(list)
    for resource in resources:
        grouped[resource.subject].append(resource)
    return grouped


@dataclass(frozen=True, slots=True)
class Hold:
    """Somebody contained this subject and nobody has released it.

    A hold follows whoever it is: `person` (the manifest's personId; `algo:` and the algoId of a bot) and `keys`
    (SPKIs; of a workload what its issuer says of it) are theirs as known then.
    """

    subject: SubjectRef
    reason: str
    by: str
    at: str  # RFC 3339, UTC
    person: str = ""
    keys: frozenset[str] = frozenset()


ESTATE = "estate"  # the kind under which an estate's own hold stands


def is_freeze(hold: Hold) -> bool:
    """Whether the hold is on the estate itself: then nobody is granted anything."""
    return hold.subject.kind == ESTATE


@dataclass(frozen=True, slots=True)
class Revocation:
    """A certificate that somebody else revoked, or had cert auth refuse. `subject` is by its common name."""

    serial: str
    subject: SubjectRef | None
    spki: str
    at: str  # RFC 3339, UTC: when the CA revoked it; "" when it is only refused at login


@dataclass(frozen=True, slots=True)
class Core:
    """What the manifest of a frozen subject says without doubt: enough to take away what it no longer asks for."""

    entity: Resource  # with the desired policies
    credentials: frozenset[str] | None  # their names; None where they are in doubt
    ended: frozenset[str] = frozenset()  # names of what it says in so many words to be over
    whole: bool = True  # whether its aliases are sure too: those of a workload follow from more than its name


@dataclass(frozen=True, slots=True)
class Desired:
    """What the manifests ask for. Addresses are unique. A subject missing from `lifecycles` has no manifest."""

    resources: Mapping[Address, Resource]
    lifecycles: Mapping[SubjectRef, Lifecycle]
    previously: Mapping[SubjectRef, SubjectRef] = field(default_factory=dict)  # new name -> old name
    frozen: frozenset[SubjectRef] = frozenset()
    absence_is_intent: bool = True
    findings: tuple[Finding, ...] = ()
    reasons: Mapping[SubjectRef, str] = field(default_factory=dict)  # why suspended or left
    former: Mapping[SubjectRef, tuple[SubjectRef, ...]] = field(
        default_factory=dict
    )  # every former name, free or not
    persons: Mapping[SubjectRef, str] = field(default_factory=dict)  # personId, or algo
    cores: Mapping[SubjectRef, Core] = field(default_factory=dict)  # of frozen subjects


@dataclass(frozen=True, slots=True)
class Observation:
    """What one provider's reader saw in one pass. Complete, or the reader raises."""

    resources: tuple[Resource, ...] = ()
    holds: tuple[Hold, ...] = ()
    unmanaged: tuple[str, ...] = ()  # seen, not ours, never touched
    foreign: tuple[Finding, ...] = ()  # another estate's mark, or an alias held by another entity
    revocations: tuple[Revocation, ...] = ()  # by somebody else
    answered: Mapping[SubjectRef, str] = field(default_factory=dict)  # up to when its revocations were released
    distrusted: Mapping[str, str] = field(default_factory=dict)  # SPKI that somebody else revoked -> when
    target: Fields = field(
        default_factory=dict
    )  # identity of the target: cluster id, mount accessors, issuer SPKI
    freeze: Hold | None = None  # on the estate itself


@dataclass(frozen=True, slots=True)
class Actual:
    """What stands in the target systems. `unavailable` maps a provider to why it did not answer."""

    resources: Mapping[Address, Resource]
    holds: Mapping[SubjectRef, Hold] = field(default_factory=dict)
    unmanaged: tuple[str, ...] = ()
    foreign: tuple[Finding, ...] = ()
    target: Fields = field(default_factory=dict)
    unavailable: Mapping[str, str] = field(default_factory=dict)
    revocations: tuple[Revocation, ...] = ()
    answered: Mapping[SubjectRef, str] = field(default_factory=dict)
    distrusted: Mapping[str, str] = field(default_factory=dict)
    freeze: Hold | None = None
