"""All manifests of an estate, and the files they refer to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reconciler import yaml12
from reconciler.load.document import Parsed, Source, parse
from reconciler.load.files import Root, Unreadable, walk
from reconciler.load.secrets import WORDS, find_secrets, place
from reconciler.memory import uncollected
from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding, Invalid, Manifest, Origin, Tree, placed
from reconciler.x509 import ReadAhead

MAX_REFERRED = 64 * 1024  # bytes of a file that a manifest refers to


@dataclass(slots=True)
class _Gathered:
    root: Root
    manifests: list[Manifest] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    invalid: list[Invalid] = field(default_factory=list)
    why_not: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    unread_files: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)

    def unread(self, code: str, message: str, origin: Origin) -> None:
        """Something that may hold manifests was not read: what is absent may only be hidden."""
        self.findings.append(Finding(code, "error", message, None, origin))
        self.why_not.append(f"{origin.path}: {message}")


def load(estate: Estate) -> Tree:
    """Every manifest, all faults as findings. Never raises for what is in the files."""
    with uncollected():
        return _load(estate)


def _load(estate: Estate) -> Tree:
    gathered = _Gathered(Root(Path(estate.root)))
    paths = list(_paths(estate, gathered))
    with ReadAhead(len(paths)) as ahead:
        for path in paths:
            before = len(gathered.manifests)
            _file(path, gathered)
            for manifest in gathered.manifests[before:]:
                _referred(manifest, gathered, ahead)
    if not gathered.manifests and not gathered.invalid and not gathered.why_not:
        gathered.unread("M08", "the estate has no manifests at all", Origin("idac.yaml", 1, 1))
    return Tree(
        manifests=tuple(gathered.manifests),
        findings=placed(gathered.findings),
        invalid=tuple(gathered.invalid),
        absence_is_intent=not gathered.why_not,
        why_not="; ".join(gathered.why_not[:3]) + ("; …" if len(gathered.why_not) > 3 else ""),
        files=gathered.files,
        unread_files=gathered.unread_files,
        digest=_digest(gathered.hashes),
    )


def _digest(hashes: dict[str, str]) -> str:
    """As `sha256sum` prints them, sorted; NUL ends a line, because a path may hold anything else."""
    return hashlib.sha256("".join(f"{sha}  {path}\0" for path, sha in sorted(hashes.items())).encode()).hexdigest()


def _paths(estate: Estate, gathered: _Gathered) -> Iterator[str]:
    root = gathered.root
    skip = frozenset({root.real("plans"), root.real(estate.spec.plans)})
    for directory in estate.spec.manifests:
        if not os.path.isdir(root.real(directory)):
            message = f"the manifest directory {directory} is missing"
            gathered.unread("M08", message, Origin("idac.yaml", 1, 1))
            continue
        for entry in walk(root, directory, skip):
            if entry.instead_of:
                message = f"it is not read, and {entry.instead_of} is not there: whom that was about, left"
                gathered.findings.append(Finding("M10", "warning", message, None, Origin(entry.path, 1, 1)))
            elif entry.problem:
                gathered.unread("M01", entry.problem, Origin(entry.path, 1, 1))
            else:
                yield entry.path


def _file(path: str, gathered: _Gathered) -> None:
    try:
        data = gathered.root.read(path, yaml12.MAX_BYTES)
    except Unreadable as error:
        gathered.unread("M01", str(error), Origin(path, 1, 1))
        return
    gathered.hashes[path] = hashlib.sha256(data).hexdigest()
    reading = yaml12.read(data)
    source = Source(path, data)
    for fault in reading.faults:
        gathered.unread("M02", fault.message, Origin(path, fault.line, fault.column))
    documents = [(i, d) for i, d in enumerate(reading.documents) if d.value is not None or d.faults]
    if not documents and not reading.faults:
        gathered.unread("M02", "the file holds no manifest", Origin(path, 1, 1))
    starts: list[tuple[int, Parsed]] = []
    for index, document in documents:
        parsed = parse(document, index, source)
        starts.append((document.line, parsed))
        _keep(parsed, Origin(path, document.line, document.column), gathered)
    _secrets(source, starts, gathered)


def _keep(parsed: Parsed, origin: Origin, gathered: _Gathered) -> None:
    gathered.findings += parsed.findings
    if parsed.manifest is not None:
        gathered.manifests.append(parsed.manifest)
    elif parsed.invalid is not None:
        gathered.invalid.append(parsed.invalid)
    else:
        gathered.why_not.append(f"{origin}: it cannot be told whose manifest this is")


def _secrets(source: Source, starts: list[tuple[int, Parsed]], gathered: _Gathered) -> None:
    text = source.data.decode(errors="replace")
    for offset in find_secrets(text):
        line, column = place(text, offset)
        owner = next((p.told for start, p in reversed(starts) if start <= line), None)
        subject = str(owner) if owner else None
        gathered.findings.append(Finding("M07", "error", WORDS, subject, Origin(source.path, line, column)))


def _referred(manifest: Manifest, gathered: _Gathered, ahead: ReadAhead) -> None:
    """Read the files a manifest refers to. Whether a file that was not read matters, expanding decides."""
    files = getattr(manifest.spec, "files", None)
    for path, name in files() if files is not None else ():
        if name in gathered.files or name in gathered.unread_files:
            continue
        try:
            data = gathered.root.read(name, MAX_REFERRED)
            text = data.decode("ascii")
        except Unreadable as error:
            gathered.unread_files[name] = str(error)
            continue
        except UnicodeDecodeError:
            gathered.unread_files[name] = "it is not PEM text"
            continue
        gathered.hashes[name] = hashlib.sha256(data).hexdigest()
        if next(find_secrets(text), None) is not None:
            gathered.unread_files[name] = WORDS
            gathered.findings.append(
                Finding("M07", "error", f"{name}: {WORDS}", str(manifest.ref), manifest.at(*path))
            )
        else:
            gathered.files[name] = text
            ahead.feed(text)
