"""The kinds there are. A new kind is one folder and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reconciler.kinds.certificate_profile.expand import expand as expand_certificate_profile
from reconciler.kinds.certificate_profile.spec import CertificateProfile
from reconciler.kinds.credentials import expand_subject
from reconciler.kinds.device.spec import Device
from reconciler.kinds.expansion import Expansion, World
from reconciler.kinds.mfa_tier.expand import expand as expand_mfa_tier
from reconciler.kinds.mfa_tier.spec import MfaTier
from reconciler.kinds.role.expand import expand as expand_role
from reconciler.kinds.role.spec import Role
from reconciler.kinds.staff.spec import Staff
from reconciler.kinds.subject import SubjectSpec
from reconciler.kinds.trader.spec import Trader
from reconciler.model.manifest import Manifest, Spec


@dataclass(frozen=True, slots=True)
class Kind:
    """One manifest kind: its fields, and the resources they ask for."""

    spec: type[Spec]
    expand: Callable[[Manifest, World], Expansion]

    @property
    def subject(self) -> bool:
        """Whether it stands for somebody or something with a lifecycle; the other kinds are rules."""
        return issubclass(self.spec, SubjectSpec)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "Trader": Kind(Trader, expand_subject),
        "Staff": Kind(Staff, expand_subject),
        "Device": Kind(Device, expand_subject),
        "MfaTier": Kind(MfaTier, expand_mfa_tier),
        "Role": Kind(Role, expand_role),
        "CertificateProfile": Kind(CertificateProfile, expand_certificate_profile),
    }
)
SUBJECTS = frozenset(name.lower() for name, kind in KINDS.items() if kind.subject)
# Kinds of the format that this version does not read yet: their manifests are refused by name.
LATER = frozenset({"Bot"})
