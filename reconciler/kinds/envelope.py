"""What every manifest has, whatever its kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from reconciler.kinds.fields import Ident, Name, Text, unique
from reconciler.model.manifest import Spec


class Metadata(Spec):
    """`metadata`: the name, labels for people, and the name it had before."""

    name: Name
    """Unique within its kind, and for people within the estate."""
    labels: dict[Ident, Text] = Field(default_factory=dict)
    """Anything that people find helpful. Nothing depends on them."""
    previously: Annotated[tuple[Name, ...], unique] = ()
    """Former names, the last one at the end: with it a new name is a rename, and not a leaver and a joiner."""


class Envelope(Spec):
    """A manifest, its `spec` still unread."""

    api_version: Literal["idac/v1"] = Field(alias="apiVersion")
    kind: str
    metadata: Metadata
    spec: Any  # judged by the kind
