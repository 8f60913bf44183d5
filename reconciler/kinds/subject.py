"""What every subject has: a lifecycle, roles, and credentials to prove itself with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from reconciler.kinds.fields import Name, Overlap, RelativePath, refuse, unique
from reconciler.model.manifest import Life, Lifecycle, Spec
from reconciler.providers.vault.policies import OWN_KEYS

MOST_ROLES = 8  # of one subject: the grant login's policy names every subset of them


class Key(Spec):
    """Where the private key was born: exactly one of a CSR in git, an HSM token, or the workload itself."""

    csr: RelativePath | None = None
    """A certificate request in git, for a key on the holder's own token or TPM."""
    hsm: Name | None = None
    """Name of one of the estate's hsmTokens, where the key is made and stays."""
    runtime: Literal[True] | None = None
    """The workload makes its keys, and fetches certificates of minutes, itself. Also written `key: runtime`."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Editors offer the short spelling too."""
        return {"anyOf": [{"const": "runtime"}, handler(core)]}

    @model_validator(mode="before")
    @classmethod
    def _spelled(cls, value: Any) -> Any:
        return {"runtime": True} if value == "runtime" else value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(form is not None for form in (self.csr, self.hsm, self.runtime)) != 1:
            raise refuse("must be one of {csr: path}, {hsm: token} and runtime")
        return self


class Credential(Spec):
    """Something the subject proves itself with."""

    name: Name
    """Unique among the subject's credentials."""
    profile: Name
    """Name of a CertificateProfile."""
    key: Key
    """Where the private key was born: exactly one of these."""
    overlap: Overlap | None = None
    """How long a certificate that is replaced stays valid beside its successor, instead of the estate's `overlap`.
    `0s` where the old key was stolen."""


class SubjectSpec(Spec):
    """Base of the specs of subjects: Trader, Staff, Device, Bot."""

    roles: Annotated[tuple[Name, ...], unique] = Field(default=(), max_length=MOST_ROLES)
    """Names of Roles."""
    credentials: tuple[Credential, ...] = Field(default=(), max_length=16)
    """What it proves itself with."""

    @model_validator(mode="after")
    def _credentials_differ(self) -> Self:
        names = [c.name for c in self.credentials]
        if len(set(names)) != len(names):
            raise refuse("has two credentials of the same name")
        return self

    def lifecycle(self, today: date) -> tuple[Lifecycle, str]:
        """Active, suspended or left on that day, and why. Every kind says it in its own words."""
        raise NotImplementedError

    @classmethod
    def still_says(cls, body: Mapping[str, Any]) -> Life | None:
        """What an invalid `spec` still says of the lifecycle without doubt; None where it says nothing.

        Whoever is to lose everything must not keep it because of a fault elsewhere in the same manifest.
        """
        raise NotImplementedError

    @property
    def whose(self) -> str:
        """What it stays under another name: a personId, or `algo:` and an algoId; empty where nothing is."""
        return ""

    @property
    def tier(self) -> str | None:
        """The MfaTier it is under; None for what is no person."""
        return None

    @property
    def last_day(self) -> date | None:
        """The last day on which a certificate may be valid; None when no end is known."""
        return None

    @property
    def own(self) -> tuple[str, ...]:
        """The shared policies over one's own things that it needs, by suffix."""
        return (OWN_KEYS,) if any(c.key.hsm is not None for c in self.credentials) else ()

    def keeps(self, today: date) -> frozenset[str]:
        """The names of all that it proves itself with on that day."""
        return frozenset(credential.name for credential in self.credentials)

    def ended(self) -> frozenset[str]:
        """Names of what it proved itself with and does no more, said in so many words: it goes in any case."""
        return frozenset()

    def files(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """The files it refers to, each with the field that does."""
        for index, credential in enumerate(self.credentials):
            if credential.key.csr is not None:
                yield ("spec", "credentials", index, "key", "csr"), credential.key.csr


def life_of_machine(status: str, today: date) -> tuple[Lifecycle, str]:
    """What the `status` of a device or bot says, and why. The same on any day: only people end by date."""
    match status:
        case "active":
            return "active", ""
        case "suspended":
            return "suspended", "its manifest says status: suspended"
        case _:
            return "left", f"its manifest says status: {status}"
