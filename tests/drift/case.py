"""One change behind the tool's back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.firm import Firm
from tests.openbao import Raw

WORKLOAD = "vault.login by token"  # JWT-auth roles, of bots and of people: logins with fields of their own
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
    kind: str = "trader"

    @property
    def name(self) -> str:
        """Of the subject, role or profile that this case is about: a DNS label."""
        kind = self.type.split(".")[1].replace(" by ", "-")
        field = self.field.removesuffix("_in_identity_templates")
        prefix = "bot" if self.kind == "bot" else ""
        return "-".join(p for p in (prefix, kind, field, self.how) if p).replace("_", "-").lower()

    @property
    def address(self) -> str:
        """Of the resource that changes."""
        login = "spire.1-0" if self.kind == "bot" else "corp.sign-in"
        return {
            WORKLOAD: f"vault.login/{self.kind}/{self.name}/{login}",
            "ca.issuer": f"ca.issuer/bot/{self.name}",
            "vault.entity": f"vault.entity/{self.kind}/{self.name}",
            "vault.login": f"vault.login/trader/{self.name}/mtls",
            "hsm.key": f"hsm.key/trader/{self.name}/signing/trade",
            "ca.certificate": f"ca.certificate/trader/{self.name}/mtls",
            "vault.policy": f"vault.policy/role/{self.name}",
            "ca.profile": f"ca.profile/{self.name}",
        }[self.type]
