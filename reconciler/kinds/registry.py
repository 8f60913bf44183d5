"""The kinds there are. A new kind is one folder and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from reconciler.kinds.bot.expand import entity as bot_entity
from reconciler.kinds.bot.expand import expand as expand_bot
from reconciler.kinds.bot.spec import Bot
from reconciler.kinds.certificate_profile.expand import expand as expand_certificate_profile
from reconciler.kinds.certificate_profile.spec import CertificateProfile
from reconciler.kinds.credentials import entity, expand_subject
from reconciler.kinds.device.spec import Device
from reconciler.kinds.expansion import Expansion, World
from reconciler.kinds.mfa_tier.expand import expand as expand_mfa_tier
from reconciler.kinds.mfa_tier.spec import MfaTier
from reconciler.kinds.role.expand import expand as expand_role
from reconciler.kinds.role.spec import Role
from reconciler.kinds.sign_in import entity as person_entity
from reconciler.kinds.sign_in import expand as expand_person
from reconciler.kinds.staff.spec import Staff
from reconciler.kinds.subject import SubjectSpec
from reconciler.kinds.trader.spec import Trader
from reconciler.model.estate import Estate
from reconciler.model.manifest import Manifest, Spec, SubjectRef
from reconciler.model.resource import Resource


@dataclass(frozen=True, slots=True)
class Kind:
    """One manifest kind: its fields, and the resources they ask for."""

    spec: type[Spec]
    expand: Callable[[Manifest, World], Expansion]
    entity: Callable[[Estate, SubjectRef, Any], Resource] = entity  # of a subject with that spec

    @property
    def subject(self) -> bool:
        """Whether it stands for somebody or something with a lifecycle; the other kinds are rules."""
        return issubclass(self.spec, SubjectSpec)

    @property
    def plain(self) -> bool:
        """Whether its subjects' entities hold nothing but what their names and roles say."""
        return self.entity is entity


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "Trader": Kind(Trader, expand_person, person_entity),
        "Staff": Kind(Staff, expand_person, person_entity),
        "Device": Kind(Device, expand_subject),
        "Bot": Kind(Bot, expand_bot, bot_entity),
        "MfaTier": Kind(MfaTier, expand_mfa_tier),
        "Role": Kind(Role, expand_role),
        "CertificateProfile": Kind(CertificateProfile, expand_certificate_profile),
    }
)
SUBJECTS = frozenset(name.lower() for name, kind in KINDS.items() if kind.subject)


def kind_of(subject: SubjectRef) -> Kind | None:
    """The kind that a reference names in lower case; None for none."""
    return next((kind for name, kind in KINDS.items() if name.lower() == subject.kind), None)
