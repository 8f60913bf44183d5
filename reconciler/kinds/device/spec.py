"""`kind: Device`: a machine or telephone that people, bots and keys depend on.

A device is *registered* by its manifest, *enrolled* once a key of its own stands in the manifest (a TPM's, or
that of a credential), and *authenticated* while its last attestation is not older than `maxAge`. Who attested
is named in `source`; nothing here verifies that yet, and the findings say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictInt, StrictStr, model_validator

from reconciler.kinds.fields import Day, Duration, Ident, Name, Text, pattern, refuse, unique
from reconciler.kinds.subject import SubjectSpec, life_of_machine
from reconciler.model.estate import seconds
from reconciler.model.manifest import Life, Lifecycle, Spec

DeviceState = Literal["registered", "enrolled", "authenticated"]
Sha256 = Annotated[StrictStr, pattern(r"[0-9a-f]{64}", "a SHA-256 in 64 lower-case hexadecimal digits")]
# TPMT_HA: the name algorithm (000b is SHA-256) and the digest (TPM 2.0 Part 1, clause 16).
TpmName = Annotated[
    StrictStr, pattern(r"000b[0-9a-f]{64}", "a TPM name: 000b and 64 lower-case hexadecimal digits")
]


class Tpm(Spec):
    """The device's TPM 2.0: endorsement key, attestation key, and the state its registers should be in."""

    ek_sha256: Sha256 = Field(alias="ekSha256")
    """SHA-256 of the endorsement key's public part."""
    ak_name: TpmName | None = Field(default=None, alias="akName")
    """Name of the attestation key. With it the device is enrolled."""
    pcr_policy: Ident | None = Field(default=None, alias="pcrPolicy")
    """The state that its registers should be in, in the firm's own words."""


class Attestation(Spec):
    """When somebody last saw that the device is what it claims to be, who saw it, and how long that holds."""

    source: Text
    """Who saw it."""
    at: Day
    """When."""
    max_age: Duration = Field(alias="maxAge")
    """How long that holds."""

    def holds(self, today: date) -> bool:
        """Whether it is not older than `maxAge` on that day, and not from the future."""
        return timedelta(0) <= today - self.at <= timedelta(seconds=seconds(self.max_age))


class Device(SubjectSpec):
    """`spec` of `kind: Device`."""

    device_class: Literal["workstation", "jump-host", "hsm-host", "mobile-approver"] = Field(alias="class")
    """What sort of device it is."""
    owner: Name
    """Name of the Trader or Staff who answers for it."""
    serial: Ident
    """The maker's serial number; one number, one device."""
    status: Literal["active", "suspended", "lost", "retired"] = "active"
    """A lost or retired device ends as a leaver does."""
    tpm: Tpm | None = None
    """Its TPM 2.0."""
    hsm_slots: Annotated[tuple[Annotated[StrictInt, Field(ge=0, le=2**32 - 1)], ...], unique] = Field(
        default=(), alias="hsmSlots"
    )
    """The slots of an `hsm-host` (PKCS#11)."""
    attestation: Attestation | None = None
    """When somebody last saw that it is what it claims to be. Declared: nothing verifies it yet."""

    @model_validator(mode="after")
    def _fits_its_class(self) -> Self:
        if self.hsm_slots and self.device_class != "hsm-host":
            raise refuse("has hsmSlots, which only the class hsm-host has")
        return self

    @property
    def enrolled(self) -> bool:
        """Whether a key of the device's own is known."""
        return bool(self.credentials) or (self.tpm is not None and self.tpm.ak_name is not None)

    def state(self, today: date) -> DeviceState:
        """How far the device has come, as the manifest declares it."""
        if not self.enrolled:
            return "registered"
        if self.attestation is None or not self.attestation.holds(today):
            return "enrolled"
        return "authenticated"

    def lifecycle(self, today: date) -> tuple[Lifecycle, str]:
        """A lost or retired device ends as a leaver does."""
        return life_of_machine(self.status, today)

    @classmethod
    def still_says(cls, body: Mapping[str, Any]) -> Life | None:
        """A plain `status` counts whatever else is wrong."""
        status = body.get("status")
        return partial(life_of_machine, status) if status in ("suspended", "lost", "retired") else None
