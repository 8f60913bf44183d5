"""The estate's configuration, `idac.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    StringConstraints,
    model_validator,
)

from reconciler.model.issuers import ANY_SUBJECT, IdentityProvider, TokenIssuer, WorkloadIssuer
from reconciler.model.mounts import Mounts, mounts_of
from reconciler.model.secretref import SecretRef
from reconciler.model.strict import Strict

LABEL = r"\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\z"
DURATION = r"\A[1-9][0-9]{0,8}[smhd]\z"
OVERLAP = r"\A(0|[1-9][0-9]{0,8})[smhd]\z"
TRUST_DOMAIN = r"\A[a-z0-9._-]{1,255}\z"

DnsLabel = Annotated[str, StringConstraints(strict=True, pattern=LABEL)]
Duration = Annotated[str, StringConstraints(strict=True, pattern=DURATION)]

# `0s`: a key that is replaced ends before its successor begins.
Overlap = Annotated[str, StringConstraints(strict=True, pattern=OVERLAP)]


HSM_MOUNT = "hsm-"  # after the estate's prefix, before the token's name
ADDRESS = r"\A(https?://[^\s/]\S*)?\z"


class Login(Strict):
    """How one of the four identities logs in."""

    method: Literal["approle", "jwt", "token"]
    """How it logs in."""
    mount: StrictStr = ""
    """Mount of the login method, without `auth/`."""
    role: StrictStr = ""
    """For `jwt`: the role's name."""
    role_id: SecretRef | None = Field(default=None, alias="roleId")
    """For `approle`: where the role id is."""
    secret_id: SecretRef | None = Field(default=None, alias="secretId")
    """For `approle`: where the secret id is."""
    token: SecretRef | None = None
    """For `jwt`: where the signed JWT is; for `token`: where the token itself is."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needs: dict[str, dict[str, object]] = {
            "approle": {"roleId": self.role_id, "secretId": self.secret_id},
            "jwt": {"role": self.role, "token": self.token},
            "token": {"token": self.token},
        }
        missing = [name for name, given in needs[self.method].items() if not given]
        if missing:
            raise ValueError(f"a login by {self.method} needs {' and '.join(missing)}")
        return self


class Logins(Strict):
    """The four identities. Absent ones are looked for under `.idac/`, where bootstrap puts them."""

    plan: Login | None = None
    """Reads, and can write nothing."""
    contain: Login | None = None
    """Takes power away, and can grant nothing."""
    grant: Login | None = None
    """Gives subjects what policy allows already."""
    govern: Login | None = None
    """Changes the rules themselves."""


class Target(Strict):
    """The Vault or OpenBao this estate lives in. `VAULT_ADDR`, `VAULT_CACERT`, `VAULT_NAMESPACE` win."""

    address: Annotated[str, StringConstraints(strict=True, pattern=ADDRESS)] = ""
    """URL of the server. `VAULT_ADDR` wins."""
    ca_cert: StrictStr = Field(default="", alias="caCert")
    """File with the authority that its TLS certificate is of. `VAULT_CACERT` wins."""
    namespace: StrictStr = ""
    """Namespace on the server. `VAULT_NAMESPACE` wins."""
    logins: Logins = Logins()
    """How the four identities log in. Those left out are looked for under `.idac/`, where bootstrap puts
    them."""


class RemovalBudget(Strict):
    """How many subjects one plan may remove: at most `absolute`, and at most `percent` of those there are.

    The percentage never forbids removing a single subject, so that small desks work.
    """

    absolute: StrictInt = Field(default=5, ge=0)
    """Most subjects that one plan may remove."""
    percent: StrictInt = Field(default=20, ge=0, le=100)
    """Most of those there are, in per cent. One subject may always be removed."""


class Policy(Strict):
    """What the estate's owners allow without asking again."""

    removals: RemovalBudget = RemovalBudget()
    """How many subjects one plan may remove or take power from."""
    removals_per_kind: dict[str, RemovalBudget] = Field(default_factory=dict, alias="removalsPerKind")
    """The same for one kind, such as `trader`, besides."""
    issuance_cap: StrictInt = Field(default=200, ge=0, alias="issuanceCap")
    """Most certificates that one run may issue."""
    routine_cap: StrictInt = Field(default=500, ge=0, alias="routineCap")
    """Most renewals and refreshes that one run may do without review."""
    plan_expiry: Duration = Field(default="24h", alias="planExpiry")
    """How long a plan may wait for its apply."""
    lock_expiry: Duration = Field(default="90s", alias="lockExpiry")
    """How long a run may be silent before another takes its lock over."""
    auto_approve: StrictBool = Field(default=False, alias="autoApprove")
    """Whether `--auto-approve` may plan and apply in one run, without review."""


class Records(Strict):
    """Where records are signed from. The key is a PKCS#8 P-256 private key outside the repository."""

    key: SecretRef | None = None
    """The private key that records are signed with: PKCS#8, P-256, outside the repository."""


