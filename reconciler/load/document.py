"""One YAML document -> one manifest, or findings that say why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from reconciler import yaml12
from reconciler.kinds.fields import Ident, Name, Text, unique
from reconciler.kinds.registry import KINDS, LATER
from reconciler.load.words import explain, nearest, shortened
from reconciler.model.manifest import Finding, Manifest, Origin, Spec, SubjectRef

API_VERSION = "idac/v1"


class Metadata(Spec):
    """`metadata`: the name, labels for people, and the name it had before."""

    name: Name
    labels: dict[Ident, Text] = Field(default_factory=dict)
    previously: Annotated[tuple[Name, ...], unique] = ()


class Envelope(Spec):
    """What every manifest has, whatever its kind."""

    api_version: Literal["idac/v1"] = Field(alias="apiVersion")
    kind: str
    metadata: Metadata
    spec: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """The file a document came from. It is kept so that places need not be: they are rarely asked for."""

    path: str
    data: bytes

    def locate(self, document: int, path: tuple[str | int, ...]) -> Origin:
        """Where the value at `path` stands; its text is read again for that."""
        return Origin(self.path, *yaml12.read(self.data).documents[document].value_at(path))


@dataclass(frozen=True, slots=True)
class Parsed:
    """A manifest, or the reference of one that is invalid (`told`), or neither."""

    manifest: Manifest | None
    told: SubjectRef | None
    findings: tuple[Finding, ...] = ()


def parse(document: yaml12.Document, index: int, source: Source) -> Parsed:
    """Judge one document. Every fault that can be seen is a finding at its place."""
    origin = Origin(source.path, document.line, document.column)
    value = document.value
    told = _told(value)
    subject = str(told) if told else None
    if document.faults or not isinstance(value, dict):
        faults = [("M03", f.message, Origin(source.path, f.line, f.column)) for f in document.faults]
        faults = faults or [("M04", "a manifest must be a mapping with apiVersion, kind, metadata, spec", origin)]
        return Parsed(None, told, tuple(Finding(c, "error", m, subject, o) for c, m, o in faults))
    findings: list[Finding] = []
    envelope = _validated(Envelope, value, (), document, source, subject, findings)
    kind = KINDS.get(value.get("kind", ""), None) if isinstance(value.get("kind"), str) else None
    if kind is None:
        findings += _unknown_kind(value, document, source, subject)
    spec = None
    if kind is not None and isinstance(value.get("spec"), dict):
        spec = _validated(kind.spec, value["spec"], ("spec",), document, source, subject, findings)
    if envelope is None or spec is None or not isinstance(envelope, Envelope):
        return Parsed(None, told, tuple(findings))
    meta = envelope.metadata
    manifest = Manifest(
        envelope.kind,
        meta.name,
        spec,
        origin,
        index,
        meta.labels,
        meta.previously,
        lambda path: source.locate(index, path),
    )
    return Parsed(manifest, told)


def _validated(
    model: type[Spec],
    value: Any,
    base: tuple[str | int, ...],
    document: yaml12.Document,
    source: Source,
    subject: str | None,
    findings: list[Finding],
) -> Spec | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for path, message in explain(error, model):
            place = document.key_at if "no field here" in message else document.value_at
            where = Origin(source.path, *place((*base, *path)))
            prefix = "".join(f"{step}." for step in base)
            findings.append(Finding("M05", "error", f"{prefix}{message}", subject, where))
        return None


def _unknown_kind(
    value: dict[str, Any], document: yaml12.Document, source: Source, subject: str | None
) -> list[Finding]:
    kind = value.get("kind")
    if not isinstance(kind, str):
        return []  # the envelope's own finding says so
    where = Origin(source.path, *document.value_at(("kind",)))
    if kind in LATER:
        message = f"kind {kind} comes later: this version reads {', '.join(KINDS)}"
    else:
        message = f"{shortened(kind)!r} is no kind{nearest(kind, dict.fromkeys(KINDS))}"
    return [Finding("M06", "error", message, subject, where)]


def _told(value: Any) -> SubjectRef | None:
    """Kind and name, where an invalid document leaves no doubt about them."""
    if not isinstance(value, dict):
        return None
    kind, metadata = value.get("kind"), value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(kind, str) or not isinstance(name, str) or (kind not in KINDS and kind not in LATER):
        return None
    try:
        Metadata(name=name)
    except ValidationError:
        return None
    return SubjectRef(kind.lower(), name)
