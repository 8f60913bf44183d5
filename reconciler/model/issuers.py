"""Who vouches for whoever logs in with a token: `workloadIssuers` and `identityProviders` of `idac.yaml`.

Both sign JWTs with keys whose public halves suffice here. An issuer of workloads says what runs, an identity
provider how strongly a person proved who they are.
"""

from __future__ import annotations

from string import ascii_letters, digits
from typing import Annotated, Literal, Self

from pydantic import Field, StrictStr, StringConstraints, model_validator

from reconciler.model.secretref import SecretRef
from reconciler.model.strict import Strict

URL = r"\Ahttps://[A-Za-z0-9.\[\]:-]{1,255}(/[!-~]{0,512})?\z"  # RFC 3986, without userinfo
ISSUER = r"\A[!-~]{1,512}\z"
POINTER = r"\A(/[A-Za-z0-9_.:-]{1,64}){1,8}\z"
SUBJECTS = r"\A[A-Za-z0-9][A-Za-z0-9:/._@-]{2,255}\*?\z"
AUDIENCE = r"\A[A-Za-z0-9][A-Za-z0-9:/._@-]{0,255}\z"

HttpsUrl = Annotated[str, StringConstraints(strict=True, pattern=URL)]
Pointer = Annotated[str, StringConstraints(strict=True, pattern=POINTER)]
SubjectPattern = Annotated[str, StringConstraints(strict=True, pattern=SUBJECTS)]
Audience = Annotated[str, StringConstraints(strict=True, pattern=AUDIENCE)]
# Ends the names of its mount and of its login roles.
NAME = r"\A[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\z"
IssuerName = Annotated[str, StringConstraints(strict=True, pattern=NAME)]
Algorithm = Literal["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"]
SIGN_IN = "sign-in"  # what stands for a version in the name of a person's login
# Every `sub` that a manifest may name, but not the empty one, which a login role takes for any.
ANY_SUBJECT = tuple(f"{first}*" for first in digits + ascii_letters)


def _apart(*pointers: Pointer | None) -> None:
    named = [pointer for pointer in pointers if pointer]
    if len(set(named)) != len(named):
        raise ValueError("two claims are at one JSON pointer: one of them would hold nobody to anything")


class TokenIssuer(Strict):
    """Somebody whose JWTs say who it is that logs in. No secret: only public keys are needed."""

    name: IssuerName
    """Ends the names of its login method and of its logins."""
    issuer: Annotated[str, StringConstraints(strict=True, pattern=ISSUER)]
    """The claim `iss`, exactly."""
    jwks_file: StrictStr | None = Field(default=None, alias="jwksFile")
    """Its public keys (JWKS), a file relative to idac.yaml."""
    jwks_url: HttpsUrl | None = Field(default=None, alias="jwksUrl")
    """Where the server fetches its public keys."""
    discovery_url: HttpsUrl | None = Field(default=None, alias="discoveryUrl")
    """Where the server finds them by OpenID Connect Discovery 1.0."""
    ca_cert: StrictStr | None = Field(default=None, alias="caCert")
    """Whom that URL's server is trusted by (PEM file); left out: the server's own authorities."""
    algorithms: tuple[Algorithm, ...] = Field(default=("ES256", "RS256"), min_length=1)
    """Signature algorithms that count."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(given is not None for given in (self.jwks_file, self.jwks_url, self.discovery_url)) != 1:
            raise ValueError("it needs exactly one of jwksFile, jwksUrl and discoveryUrl")
        if self.ca_cert is not None and self.jwks_file is not None:
            raise ValueError("caCert is for a URL, and its keys come from a file")
        return self

    @property
    def called(self) -> str:
        """What it is, and its name: for messages."""
        return f"token issuer {self.name}"


class WorkloadClaims(Strict):
    """Where in a workload's token the issuer vouches for what runs: JSON pointers (RFC 6901)."""

    environment: Pointer
    """JSON pointer to the environment, such as /workload/environment."""
    image: Pointer
    """JSON pointer to the image's digest."""
    model: Pointer | None = None
    """JSON pointer to the model's digest."""
    config: Pointer | None = None
    """JSON pointer to the configuration's digest."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        _apart(self.environment, self.image, self.model, self.config)
        return self


class WorkloadIssuer(TokenIssuer):
    """Somebody whose JWTs say which workload it is that logs in. No secret: only public keys are needed."""

    subjects: tuple[SubjectPattern, ...] = ()
    """Values of `sub`, exact or with a final *; by default every SPIFFE ID of the trust domain."""
    claims: WorkloadClaims
    """Where in its tokens it says what runs."""

    @property
    def called(self) -> str:
        """What it is, and its name."""
        return f"workload issuer {self.name}"


class SignInClaims(Strict):
    """Where in an ID token the provider says how somebody proved who they are: JSON pointers (RFC 6901)."""

    acr: Pointer = "/acr"
    """JSON pointer to the authentication context class (OpenID Connect Core, section 2)."""
    amr: Pointer = "/amr"
    """JSON pointer to the authentication methods (RFC 8176)."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        _apart(self.acr, self.amr)
        return self


class IdentityProvider(TokenIssuer):
    """Somebody whose ID tokens say which person signed in, and how. No secret: only public keys are needed."""

    audience: Audience
    """The claim `aud` that its tokens must be made for: the id of the client that people sign in with."""
    subjects: tuple[SubjectPattern, ...] = ()
    """Values of `sub`, exact or with a final *; by default any."""
    claims: SignInClaims = SignInClaims()
    """Where in its tokens it says how somebody signed in."""
    probe: SecretRef | None = None
    """Where an ID token is, of a test account without a second factor: before a login is given, Vault must refuse
    it."""

    @property
    def called(self) -> str:
        """What it is, and its name."""
        return f"identity provider {self.name}"
