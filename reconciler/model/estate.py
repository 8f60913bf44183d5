"""The estate's configuration, `idac.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    StringConstraints,
    model_validator,
)

DnsLabel = Annotated[str, StringConstraints(strict=True, pattern=r"\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\z")]
Duration = Annotated[str, StringConstraints(strict=True, pattern=r"\A[1-9][0-9]{0,8}[smhd]\z")]

# `0s`: a key that is replaced ends before its successor begins.
Overlap = Annotated[str, StringConstraints(strict=True, pattern=r"\A(0|[1-9][0-9]{0,8})[smhd]\z")]


HSM_MOUNT = "hsm-"  # after the estate's prefix, before the token's name
ADDRESS = r"\A(https?://[^\s/]\S*)?\z"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class SecretRef(_Strict):
    """Where a secret is, never what it is: the name of an environment variable, or a file."""

    env: StrictStr | None = None
    file: StrictStr | None = None


class Login(_Strict):
    """How one of the four identities logs in."""

    method: Literal["approle", "jwt", "token"]
    mount: StrictStr = ""
    role: StrictStr = ""  # jwt: the role's name
    role_id: SecretRef | None = Field(default=None, alias="roleId")
    secret_id: SecretRef | None = Field(default=None, alias="secretId")
    token: SecretRef | None = None  # jwt: the signed JWT; token: the token itself

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


class Logins(_Strict):
    """The four identities. Absent ones are looked for under `.idac/`, where bootstrap puts them."""

    plan: Login | None = None
    contain: Login | None = None
    grant: Login | None = None
    govern: Login | None = None


class Target(_Strict):
    """The Vault or OpenBao this estate lives in. `VAULT_ADDR`, `VAULT_CACERT`, `VAULT_NAMESPACE` win."""

    address: Annotated[str, StringConstraints(strict=True, pattern=ADDRESS)] = ""
    ca_cert: StrictStr = Field(default="", alias="caCert")
    namespace: StrictStr = ""
    logins: Logins = Logins()


class RemovalBudget(_Strict):
    """How many subjects one plan may remove: at most `absolute`, and at most `percent` of those there are.

    The percentage never forbids removing a single subject, so that small desks work.
    """

    absolute: StrictInt = Field(default=5, ge=0)
    percent: StrictInt = Field(default=20, ge=0, le=100)


class Policy(_Strict):
    """What the estate's owners allow without asking again."""

    removals: RemovalBudget = RemovalBudget()
    removals_per_kind: dict[str, RemovalBudget] = Field(default_factory=dict, alias="removalsPerKind")
    issuance_cap: StrictInt = Field(default=200, ge=0, alias="issuanceCap")  # certificates one run may issue
    routine_cap: StrictInt = Field(default=500, ge=0, alias="routineCap")
    plan_expiry: Duration = Field(default="24h", alias="planExpiry")
    lock_expiry: Duration = Field(default="90s", alias="lockExpiry")  # after which a silent run is taken over
    auto_approve: StrictBool = Field(default=False, alias="autoApprove")


class Records(_Strict):
    """Where records are signed from. The key is a PKCS#8 P-256 private key outside the repository."""

    key: SecretRef | None = None


class HsmToken(_Strict):
    """A place where private keys are born and stay: a credential names it as `key: {hsm: name}`.

    `transit` is the server's own transit engine, one mount a token: software custody, non-exportable.
    """

    name: DnsLabel
    backend: Literal["transit"]


class EstateSpec(_Strict):
    """`spec` of `kind: Estate`."""

    manifests: tuple[StrictStr, ...] = (".",)  # directories, relative to idac.yaml
    plans: StrictStr = "../plans"
    trust_domain: StrictStr = Field(alias="trustDomain", pattern=r"\A[a-z0-9._-]{1,255}\z")
    overlap: Overlap = "1h"  # how long a rotated certificate stays valid beside its successor
    target: Target = Target()
    policy: Policy = Policy()
    records: Records = Records()
    hsm_tokens: tuple[HsmToken, ...] = Field(default=(), alias="hsmTokens", max_length=16)

    @model_validator(mode="after")
    def _tokens_differ(self) -> Self:
        names = [token.name for token in self.hsm_tokens]
        if len(set(names)) != len(names):
            raise ValueError("two hsmTokens have the same name")
        return self


class Estate(_Strict):
    """`idac.yaml`, validated. `root` is the directory it stands in; its paths are relative to that."""

    name: DnsLabel
    root: StrictStr
    spec: EstateSpec
    configuration_digest: StrictStr
    policy_digest: StrictStr

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
        return _mounts(self.prefix)

    def hsm_mount(self, token: str) -> str:
        """Where the engine of one HSM token is mounted."""
        return f"{self.prefix}{HSM_MOUNT}{token}"


class Mounts(_Strict):
    """Mount paths without slashes. `cert` and `run` stand under `auth/`."""

    root: StrictStr  # PKI engine of the root CA
    pki: StrictStr  # PKI engine of the issuing CA
    kv: StrictStr  # KV v2: certificates, revocations, holds, the lock, used plans
    cert: StrictStr  # cert auth of the subjects
    run: StrictStr  # AppRole auth of the runners


# Not kept in the estate itself: pydantic would copy them into an estate of another name.
@lru_cache(maxsize=16)
def _mounts(prefix: str) -> Mounts:
    return Mounts(
        root=f"{prefix}root", pki=f"{prefix}pki", kv=f"{prefix}kv", cert=f"{prefix}cert", run=f"{prefix}run"
    )


@lru_cache(maxsize=256)  # asked several times a credential
def seconds(duration: str) -> int:
    """`90s`, `15m`, `12h`, `30d` -> seconds."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]
