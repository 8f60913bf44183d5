"""One change behind the tool's back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.firm import Firm
from tests.openbao import Raw

ANY: Any = object()  # shown, whatever it is
Tamper = Callable[[Firm, Raw, str], Any]  # given the case's own name; what the field then is


def another(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value // 2 if value else 600
    return ["somebody else"] if isinstance(value, list) else "somebody else"


@dataclass(frozen=True, slots=True)
class Case:
    """One change behind the tool's back. `field` is the managed field that must show it."""

    type: str
    field: str
    tamper: Tamper
    how: str = ""

    @property
    def name(self) -> str:
        """Of the subject, role or profile that this case is about: a DNS label."""
        kind = self.type.split(".")[1]
        field = self.field.removesuffix("_in_identity_templates")
        return "-".join(p for p in (kind, field, self.how) if p).replace("_", "-").lower()

    @property
    def address(self) -> str:
        """Of the resource that changes."""
        return {
            "vault.entity": f"vault.entity/trader/{self.name}",
            "vault.login": f"vault.login/trader/{self.name}/mtls",
            "hsm.key": f"hsm.key/trader/{self.name}/signing/trade",
            "ca.certificate": f"ca.certificate/trader/{self.name}/mtls",
            "vault.policy": f"vault.policy/role/{self.name}",
            "ca.profile": f"ca.profile/{self.name}",
        }[self.type]
