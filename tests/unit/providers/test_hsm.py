"""The HSM provider over a token in memory, as another backend than transit would be: versions with random names,
no dates. What transit itself does is tested on the real engine (tests/integration/test_hsm.py)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import pytest

from reconciler.errors import Rejected, Unreachable
from reconciler.model.change import Action, Change, Phase
from reconciler.model.manifest import SubjectRef
from reconciler.model.resource import Fields, Resource
from reconciler.providers.hsm.backend import StoredKey, Version
from reconciler.providers.hsm.prover import HsmProver
from reconciler.providers.hsm.reader import HsmReader
from reconciler.providers.hsm.resources import POSTURE, key
from reconciler.providers.hsm.writer import HsmWriter
from reconciler.x509 import new_key_and_csr, read_csr
from tests.openbao import make_estate

ESTATE = make_estate(Path("/nowhere"), "prod", hsmTokens=[{"name": "trade", "backend": "transit"}])
ANNA = SubjectRef("trader", "anna")
WANTED = key(ESTATE, ANNA, "signing", ESTATE.spec.hsm_tokens[0], "ec-p256", None)
NAME = str(WANTED.fields["name"])


@dataclass(slots=True)
class InMemory:
    """Implements `backend.Token`."""

    stored: dict[str, StoredKey] = field(default_factory=dict)
    csrs: dict[str, str] = field(default_factory=dict)  # by version
    lazy: bool = False  # says yes, and does nothing
    deaf: bool = False
    name: str = "trade"
    backend: str = "transit"
    _names: Iterator[int] = field(default_factory=lambda: count(0xA0))

    def _pair(self) -> Version:
        version = f"{next(self._names) * 7919 % 65521:04x}"  # no order in them
        self.csrs[version] = new_key_and_csr("x")[1]
        return Version(version, read_csr(self.csrs[version]).spki, "")

    def identity(self) -> str:
        return "serial-1"

    def keys(self) -> Iterator[StoredKey]:
        return iter(self.stored.values())

    def names(self, prefix: str) -> Sequence[str]:
        if self.deaf:
            raise Unreachable("the token does not answer")
        return sorted(name for name in self.stored if name.startswith(prefix))

    def read(self, name: str) -> StoredKey | None:
        return self.stored.get(name)

    def _put(self, name: str, made: StoredKey) -> None:
        if not self.lazy:
            self.stored[name] = made

    def make(self, name: str, algorithm: str) -> None:
        self._put(name, StoredKey(name, algorithm, True, POSTURE[self.backend], (self._pair(),)))

    def renew(self, name: str) -> None:
        there = self.stored[name]
        self._put(name, replace(there, versions=(*there.versions, self._pair())))

    def request(self, name: str, version: str) -> str:
        return self.csrs[version]

    def activate(self, name: str) -> None:
        self._put(name, replace(self.stored[name], active=True))

    def mend(self, name: str) -> None:
        self._put(name, replace(self.stored[name], posture=POSTURE[self.backend]))

    def deactivate(self, name: str) -> None:
        self._put(name, replace(self.stored[name], active=False))

    def retire(self, name: str, newest: str) -> None:
        there = self.stored[name]
        self._put(name, replace(there, versions=tuple(v for v in there.versions if v.name == newest)))

    def destroy(self, name: str) -> None:
        if not self.lazy:
            self.stored.pop(name, None)


def change(action: Action, actual: Resource | None = None, after: Fields | None = None) -> Change:
    phase: Phase = "grant" if action in ("create", "rotate", "update") else "contain"
    return Change(WANTED.address, ANNA, action, phase, "why", after=after, desired=WANTED, actual=actual)


@pytest.fixture
def token() -> InMemory:
    return InMemory()


def act(token: InMemory, action: Action, after: Fields | None = None) -> Fields:
    return HsmWriter({"trade": token}, ESTATE).apply(change(action, seen(token), after), {})


def seen(token: InMemory) -> Resource | None:
    found = HsmReader(token, ESTATE).observe().resources
    return found[0] if found else None


def test_a_key_is_made_renewed_retired_deactivated_activated_and_destroyed(token: InMemory) -> None:
    first = act(token, "create")
    there = seen(token)
    assert there is not None and there.fields == WANTED.fields
    second = act(token, "rotate")
    assert second["spki"] != first["spki"]
    assert [*second["versions"]] == [first["version"], second["version"]]
    assert [*act(token, "revoke", {"version": second["version"]})["versions"]] == [second["version"]]
    act(token, "revoke", {"state": "deactivated"})
    assert not token.stored[NAME].active
    act(token, "update")
    assert token.stored[NAME].active
    request = HsmWriter({"trade": token}, ESTATE).request(WANTED.address, str(second["spki"]))
    assert read_csr(request).spki == second["spki"]
    act(token, "delete")
    assert token.stored == {}


@pytest.mark.parametrize("action", ["create", "rotate", "update", "revoke", "delete"])
def test_a_token_that_says_yes_and_does_nothing_is_found_out(token: InMemory, action: Action) -> None:
    if action != "create":
        act(token, "create")
    if action == "update":
        token.deactivate(NAME)
    token.lazy = True
    with pytest.raises(Rejected):
        act(token, action, {"state": "deactivated"} if action == "revoke" else None)


def test_a_token_that_signs_with_another_key_than_it_says_gets_no_certificate(token: InMemory) -> None:
    made = act(token, "create")
    token.csrs[str(made["version"])] = new_key_and_csr("another")[1]
    with pytest.raises(Rejected, match="signed the request with another key"):
        HsmWriter({"trade": token}, ESTATE).request(WANTED.address, str(made["spki"]))


def test_a_proof_says_what_is_there_and_no_more(token: InMemory) -> None:
    act(token, "create")
    prover = HsmProver({"trade": token}, ESTATE)
    left = Change(f"vault.entity/{ANNA}", ANNA, "delete", "contain", "left")
    gone = change("delete", seen(token))
    assert [p.detail for p in prover.prove([left], {})] == [f"key {NAME} still signs"]
    assert [p.detail for p in prover.prove([left, gone], {})] == [f"key {NAME} is still there"]
    token.deactivate(NAME)
    assert [(p.status, p.detail) for p in prover.prove([left], {})] == [("proved", "no key signs")]
    assert [p.status for p in prover.prove([left, gone], {})] == ["failed"]
    token.destroy(NAME)
    token.make(NAME, "ec-p256")
    assert [p.detail for p in prover.prove([gone], {})] == ["what was to go is gone"]  # another is in its place
    assert [p.detail for p in prover.prove([left, gone], {})] == [f"another key signs as {NAME}"]
    token.destroy(NAME)
    assert [(p.status, p.detail) for p in prover.prove([left, gone], {})] == [("proved", "no key is there")]
    token.deaf = True
    assert [p.status for p in prover.prove([left, gone], {})] == ["failed"]


def test_a_proof_about_somebody_who_stays_asks_only_about_what_was_to_go(token: InMemory) -> None:
    act(token, "create")
    made = act(token, "rotate")
    retired = change("revoke", seen(token), {"version": made["version"]})
    prover = HsmProver({"trade": token}, ESTATE)
    assert [p.status for p in prover.prove([retired], {})] == ["failed"]
    act(token, "revoke", {"version": made["version"]})
    assert [(p.status, p.detail) for p in prover.prove([retired], {})] == [("proved", "what was to go is gone")]
    assert prover.prove([Change("ca.certificate/trader/anna/x", ANNA, "revoke", "contain", "why")], {}) == ()
