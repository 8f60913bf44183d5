"""Manifests: what people wrote, and where they wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

Severity = Literal["error", "warning", "info"]
Lifecycle = Literal["active", "suspended", "left"]
ALGO = "algo:"  # before an algoId, where a personId stands for people; no personId has a colon
# The lifecycle on a day, and why. A manifest says it; an invalid one may still say it.
Life = Callable[[date], tuple[Lifecycle, str]]


class Origin(NamedTuple):
    """A place in a manifest file. `line` and `column` count from 1; `path` is relative to `idac.yaml`."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


Steps = tuple[str | int, ...]  # from a document's root to a value, such as ("spec", "roles", 0)


class Places(Protocol):
    """A file that can tell where its values stand."""

    def places(self, wanted: Sequence[tuple[int, Steps]]) -> Sequence[Origin]:
        """Where each value stands, by document index and steps; its nearest parent where it is not there."""
        ...


class Unplaced(Origin):
    """A place that is not looked up yet, and meanwhile the beginning of its document: see `placed`."""

    source: Places
    document: int
    steps: Steps


class SubjectRef(NamedTuple):
    """Names a subject. `kind` is lower case (`trader`), `name` a DNS label."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def principal(self) -> str:
        """The name other systems know: common name of every certificate, and every alias (`trader.jdoe`)."""
        return f"{self.kind}.{self.name}"


class Spec(BaseModel):
    """Base of every kind's `spec`: unknown fields are errors, nothing is coerced, nothing mutates."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One valid document. `document` is its index within the file, from 0."""

    kind: str
    name: str
    spec: Spec
    origin: Origin
    document: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    previously: tuple[str, ...] = ()
    source: Places | None = field(default=None, compare=False, repr=False)
    ref: SubjectRef = field(init=False, compare=False, repr=False)  # what other manifests, plans and records use

    def __post_init__(self) -> None:
        object.__setattr__(self, "ref", SubjectRef(self.kind.lower(), self.name))  # asked for a dozen times

    def at(self, *steps: str | int) -> Origin:
        """Where a value stands, such as `at("spec", "roles", 0)`. Whoever makes findings of it calls `placed`."""
        if self.source is None:
            return self.origin
        made = Unplaced(*self.origin)
        made.source, made.document, made.steps = self.source, self.document, steps
        return made


class Tally(NamedTuple):
    """How a finding is summed up with its like, where people read: one line, `claim: part, part`."""

    claim: str  # "declared, not enforced by this version"
    part: str  # "devices of 5 people"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the estate that a person should know. `error` findings freeze grants."""

    code: str
    severity: Severity
    message: str
    subject: str | None = None
    origin: Origin | None = None
    tally: Tally | None = None  # None: it has its own line


def placed(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The same findings with every place looked up: each file is read again once, however many there are in it."""
    made = list(findings)
    by_file: dict[int, list[tuple[int, Unplaced]]] = {}
    for number, finding in enumerate(made):
        if isinstance(finding.origin, Unplaced):
            by_file.setdefault(id(finding.origin.source), []).append((number, finding.origin))
    for several in by_file.values():
        origins = several[0][1].source.places([(where.document, where.steps) for _, where in several])
        for (number, _), origin in zip(several, origins, strict=True):
            made[number] = replace(made[number], origin=origin)
    return tuple(made)


class Invalid(NamedTuple):
    """A document that is no valid manifest. `life` is None where its fault leaves the lifecycle in doubt.

    `roles` are what it gives as its subject's: nothing is granted by them, but no rule goes for want of them.
    """

    ref: SubjectRef
    life: Life | None = None
    roles: tuple[str, ...] = ()
    sure: bool = False  # whether these are all the roles it gives, without doubt: then no other need stay


@dataclass(frozen=True, slots=True)
class Tree:
    """All that was read of the manifests.

    `absence_is_intent` is false when a file could not be read, or the tree is empty or partial: then a
    missing manifest does not mean that somebody left. `why_not` says what stood in the way.
    """

    manifests: tuple[Manifest, ...]
    findings: tuple[Finding, ...] = ()
    invalid: tuple[Invalid, ...] = ()
    absence_is_intent: bool = True
    why_not: str = ""
    files: Mapping[str, str] = field(default_factory=dict)  # what manifests refer to (CSRs): path -> text
    unread_files: Mapping[str, str] = field(default_factory=dict)  # the same, where it was not read: path -> why
    digest: str = ""  # SHA-256 (hex) over the sorted (path, file SHA-256) pairs
    commit: str | None = None  # git commit of the manifests, None outside git
    dirty: bool = False  # the working tree differs from that commit
    let_go: int = 0  # manifests that were read, and are held no longer

    @property
    def read(self) -> int:
        """How many manifests were read."""
        return len(self.manifests) + self.let_go

    def without_manifests(self) -> Tree:
        """What is still to be told once the manifests were expanded: of ten thousand they take half the memory."""
        return replace(self, manifests=(), files={}, let_go=self.read)

    @property
    def frozen(self) -> frozenset[SubjectRef]:
        """Whose manifest is present but invalid: nothing is given to them, and no absence is concluded from it."""
        return frozenset(one.ref for one in self.invalid)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make the manifests invalid."""
        return tuple(f for f in self.findings if f.severity == "error")
