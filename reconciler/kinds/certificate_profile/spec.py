"""`kind: CertificateProfile`: what every certificate of one sort looks like (RFC 5280)."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StrictStr, model_validator

from reconciler.kinds.fields import OID, Duration, Oid, pattern, refuse, unique
from reconciler.model.estate import seconds
from reconciler.model.manifest import Spec
from reconciler.providers.ca.resources import EXT_KEY_USAGES, KEY_USAGES

SubjectKind = Literal["Trader", "Staff", "Device", "Bot"]
Algorithm = Literal["ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "rsa-4096"]
# anyExtendedKeyUsage undoes the others; OCSPSigning lets its holder declare any certificate of the CA good.
_FORBIDDEN_EKUS = frozenset({"2.5.29.37.0", "1.3.6.1.5.5.7.3.9"})
_NAMES = {oid: name for name, oid in EXT_KEY_USAGES.items()}


def _eku(value: str) -> str:
    if value in _FORBIDDEN_EKUS:
        raise refuse("would give its holder power over other certificates")
    if value in EXT_KEY_USAGES:
        return value
    if not re.fullmatch(OID, value):
        raise refuse(f"must be one of {', '.join(EXT_KEY_USAGES)}, or a dotted object identifier")
    return _NAMES.get(value, value)


def _usage(value: str) -> str:
    if value not in KEY_USAGES:
        raise refuse(f"must be one of {', '.join(KEY_USAGES)}")
    return value


Eku = Annotated[StrictStr, AfterValidator(_eku)]
KeyUsage = Annotated[StrictStr, AfterValidator(_usage)]
NamePart = Annotated[
    StrictStr, pattern(r"[A-Za-z0-9][A-Za-z0-9 .&'()-]{0,63}", "1 to 64 letters, digits, spaces and .&'()-")
]


class KeyRule(Spec):
    """Which keys the profile certifies, and where they must have been born."""

    algorithm: Algorithm = "ec-p256"
    """Kind and size of the key; a request with another key is refused."""
    origin: Literal["software", "hardware"] = "software"
    """`hardware` is issued only where the tool verified that the key is in hardware."""

    @property
    def type(self) -> Literal["ec", "rsa"]:
        """The key's type, as `x509.Csr` names it."""
        return "rsa" if self.algorithm.startswith("rsa-") else "ec"

    @property
    def bits(self) -> int:
        """Bits of the modulus or of the curve."""
        return int(self.algorithm.rsplit("-", 1)[1].removeprefix("p"))


class Subject(Spec):
    """The subject name besides its common name, which is always the principal (`trader.jdoe`)."""

    organization: tuple[NamePart, ...] = Field(default=(), max_length=1)
    """`O` of the subject name."""
    organizational_units: Annotated[tuple[NamePart, ...], unique] = Field(
        default=(), alias="organizationalUnits", max_length=4
    )
    """`OU`s of the subject name."""


class CertificateProfile(Spec):
    """`spec` of `kind: CertificateProfile`."""

    issuer: Literal["issuing"] = "issuing"
    """The estate's issuing CA."""
    key: KeyRule = KeyRule()
    """Which keys it certifies."""
    key_usages: Annotated[tuple[KeyUsage, ...], unique] = Field(
        default=("digitalSignature",), alias="keyUsages", min_length=1
    )
    """Key usages (RFC 5280, 4.2.1.3)."""
    ekus: Annotated[tuple[Eku, ...], unique] = Field(default=("clientAuth",), min_length=1, max_length=8)
    """Extended key usages (RFC 5280, 4.2.1.12), by name or OID. Without `clientAuth` no login is made."""
    policy_oids: Annotated[tuple[Oid, ...], unique] = Field(default=(), alias="policyOids", max_length=8)
    """Certificate policies (RFC 5280, 4.2.1.4)."""
    subject: Subject = Subject()
    """The subject name besides its common name, which is always the principal, such as `trader.jdoe`."""
    subject_kinds: Annotated[tuple[SubjectKind, ...], unique] = Field(
        default=("Trader",), alias="subjectKinds", min_length=1
    )
    """Kinds of subject whose names its certificates may carry."""
    ttl: Duration
    """How long a certificate is valid."""
    renew_before: Duration = Field(alias="renewBefore")
    """How long before its end a certificate is renewed."""
    max_key_age: Duration | None = Field(default=None, alias="maxKeyAge")
    """How long one key may be certified again and again. After that a new one is asked for."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if seconds(self.renew_before) >= seconds(self.ttl):
            raise refuse("has a renewBefore that is not shorter than its ttl")
        if self.max_key_age is not None and seconds(self.max_key_age) < seconds(self.ttl):
            raise refuse("has a maxKeyAge that is shorter than its ttl")
        if self.key.type == "ec" and {"keyEncipherment", "dataEncipherment"} & set(self.key_usages):
            raise refuse("asks an elliptic-curve key to encipher, which it cannot (RFC 5480): drop that key usage")
        return self
