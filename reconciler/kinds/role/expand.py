"""Role -> its ACL policy."""

from __future__ import annotations

import reconciler.providers.vault.resources as vault
from reconciler.kinds.expansion import Expansion, World, spec_of
from reconciler.kinds.role.spec import Role
from reconciler.model.manifest import Manifest


def expand(manifest: Manifest, world: World) -> Expansion:
    """The policy that holders of the role carry on their entity."""
    spec = spec_of(manifest, Role)
    paths = {rule.path: rule.capabilities for rule in spec.vault_paths}
    return Expansion((vault.role_policy(world.estate, manifest.name, paths),))