class HsmToken(Strict):
    """A place where private keys are born and stay: a credential names it as `key: {hsm: name}`."""

    name: DnsLabel
    """Unique among the estate's tokens; its engine is mounted at `idac-<estate>-hsm-<name>`."""
    backend: Literal["transit"]
    """`transit`: the server's own transit engine, which is software custody, non-exportable."""


class EstateSpec(Strict):
    """`spec` of `kind: Estate`."""

    manifests: tuple[StrictStr, ...] = (".",)
    """Directories with manifests, relative to `idac.yaml`."""
    plans: StrictStr = "../plans"
    """Directory of the ledger, relative to `idac.yaml`."""
    trust_domain: StrictStr = Field(alias="trustDomain", pattern=TRUST_DOMAIN)
    """SPIFFE trust domain: every certificate's URI begins with it."""
    overlap: Overlap = "1h"
    """How long a certificate that is replaced stays valid beside its successor."""
    target: Target = Target()
    """The Vault or OpenBao that the estate lives in."""
    policy: Policy = Policy()
    """What the estate's owners allow without asking again."""
    records: Records = Records()
    """What records are signed with."""
    hsm_tokens: tuple[HsmToken, ...] = Field(default=(), alias="hsmTokens", max_length=16)
    """Where keys are made that no holder ever has in hand."""
    workload_issuers: tuple[WorkloadIssuer, ...] = Field(default=(), alias="workloadIssuers", max_length=16)
    """Who vouches for workloads, so that bots can log in."""
    identity_providers: tuple[IdentityProvider, ...] = Field(default=(), alias="identityProviders", max_length=16)
    """Where people sign in, so that they can log in with an ID token."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        for what, names in (
            ("hsmTokens", [token.name for token in self.hsm_tokens]),
            ("workloadIssuers", [issuer.name for issuer in self.workload_issuers]),
            ("identityProviders", [provider.name for provider in self.identity_providers]),
            ("of workloadIssuers and identityProviders", [one.name for one in self.token_issuers]),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"two {what} have the same name")
        return self

    @property
    def token_issuers(self) -> tuple[TokenIssuer, ...]:
        """Everybody whose tokens log somebody in: of workloads, then of people."""
        return (*self.workload_issuers, *self.identity_providers)


class Estate(Strict):
    """`idac.yaml`, validated. `root` is the directory it stands in; its paths are relative to that."""

    name: DnsLabel
    root: StrictStr
    spec: EstateSpec
    configuration_digest: StrictStr
    policy_digest: StrictStr
    # What issuers of tokens name by file: public keys (PEM) and authorities (PEM), by the issuer's name.
    issuer_keys: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    issuer_authorities: dict[str, str] = Field(default_factory=dict)
    issuer_faults: dict[str, str] = Field(default_factory=dict)  # issuer -> why its file is of no use

    @property
    def prefix(self) -> str:
        """Starts the name of every policy, entity and mount of this estate."""
        return f"idac-{self.name}-"

    @property
    def policy_document(self) -> Mapping[str, Any]:
        """What `policy_digest` is taken over: every field of the policy, by its name in idac.yaml."""
        return self.spec.policy.model_dump(mode="json", by_alias=True)

    @property
    def mounts(self) -> Mounts:
        """Where bootstrap mounts this estate's engines and login methods."""
        return mounts_of(self.prefix)

    def hsm_mount(self, token: str) -> str:
        """Where the engine of one HSM token is mounted."""
        return f"{self.prefix}{HSM_MOUNT}{token}"

    @property
    def issuer_mounts(self) -> Mapping[str, str]:
        """The login mount of each issuer of tokens, by the issuer's name."""
        return {issuer.name: self.mounts.workload(issuer.name) for issuer in self.spec.token_issuers}

    def workload_issuer(self, name: str) -> WorkloadIssuer | None:
        """The workload issuer of that name; None where there is none."""
        return next((issuer for issuer in self.spec.workload_issuers if issuer.name == name), None)

    def identity_provider(self, name: str) -> IdentityProvider | None:
        """The identity provider of that name; None where there is none."""
        return next((one for one in self.spec.identity_providers if one.name == name), None)

    def subjects_of(self, issuer: WorkloadIssuer | IdentityProvider) -> tuple[str, ...]:
        """The patterns of `sub` that its tokens may have: by default of a workload every SPIFFE ID of the trust
        domain, of a person any."""
        usual = ANY_SUBJECT if isinstance(issuer, IdentityProvider) else (f"spiffe://{self.spec.trust_domain}/*",)
        return issuer.subjects or usual


@lru_cache(maxsize=256)  # asked several times a credential
def seconds(duration: str) -> int:
    """`90s`, `15m`, `12h`, `30d` -> seconds."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]
