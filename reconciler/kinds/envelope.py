"""What every manifest has, whatever its kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from reconciler.kinds.fields import Ident, Name, Text, unique
from reconciler.model.manifest import Spec


class Metadata(Spec):
    """`metadata`: the name, labels for people, and the name it had before."""

    name: Name
    labels: dict[Ident, Text] = Field(default_factory=dict)
    previously: Annotated[tuple[Name, ...], unique] = ()


class Envelope(Spec):
    """A manifest, its `spec` still unread."""

    api_version: Literal["idac/v1"] = Field(alias="apiVersion")
    kind: str
    metadata: Metadata
    spec: Any  # judged by the kind
