"""What the ledger writes holds no numbers and nothing that looks like a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.ledger.plain import WITHHELD, line, plain
from reconciler.ledger.verify import verify
from reconciler.model.outcome import Outcome
from reconciler.model.secret import Secret
from reconciler.x509 import new_signing_key
from tests.unit.ledger.world import TICKET, Clock, new_ledger, the_plan, the_result, the_run

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
)
# Made up, in the shapes that real ones have.
SECRETS = [
    "hvs.CAESIJ1234567890abcdefghijklmnop",
    "hvb.AAAAAQJ1234567890abcdefghijklmnop",
    "s.iyNUhq8Ov4hIAx6snw5mB2nL",
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
    "https://user:hunter2@vault.example/v1",
    "-----BEGIN PRIVATE KEY-----\nMIG",
    "-----BEGIN RSA PRIVATE KEY-----\nMIG",
]
PUBLIC = [
    "1a:2b:3c",
    "ab" * 32,
    "-----BEGIN CERTIFICATE-----\nMIIB",
    "-----BEGIN PUBLIC KEY-----\nMIIB",
    "spiffe://bank.example/trader/jdoe",
    "https://vault.example:8200/v1/pki/crl",
    "identity/entity/name/idac-demo-trader.jdoe",
    "a1b2.policies.example.com/averyveryverylongnamewithoutanysecret",
    "6d2e3c1a-0b7f-4f0e-9c55-0123456789ab",
]


@given(JSON)
def test_any_value_becomes_json_without_numbers(value: Any) -> None:
    def number(text: str) -> float:
        raise AssertionError(text)

    text = line({"value": value})
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    json.loads(text, parse_int=number, parse_float=number, parse_constant=number)


@pytest.mark.parametrize("value", SECRETS)
def test_what_looks_like_a_secret_is_withheld(value: str) -> None:
    for holder in (value, f"error: {value} refused", [value], {"a": {"b": value}}, {value: 1}):
        text = json.dumps(plain(holder))
        assert WITHHELD in text
        assert value.splitlines()[0] not in text


@pytest.mark.parametrize("value", PUBLIC)
def test_public_facts_are_kept(value: str) -> None:
    assert plain({"x": value}) == {"x": value}


@pytest.mark.parametrize("name", ["password", "secret_id", "client_token", "private_key", "PIN"])
def test_a_member_named_like_a_secret_is_withheld(name: str) -> None:
    assert "canary" not in json.dumps(plain({name: "canary", "x": {name: ["canary"]}}))
    assert plain({name: None}) == {name: None}


def test_a_secret_and_what_is_no_json_are_withheld() -> None:
    assert plain({"x": Secret("canary"), "y": {1}, "z": b"b"}) == {
        "x": f"{WITHHELD}a Secret",
        "y": f"{WITHHELD}a set",
        "z": f"{WITHHELD}a bytes",
    }


def test_planted_secrets_reach_neither_journal_nor_record(tmp_path: Path) -> None:
    ledger, clock = new_ledger(tmp_path), Clock()
    planted = {"key": new_signing_key().reveal(), "all": SECRETS, "wrapped": Secret("canary-1")}
    journal = ledger.open(the_run("run-a"), the_plan(), TICKET)
    journal.intent(0, "vault.entity/x", "create", "k")
    journal.before_write("POST", f"auth/token/lookup/{SECRETS[0]}")
    journal.outcome(0, "failed", planted, f"refused {SECRETS[1]}")
    result = the_result("run-a", clock)
    first = Outcome(result.plan.changes[0], "failed", planted, f"refused {SECRETS[1]}")
    object.__setattr__(result, "outcomes", (first, *result.outcomes[1:]))
    ledger.close(journal, result)
    statement = json.dumps(ledger.load("0").statement)
    written = statement + (tmp_path / "plans" / "journal" / "run-a.jsonl").read_text()
    for value in [*SECRETS, "PRIVATE KEY", "canary"]:
        assert value.splitlines()[0] not in written
    assert written.count(WITHHELD) >= 2 * len(SECRETS)
    assert verify(tmp_path / "plans").passed
