"""Does the server really refuse a login without the code? The tool's own probe, under every tier, tries one.

Nobody is enrolled for the probe, so no code lets it in. A login that lacks a code is answered with 200 and with
`mfa_requirement` in the place of a token; what would complete it is `sys/mfa/validate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

from reconciler.errors import IdacError
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Proof
from reconciler.model.secret import Secret
from reconciler.providers.protocol import Answer, CertificateLogin, Clients, Known
from reconciler.providers.vault.runners import TIER_PROBE
from reconciler.providers.vault.tiers import Standing, standing

SYSTEM = "vault.mfa"
VALIDATE = "sys/mfa/validate"
WRONG_CODE = "000000"
GIVEN = "the probe was given a token without a code"


class SecondFactor:
    """Implements `Prover` for MFA tiers, and says before a grant whether its subject's tier holds. Thread-safe."""

    def __init__(
        self,
        clients: Clients,
        estate: Estate,
        login: CertificateLogin,
        certificate: Callable[[], tuple[str, Secret]],
        ask: Callable[[str, Mapping[str, Any]], Answer],
    ) -> None:
        """`certificate` makes one for the probe, with its key; `ask` posts without a token."""
        self._clients, self._estate, self._login = clients, estate, login
        self._certificate, self._ask = certificate, ask
        self._lock = Lock()
        self._faults: Mapping[str, str] | None = None
        self._unasked = ""

    def prove(self, contained: Sequence[Change], known: Known) -> tuple[Proof, ...]:
        """One Proof for each tier that the changes are about, asked afresh."""
        named = {change.tier for change in contained if change.tier}
        with self._lock:
            self._faults = None
        return tuple(self.holds(tier) for tier in sorted(named))

    def holds(self, tier: str) -> Proof:
        """Whether the server refuses a login under that tier without a code; asked once, until `prove`."""
        with self._lock:
            if self._faults is None:
                self._faults, self._unasked = self._try()
            fault = self._unasked or self._faults.get(tier, "there is no such tier on the server")
        return _proof(tier, fault)

    def _try(self) -> tuple[Mapping[str, str], str]:
        """What is wrong with each tier, empty for nothing; or why none could be asked about."""
        try:
            tiers, _ = standing(self._clients("plan"), self._estate)
            return self._login_without_code(tiers), ""
        except IdacError as error:
            return {}, f"the probe could not be carried through: {error}"

    def _login_without_code(self, tiers: Mapping[str, Standing]) -> Mapping[str, str]:
        chain, key = self._certificate()
        answer = self._login(chain, key, TIER_PROBE)
        auth = answer.body.get("auth") or {}
        self._end(auth)
        if auth.get("client_token") or auth.get("accessor"):
            return dict.fromkeys(tiers, GIVEN)
        asked = auth.get("mfa_requirement") or {}
        if not asked:
            why = f"the probe was refused for another reason ({answer.said}): nothing is proved"
            return dict.fromkeys(tiers, why)
        found = {tier: _not_asked(one, asked.get("mfa_constraints") or {}) for tier, one in tiers.items()}
        payload = {one.id: [WRONG_CODE] for one in tiers.values() if one.id}
        wrong = self._ask(VALIDATE, {"mfa_request_id": asked.get("mfa_request_id"), "mfa_payload": payload})
        self._end(wrong.body.get("auth") or {})
        if wrong.status < 400 or wrong.body.get("auth"):
            return dict.fromkeys(tiers, "the probe got in with a wrong code")
        return found

    def _end(self, auth: Mapping[str, Any]) -> None:
        if auth.get("accessor"):
            self._clients("contain").write("auth/token/revoke-accessor", {"accessor": auth["accessor"]})


def _not_asked(tier: Standing, constraints: Mapping[str, Any]) -> str:
    """What the server did not ask of the probe for this tier."""
    for one in tier.enforcements:
        ways = (constraints.get(one.name) or {}).get("any") or []
        if [way.get("id") for way in ways if isinstance(way, dict)] != [tier.id]:
            return f"the server did not ask for its code ({one.name})"
    return "" if tier.enforcements else "nothing enforces it"


def _proof(tier: str, fault: str) -> Proof:
    subject = SubjectRef("mfatier", tier)
    if fault:
        return Proof(subject, SYSTEM, "failed", fault)
    return Proof(subject, SYSTEM, "proved", "a login without its code, and one with a wrong code, were refused")
