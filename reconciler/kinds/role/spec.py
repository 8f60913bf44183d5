"""`kind: Role`: what its holders may do, and what stands against it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, StrictStr, model_validator

from reconciler.kinds.fields import Duration, Name, pattern, refuse, unique
from reconciler.model.manifest import Spec

# Whoever may write below these can give themselves anything, or reads other subjects' tokens and secrets.
_RESERVED = frozenset({"sys", "auth", "identity", "cubbyhole"})
_OURS = "idac-"  # the mounts of this and every other estate


def _vault_path(path: str) -> str:
    first, *rest = path.split("/")
    if first in _RESERVED or first.startswith(_OURS):
        raise refuse(f"must not lie below {first}/: whoever may write there can give themselves anything")
    if nested := _RESERVED.intersection(rest):
        # `team/sys/…` is the API of a namespace `team`, where the same holds.
        raise refuse(f"must not have the segment {min(nested)}: below a namespace it is the system's own API")
    if "+" in first or "*" in first or not rest:
        raise refuse("must begin with a whole mount name, without wildcards: anything less reaches every mount")
    if any("+" in segment and segment != "+" for segment in rest) or "*" in path[:-1]:
        raise refuse("may have `+` for one whole segment, and `*` only as its last character")
    return path


VaultPathText = Annotated[
    StrictStr,
    pattern(
        r"[A-Za-z0-9_*+][A-Za-z0-9._*+-]{0,127}(/([A-Za-z0-9_*+][A-Za-z0-9._*+-]{0,127})){0,15}/?",
        "a Vault API path of letters, digits, `.`, `_`, `-`, without a leading slash",
    ),
    AfterValidator(_vault_path),
]
Capability = Literal["create", "read", "update", "patch", "delete", "list"]


class VaultPath(Spec):
    """What the role may do below one Vault API path."""

    path: VaultPathText
    """A Vault API path: `+` for one whole segment, `*` as its last character."""
    capabilities: Annotated[tuple[Capability, ...], unique] = Field(min_length=1)
    """What may be done there, in Vault's words."""


class Requires(Spec):
    """What a holder must have."""

    mfa_tier: Name | None = Field(default=None, alias="mfaTier")
    """Name of the weakest MfaTier that will do. Whoever has a weaker one, or none, as bots and devices, is granted
    nothing (R22)."""
    device_attested: StrictBool = Field(default=False, alias="deviceAttested")
    """Declared: whether one of the holder's devices must have an attestation that holds. A warning (R20)."""


Permission = Annotated[
    StrictStr, pattern(r"[a-z0-9]+([.-][a-z0-9]+){0,7}", "a permission such as order.enter, in lower case")
]


class Role(Spec):
    """`spec` of `kind: Role`."""

    permissions: Annotated[tuple[Permission, ...], unique] = ()
    """Declared: what the holder may do in the firm's own systems, such as `order.enter`."""
    requires: Requires = Requires()
    """What a holder must have."""
    conflicts_with: Annotated[tuple[Name, ...], unique] = Field(default=(), alias="conflictsWith")
    """Roles that nobody may hold beside this one (separation of duties). It holds both ways."""
    owners: Annotated[tuple[Name, ...], unique] = ()
    """Declared: who answers for the role."""
    max_grant: Duration | None = Field(default=None, alias="maxGrant")
    """Declared: longest time for which the role is given."""
    vault_paths: tuple[VaultPath, ...] = Field(default=(), alias="vaultPaths")
    """What the holder may do in Vault: the role's ACL policy."""

    @model_validator(mode="after")
    def _paths_differ(self) -> Self:
        paths = [p.path for p in self.vault_paths]
        if len(set(paths)) != len(paths):
            raise refuse("has two vaultPaths that are the same path: put their capabilities together")
        return self
