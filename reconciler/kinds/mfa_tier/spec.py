"""`kind: MfaTier`: how strongly somebody must prove who they are, and who holds them to it.

Levels are those of NIST SP 800-63B (AAL 1 to 3); `acr` is the value an identity provider puts into its tokens,
such as `phr` and `phrh` of OpenID's Extended Authentication Profile.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator

from reconciler.kinds.fields import Amount, Currency, Duration, Ident, pattern, refuse, unique
from reconciler.kinds.role.spec import Permission
from reconciler.model.manifest import Spec

Method = Literal["totp", "webauthn", "piv", "hsm"]
Enforcer = Literal["vault", "idp", "gateway"]
# The highest level that each method alone can reach (SP 800-63B, section 4 and 5.1).
REACHES: dict[Method, int] = {"totp": 2, "webauthn": 3, "piv": 3, "hsm": 3}
Aaguid = Annotated[
    StrictStr,
    pattern(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "an AAGUID in lower case"),
]


class WebAuthn(Spec):
    """Which authenticators count (WebAuthn Level 2, sections 5.4.7 and 6.1)."""

    aaguids: Annotated[tuple[Aaguid, ...], unique] = ()
    """Models of authenticator that count; any, where none is named."""
    attestation: Literal["none", "required"] = "none"
    """Whether the authenticator must prove its model."""
    backup_eligible: StrictBool = Field(default=True, alias="backupEligible")
    """Whether a key may count that can leave its device."""
    user_verification: Literal["preferred", "required"] = Field(default="required", alias="userVerification")
    """Whether the authenticator must check a PIN or a finger."""
    algs: Annotated[tuple[StrictInt, ...], unique] = (-7,)
    """COSE algorithm identifiers; -7 is ES256."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.aaguids and self.attestation != "required":
            raise refuse("lists aaguids without attestation: required: then any software could claim one")
        return self


class Totp(Spec):
    """Parameters of one-time passwords (RFC 6238). Whoever is enrolled keeps those of the day of enrolment."""

    algorithm: Literal["SHA1", "SHA256", "SHA512"] = "SHA1"
    """Hash that codes are made with."""
    digits: Literal[6, 8] = 6
    """How long a code is."""
    period: Annotated[StrictInt, Field(ge=15, le=60)] = 30
    """Seconds for which a code counts."""
    skew: Annotated[StrictInt, Field(ge=0, le=1)] = 1
    """How many periods before and after count too."""
    max_attempts: Annotated[StrictInt, Field(ge=1, le=10)] = Field(default=5, alias="maxAttempts")
    """Wrong codes before the server refuses for a while."""


class NotionalOver(Spec):
    """More than so many whole units of a currency."""

    ccy: Currency
    """Currency of the amount (ISO 4217)."""
    amount: Amount
    """Whole units."""


class When(Spec):
    """What must hold for a step-up; everything said must."""

    notional_over: NotionalOver | None = Field(default=None, alias="notionalOver")
    """The trade is worth more than this."""
    outside: Literal["desk-hours"] | None = None
    """It happens outside these hours."""


class StepUp(Spec):
    """An action that asks for a fresh proof."""

    on: Permission
    """The permission that is about to be used."""
    when: When | None = None
    """Only then; always, where nothing is said."""


class MfaTier(Spec):
    """`spec` of `kind: MfaTier`."""

    aal: Annotated[StrictInt, Field(ge=1, le=3)]
    """Authenticator assurance level that it reaches (NIST SP 800-63B)."""
    acr: Ident
    """What an identity provider calls it in its tokens: without it Vault refuses those of its holders."""
    amr: Annotated[tuple[Ident, ...], unique] = Field(default=(), max_length=16)
    """Authentication methods (RFC 8176) of which those tokens must name one besides, such as hwk or sc."""
    methods: Annotated[tuple[Method, ...], unique] = Field(min_length=1)
    """What proves the second factor; any one of them will do."""
    webauthn: WebAuthn | None = None
    """Which authenticators count."""
    totp: Totp | None = None
    """How one-time codes are made, where Vault enforces the tier."""
    enforced_by: Annotated[tuple[Enforcer, ...], unique] = Field(alias="enforcedBy", min_length=1)
    """Who holds people to it. Of `idp` idac enforces that tokens without the acr log
    nobody in; what else `idp` and `gateway` must do it names, and cannot check."""
    max_auth_age: Duration | None = Field(default=None, alias="maxAuthAge")
    """How old a proof may be."""
    step_up: tuple[StepUp, ...] = Field(default=(), alias="stepUp", max_length=32)
    """Actions that ask for a fresh proof."""

    @property
    def by_idp(self) -> bool:
        """Whether an identity provider is to enforce it: then its tokens say so."""
        return "idp" in self.enforced_by

    @property
    def by_vault(self) -> bool:
        """Whether Vault is to enforce it, at login."""
        return "vault" in self.enforced_by

    @model_validator(mode="after")
    def _keeps_its_promise(self) -> Self:
        weak = [m for m in self.methods if REACHES[m] < self.aal]
        if weak:
            raise refuse(f"promises AAL {self.aal}, which {' and '.join(weak)} cannot reach (NIST SP 800-63B)")
        if self.webauthn is not None and "webauthn" not in self.methods:
            raise refuse("has rules for webauthn, which is not among its methods")
        if self.totp is not None and "totp" not in self.methods:
            raise refuse("has rules for totp, which is not among its methods")
        if self.aal == 3 and "webauthn" in self.methods:
            rules = self.webauthn or WebAuthn()
            if rules.backup_eligible or rules.attestation != "required" or rules.user_verification != "required":
                raise refuse(
                    "promises AAL 3 by webauthn: that takes backupEligible: false, attestation: required and "
                    "userVerification: required (NIST SP 800-63B, 5.1.9)"
                )
        return self
