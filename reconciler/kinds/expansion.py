"""What a kind's `expand` is given and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding, Manifest, Spec, SubjectRef
from reconciler.model.resource import Resource

S = TypeVar("S", bound=Spec)


def spec_of(manifest: Manifest, kind: type[S]) -> S:
    """The manifest's spec, known to be of that kind. Raises `TypeError` when the registry is wrong."""
    if not isinstance(manifest.spec, kind):
        raise TypeError(f"{manifest.ref} is no {kind.__name__}")
    return manifest.spec


@dataclass(frozen=True, slots=True)
class World:
    """The estate around a manifest: `manifests` by reference (`role/rfq-trader`), `files` by path."""

    estate: Estate
    manifests: Mapping[SubjectRef, Manifest]
    files: Mapping[str, str]
    today: date
    unread_files: Mapping[str, str] = field(default_factory=dict)  # path -> why


@dataclass(frozen=True, slots=True)
class Expansion:
    """Desired resources of one manifest. Incomplete when something it asks for cannot be told or given:
    then nothing at all is changed for that subject, so that a slip of the pen takes nobody's power away."""

    resources: tuple[Resource, ...] = ()
    findings: tuple[Finding, ...] = ()
    complete: bool = True
