"""Who vouches for workloads: `workloadIssuers` of `idac.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StrictStr, StringConstraints, model_validator

from reconciler.model.strict import Strict

URL = r"\Ahttps://[A-Za-z0-9.\[\]:-]{1,255}(/[!-~]{0,512})?\z"  # RFC 3986, without userinfo
ISSUER = r"\A[!-~]{1,512}\z"
POINTER = r"\A(/[A-Za-z0-9_.:-]{1,64}){1,8}\z"
SUBJECTS = r"\A[A-Za-z0-9][A-Za-z0-9:/._@-]{2,255}\*?\z"

HttpsUrl = Annotated[str, StringConstraints(strict=True, pattern=URL)]
Pointer = Annotated[str, StringConstraints(strict=True, pattern=POINTER)]
SubjectPattern = Annotated[str, StringConstraints(strict=True, pattern=SUBJECTS)]
# Ends the names of its mount and of its login roles.
NAME = r"\A[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\z"
WorkloadName = Annotated[str, StringConstraints(strict=True, pattern=NAME)]
Algorithm = Literal["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"]


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
        named = [pointer for pointer in (self.environment, self.image, self.model, self.config) if pointer]
        if len(set(named)) != len(named):
            raise ValueError("two claims are at one JSON pointer: one of them would hold nobody to anything")
        return self


class WorkloadIssuer(Strict):
    """Somebody whose JWTs say which workload it is that logs in. No secret: only public keys are needed."""

    name: WorkloadName
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
    subjects: tuple[SubjectPattern, ...] = ()
    """Values of `sub`, exact or with a final *; by default every SPIFFE ID of the trust domain."""
    claims: WorkloadClaims
    """Where in its tokens it says what runs."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(given is not None for given in (self.jwks_file, self.jwks_url, self.discovery_url)) != 1:
            raise ValueError("it needs exactly one of jwksFile, jwksUrl and discoveryUrl")
        if self.ca_cert is not None and self.jwks_file is not None:
            raise ValueError("caCert is for a URL, and its keys come from a file")
        return self
