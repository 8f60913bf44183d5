"""What the server's answer to a login without a code proves. The login is played here; the real one is e2e's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from reconciler.errors import Denied
from reconciler.model.secret import Secret
from reconciler.providers.protocol import Answer
from reconciler.providers.vault.secondfactor import SecondFactor
from tests.openbao import make_estate

ASKED = {"mfa_request_id": "r", "mfa_constraints": {"idac-e.mfa.otp.1": {"any": [{"id": "m", "type": "totp"}]}}}
REFUSED = Answer(200, {"auth": {"client_token": "", "mfa_requirement": ASKED}})
WRONG = Answer(403, {"errors": ["failed to satisfy enforcement"]})


@dataclass(slots=True)
class Played:
    """A server with one tier, and how it answers."""

    login: Answer = REFUSED
    validate: Answer = WRONG
    ended: list[Any] = field(default_factory=list)

    def list(self, path: str) -> Answer:
        name = "idac-e.mfa.otp.1"
        if path.endswith("totp"):
            return Answer(200, {"data": {"keys": ["m"], "key_info": {"m": {"id": "m", "name": "idac-e.mfa.otp"}}}})
        one = {"name": name, "mfa_method_ids": ["m"], "identity_entity_ids": ["p"]}
        return Answer(200, {"data": {"keys": [name], "key_info": {name: one}}})

    def write(self, path: str, body: Mapping[str, Any]) -> Answer:
        self.ended.append((path, body))
        return Answer(204, {})

    def factor(self, tmp_path: Any) -> SecondFactor:
        return SecondFactor(
            lambda identity: self,  # type: ignore[arg-type,return-value]  # the two calls it makes
            make_estate(tmp_path, "e"),
            lambda chain, key, role: self.login,
            lambda: ("chain", Secret("key")),
            lambda path, body: self.validate,
        )


def test_a_login_and_a_wrong_code_that_are_refused_prove_the_tier(tmp_path: Any) -> None:
    proof = Played().factor(tmp_path).holds("otp")
    assert (proof.status, str(proof.subject)) == ("proved", "mfatier/otp")


TOKEN = {"client_token": "s.x", "accessor": "a"}
FAILURES = {
    "given a token without a code": Played(login=Answer(200, {"auth": TOKEN})),
    "for another reason (no entry)": Played(login=Answer(400, {"errors": ["no entry"]})),
    "for another reason (status 200)": Played(login=Answer(200, {"auth": {}})),
    "did not ask for its code (idac-e.mfa.otp.1)": Played(
        login=Answer(200, {"auth": {"mfa_requirement": {**ASKED, "mfa_constraints": {}}}})
    ),
    "did not ask for its code": Played(
        login=Answer(
            200,
            {
                "auth": {
                    "mfa_requirement": {
                        **ASKED,
                        "mfa_constraints": {"idac-e.mfa.otp.1": {"any": [{"id": "m"}, {"id": "another"}]}},
                    }
                }
            },
        )
    ),
    "got in with a wrong code": Played(validate=Answer(200, {"auth": TOKEN})),
}


@pytest.mark.parametrize("said", FAILURES)
def test_anything_else_proves_nothing_and_a_token_that_was_given_is_ended(said: str, tmp_path: Any) -> None:
    played = FAILURES[said]
    proof = played.factor(tmp_path).holds("otp")
    assert proof.status == "failed" and said in proof.detail
    given = any((answer.body.get("auth") or {}).get("accessor") for answer in (played.login, played.validate))
    assert played.ended == ([("auth/token/revoke-accessor", {"accessor": "a"})] if given else [])


def test_a_tier_that_is_not_there_and_a_probe_that_cannot_be_made_prove_nothing(tmp_path: Any) -> None:
    factor = Played().factor(tmp_path)
    assert "no such tier" in factor.holds("other").detail

    def denied() -> tuple[str, Secret]:
        raise Denied("the contain login may not sign")

    factor._certificate = denied
    assert factor.prove((), {}) == ()
    assert "could not be carried through: the contain login may not sign" in factor.holds("otp").detail
