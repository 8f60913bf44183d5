"""The record key is made once, kept private, and pinned for those who verify."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from reconciler.errors import CryptoError, LedgerError
from reconciler.ledger.trust import KEY_FILE, ensure_record_key, load_signer, load_trust
from reconciler.model.secretref import SecretRef
from reconciler.x509 import new_signing_key, verify

NOW = "2026-11-24T00:00:00Z"


def test_the_key_is_made_once_and_pinned(tmp_path: Path) -> None:
    private, ledger = tmp_path / ".idac", tmp_path / "plans"
    first = ensure_record_key(private, ledger, NOW)
    again = ensure_record_key(private, ledger, "2027-01-01T00:00:00Z")
    assert first.key_id == again.key_id
    (key,) = load_trust(ledger / "trust").values()
    assert (key.key_id, key.public_pem, key.not_before, key.not_after) == (
        first.key_id, first.public_pem, NOW, None
    )  # fmt: skip
    verify(key.public_pem, again.sign(b"x"), b"x")
    assert stat.S_IMODE((private / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert not any(b"PRIVATE" in p.read_bytes() for p in ledger.rglob("*") if p.is_file())


def test_a_ledger_with_another_key_pinned_is_not_taken_over(tmp_path: Path) -> None:
    ensure_record_key(tmp_path / "a", tmp_path / "plans", NOW)
    with pytest.raises(LedgerError, match="pins another key"):
        ensure_record_key(tmp_path / "b", tmp_path / "plans", NOW)


def test_a_pin_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    made = ensure_record_key(tmp_path / ".idac", tmp_path / "plans", NOW)
    (tmp_path / "plans" / "trust" / "record-keys.json").unlink()
    ensure_record_key(tmp_path / ".idac", tmp_path / "plans", NOW)
    assert load_trust(tmp_path / "plans" / "trust").keys() == {made.key_id}


def test_the_signer_comes_from_idac_yaml_or_from_beside_it(tmp_path: Path) -> None:
    made = ensure_record_key(tmp_path / ".idac", tmp_path / "plans", NOW)
    assert load_signer(None, tmp_path, {}).key_id == made.key_id
    assert load_signer(SecretRef(file=f".idac/{KEY_FILE}"), tmp_path, {}).key_id == made.key_id
    pem = new_signing_key().reveal()
    assert load_signer(SecretRef(env="KEY"), tmp_path, {"KEY": pem}).key_id != made.key_id


def test_a_missing_or_unsound_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no record key"):
        load_signer(None, tmp_path, {})
    with pytest.raises(LedgerError, match="KEY is not set"):
        load_signer(SecretRef(env="KEY"), tmp_path, {"KEY": ""})
    (tmp_path / "key").write_bytes(b"\xff")
    with pytest.raises(LedgerError, match="not PEM"):
        load_signer(SecretRef(file="key"), tmp_path, {})
    (tmp_path / "key").write_text("x")
    with pytest.raises(CryptoError):
        load_signer(SecretRef(file="key"), tmp_path, {})


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    ensure_record_key(tmp_path / ".idac", tmp_path / "plans", NOW)
    (tmp_path / ".idac" / KEY_FILE).chmod(0o640)
    with pytest.raises(LedgerError, match="others may read"):
        load_signer(None, tmp_path, {})
