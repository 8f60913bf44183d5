"""CertificateProfile -> its PKI role."""

from __future__ import annotations

from functools import lru_cache

import reconciler.providers.ca.resources as ca
from reconciler.errors import InvalidInput
from reconciler.kinds.certificate_profile.spec import CertificateProfile
from reconciler.kinds.expansion import Expansion, World, spec_of
from reconciler.model.estate import seconds
from reconciler.model.manifest import Finding, Manifest


def expand(manifest: Manifest, world: World) -> Expansion:
    """The profile as the CA knows it."""
    spec = spec_of(manifest, CertificateProfile)
    try:
        return Expansion((ca.profile(world.estate, ca_profile(manifest.name, spec)),))
    except InvalidInput as error:
        where = manifest.at("metadata", "name")
        return Expansion((), (Finding("X01", "error", str(error), str(manifest.ref), where),), complete=False)


@lru_cache(maxsize=256)  # asked once a credential
def ca_profile(name: str, spec: CertificateProfile) -> ca.Profile:
    """The spec in the CA provider's terms."""
    return ca.Profile(
        name=name,
        kinds=tuple(kind.lower() for kind in spec.subject_kinds),
        lifetime=seconds(spec.ttl),
        key_type=spec.key.type,
        key_bits=spec.key.bits,
        key_usages=spec.key_usages,
        ext_key_usages=spec.ekus,
        policy_oids=spec.policy_oids,
        organization=spec.subject.organization,
        ou=spec.subject.organizational_units,
    )
