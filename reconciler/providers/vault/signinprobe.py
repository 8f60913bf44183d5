"""Does the server really refuse an ID token without what an MFA tier asks for? A test account's token is tried.

The account signed in without a second factor. Its token is good in all else, so that the server's refusal names
the claim that is wrong. It is presented to a role of the probe's own, bound as those of the tier's holders are,
which carries no policies and stands for as long as the question takes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

from reconciler.canonical import canonical
from reconciler.errors import IdacError, Rejected
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.issuers import IdentityProvider
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Proof
from reconciler.model.resource import Fields, issuer_of
from reconciler.model.secret import Secret
from reconciler.providers.protocol import Answer, Clients, Known, desired_of
from reconciler.providers.vault.policies import spell
from reconciler.providers.vault.resources import token_login
from reconciler.providers.vault.tokenrules import PROBE

SYSTEM = "vault.sign-in"
UNTRIED = "nobody tried an ID token without them: the provider has no `probe` in idac.yaml"
_REFUSED = "error validating claims: claim "  # OpenBao and Vault: all but the bound claims was found good before


class SignInProbe:
    """Implements `Prover` for logins by ID token, and says before a grant whether its claims hold. Thread-safe."""

    def __init__(
        self,
        clients: Clients,
        estate: Estate,
        token: Callable[[IdentityProvider], Secret],
        ask: Callable[[str, Mapping[str, Any]], Answer],
    ) -> None:
        """`token` is the test account's; `ask` posts without a token."""
        self._clients, self._estate, self._token, self._ask = clients, estate, token, ask
        self._lock = Lock()
        self._found: dict[tuple[str, str, bytes], str] = {}

    def prove(self, contained: Sequence[Change], known: Known) -> tuple[Proof, ...]:
        """One Proof for each provider and tier that people are given a login of, asked afresh."""
        with self._lock:
            self._found.clear()
        made = {(issuer_of(c.address), c.signs_in): c for c in contained if c.signs_in}
        return tuple(self.holds(change) for _, change in sorted(made.items()))

    def holds(self, change: Change) -> Proof:
        """Whether the server refuses the test account what this login asks for; asked once, until `prove`."""
        name, fields = issuer_of(change.address), desired_of(change).fields
        provider = self._estate.identity_provider(name)
        subject, system = SubjectRef("mfatier", change.signs_in), f"{SYSTEM} {name}"
        asked = ", ".join(f"{pointer} {_words(value)}" for pointer, value in fields["bound_claims"].items())
        if provider is None or provider.probe is None:
            return Proof(subject, system, "not-covered", f"its logins are bound to {asked}; {UNTRIED}")
        key = name, change.signs_in, canonical(fields["bound_claims"])
        with self._lock:
            if key not in self._found:
                self._found[key] = self._fault(provider, change.signs_in, fields)
            fault = self._found[key]
        if fault:
            return Proof(subject, system, "failed", fault)
        detail = f"an ID token, good in all else, that does not say {asked} was refused"
        return Proof(subject, system, "proved", detail)

    def _fault(self, provider: IdentityProvider, tier: str, fields: Fields) -> str:
        """Why it is not proved; empty when it is."""
        try:
            return self._try(provider, tier, fields)
        except IdacError as error:
            return f"the probe could not be carried through: {error}"

    def _try(self, provider: IdentityProvider, tier: str, fields: Fields) -> str:
        jwt = self._token(provider)
        role, mount = f"{PROBE}.{tier}", f"auth/{self._estate.mounts.workload(provider.name)}"
        made = token_login(
            SubjectRef("probe", tier),
            role,
            sub=_subject(jwt),
            audience=provider.audience,
            claims=fields["bound_claims"],
        )
        body = {name: value if isinstance(value, Mapping) else spell(value) for name, value in made.fields.items()}
        self._clients("grant").write(f"{mount}/role/{role}", body)
        try:
            answer = self._ask(f"{mount}/login", {"role": role, "jwt": jwt.reveal()})
        finally:
            self._clients("contain").delete(f"{mount}/role/{role}")
        auth = answer.body.get("auth") or {}
        if auth.get("accessor"):
            self._clients("contain").write("auth/token/revoke-accessor", {"accessor": auth["accessor"]})
        if answer.status < 400 or auth:
            return (
                "the test account was let in: its token says what the tier asks for, or the server binds nothing"
            )
        said = answer.said.replace(jwt.reveal(), "…")
        if any(f'{_REFUSED}"{pointer}"' in said for pointer in fields["bound_claims"]):
            return ""
        return f"the test account was refused for another reason ({said}): nothing is proved"


def _words(value: Any) -> str:
    return " or ".join(value) if isinstance(value, list) else str(value)


def _subject(jwt: Secret) -> str:
    """The claim `sub` of a token (RFC 7519), unverified: the server verifies it. Raises `Rejected` without one."""
    try:
        body = jwt.reveal().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        sub = claims["sub"]
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error, RecursionError):
        sub = None
    if not isinstance(sub, str) or not sub:
        raise Rejected("the probe's token is no JWT with a sub", remedy="see `probe` of the provider in idac.yaml")
    return sub


__all__ = ["SYSTEM", "SignInProbe"]
