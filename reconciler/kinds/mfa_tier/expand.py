"""MfaTier -> nothing yet: no tier is enforced by this version, and none may claim to be."""

from __future__ import annotations

from reconciler.kinds.expansion import Expansion, World, spec_of
from reconciler.kinds.mfa_tier.spec import MfaTier
from reconciler.model.manifest import Finding, Manifest


def expand(manifest: Manifest, world: World) -> Expansion:
    """A tier that says Vault enforces it is refused: nothing would."""
    if "vault" not in spec_of(manifest, MfaTier).enforced_by:
        return Expansion()
    message = "this version does not make Vault enforce a tier yet: name who does (idp, gateway)"
    where = manifest.at("spec", "enforcedBy")
    return Expansion((), (Finding("X04", "error", message, str(manifest.ref), where),), complete=False)
