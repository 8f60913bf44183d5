"""One YAML document -> one manifest, or findings that say why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from reconciler import yaml12
from reconciler.kinds.envelope import Envelope, Metadata
from reconciler.kinds.registry import KINDS, Kind, kind_of
from reconciler.kinds.subject import MOST_ROLES, SubjectSpec
from reconciler.load.words import explain, nearest, shortened
from reconciler.model.manifest import Finding, Invalid, Manifest, Origin, Spec, Steps, SubjectRef

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True, slots=True)
class Source:
    """The file a document came from. It is kept so that places need not be: they are rarely asked for."""

    path: str
    data: bytes

    def places(self, wanted: Sequence[tuple[int, Steps]]) -> Sequence[Origin]:
        """Where values stand; the text is read again for that, once for all of them."""
        documents = yaml12.read(self.data).documents
        return [Origin(self.path, *documents[index].value_at(steps)) for index, steps in wanted]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A manifest, or an invalid one whose kind and name can be told, or neither."""

    manifest: Manifest | None
    invalid: Invalid | None
    findings: tuple[Finding, ...] = ()

    @property
    def told(self) -> SubjectRef | None:
        """Whose document this is."""
        if self.manifest is not None:
            return self.manifest.ref
        return self.invalid.ref if self.invalid is not None else None


def parse(document: yaml12.Document, index: int, source: Source) -> Parsed:
    """Judge one document. Every fault that can be seen is a finding at its place."""
    value, faults = document.value, _Faults(document, source.path)
    if document.faults:
        faults.found += [("M03", f.message, f.line, f.column) for f in document.faults]
        return faults.parsed(value)
    if not isinstance(value, dict):
        faults.add("M04", "a manifest must be a mapping with apiVersion, kind, metadata and spec")
        return faults.parsed(value)
    envelope = _validated(Envelope, value, (), faults)
    kind = _kind(value.get("kind"), faults)
    body = value.get("spec", {})
    if not isinstance(body, dict):
        faults.add("M05", "spec must be a mapping", "spec")
    spec = _validated(kind.spec, body, ("spec",), faults) if kind is not None and isinstance(body, dict) else None
    if faults.found or envelope is None or spec is None:
        return faults.parsed(value)
    origin = Origin(source.path, document.line, document.column)
    meta = envelope.metadata
    made = Manifest(envelope.kind, meta.name, spec, origin, index, meta.labels, meta.previously, source)
    return Parsed(made, None)


@dataclass(slots=True)
class _Faults:
    """What is wrong with one document: code, message, line and column."""

    document: yaml12.Document
    file: str
    found: list[tuple[str, str, int, int]] = field(default_factory=list)

    def add(self, code: str, message: str, *path: str | int, key: bool = False) -> None:
        place = self.document.key_at if key else self.document.value_at
        self.found.append((code, message, *place(path)))

    def parsed(self, value: Any) -> Parsed:
        told = _told(value)
        subject = str(told) if told is not None else None
        found = sorted(self.found, key=lambda fault: fault[2:])  # as they stand in the file
        places = ((code, message, Origin(self.file, line, column)) for code, message, line, column in found)
        findings = tuple(Finding(code, "error", text, subject, where) for code, text, where in places)
        return Parsed(
            None, _invalid(told, value, clean=not self.document.faults) if told is not None else None, findings
        )


def _validated(model: type[S], value: dict[str, Any], base: tuple[str, ...], faults: _Faults) -> S | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for path, message in explain(error, model):
            full = ".".join((*base, message)) if path else " ".join((*base, message))
            faults.add("M05", full, *base, *path, key="no field here" in message)
        return None


def _kind(name: Any, faults: _Faults) -> Kind | None:
    if not isinstance(name, str):
        return None  # the envelope's own fault says so
    if name not in KINDS:
        faults.add("M06", f"{shortened(name)!r} is no kind{nearest(name, dict.fromkeys(KINDS))}", "kind")
    return KINDS.get(name)


def _told(value: Any) -> SubjectRef | None:
    """Kind and name, where an invalid document leaves no doubt about them."""
    if not isinstance(value, dict):
        return None
    kind, metadata = value.get("kind"), value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(kind, str) or not isinstance(name, str) or kind not in KINDS:
        return None
    try:
        Metadata(name=name)
    except ValidationError:
        return None
    return SubjectRef(kind.lower(), name)


def _invalid(ref: SubjectRef, value: dict[str, Any], *, clean: bool) -> Invalid:
    """The document as invalid, with what it still says of the subject's lifecycle and roles.

    `clean`: it is YAML without a fault, so that nothing in it stands twice.
    """
    kind = kind_of(ref)
    body = value.get("spec")
    if kind is None or not isinstance(body, dict) or not issubclass(kind.spec, SubjectSpec):
        return Invalid(ref)
    roles = body.get("roles")
    named = tuple(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else ()
    if len(named) > MOST_ROLES:
        return Invalid(ref, kind.spec.still_says(body))
    sure = clean and isinstance(roles, list) and len(set(named)) == len(roles)
    return Invalid(ref, kind.spec.still_says(body), named, sure)
