"""Tiers as data: everything that an enforcer needs, and the same for the same manifests."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from reconciler.emit.mfa import tier_documents
from reconciler.load import load, load_estate
from tests.cases.golden import CONFIGURATION, HERE
from tests.cli import idac
from tests.schema import faults, load_schema

SCHEMA = load_schema("mfa-v1")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(HERE / "mfa_tier" / "everything", tmp_path / "manifests")
    (tmp_path / "manifests" / "expected.json").unlink()
    (tmp_path / "idac.yaml").write_text(CONFIGURATION)
    return tmp_path


def documents(root: Path) -> dict[str, Any]:
    estate = load_estate(root / "idac.yaml")
    return {name: dict(one) for name, one in tier_documents(load(estate), estate, date(2026, 11, 25))}


def test_a_tier_says_who_enforces_it_and_on_whom(root: Path) -> None:
    otp = documents(root)["otp"]
    assert (otp["acr"], otp["aal"], otp["enforcedByIdac"]) == ("mfa", 2, ["vault"])
    assert otp["requiredByRoles"] == ["approve"]
    shown = [(s["principal"], s["lifecycle"]) for s in otp["subjects"]]
    assert shown == [("staff.anna", "active"), ("staff.bob", "suspended")]


def test_what_idac_cannot_enforce_is_all_there_for_whoever_must(root: Path) -> None:
    hardware = documents(root)["hardware"]
    assert (hardware["enforcedBy"], hardware["enforcedByIdac"]) == (["gateway", "idp"], [])
    assert hardware["authenticators"]["webauthn"]["rules"]["attestation"] == "required"
    assert hardware["maxAuthAgeSeconds"] == 300
    assert hardware["stepUp"][0] == {
        "on": "order.approve",
        "notionalOver": {"ccy": "EUR", "amount": "1000000"},
        "outside": None,
    }


def test_the_identity_provider_is_told_what_its_tokens_must_say_and_of_whom(root: Path) -> None:
    passkey = documents(root)["passkey"]
    assert (passkey["acr"], passkey["amr"]) == ("phr", ["hwk", "pop"])
    assert [s["signIn"] for s in passkey["subjects"]] == [{"provider": "corp", "subject": "00uCora"}]
    assert {s["signIn"] for s in documents(root)["otp"]["subjects"]} == {None}


def test_every_document_fits_the_published_schema(root: Path) -> None:
    for document in documents(root).values():
        assert list(faults(json.loads(json.dumps(document)), SCHEMA)) == []


def test_the_command_writes_one_file_a_tier_and_the_same_twice(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert idac(root, "-q", "emit", "mfa", "--out", str(out)).code == 0
    first = {file.name: file.read_bytes() for file in out.iterdir()}
    assert first.keys() == {f"{name}.json" for name in documents(root)}
    assert idac(root, "-q", "emit", "mfa", "--out", str(out)).code == 0
    assert {file.name: file.read_bytes() for file in out.iterdir()} == first


def test_invalid_manifests_emit_nothing(root: Path, tmp_path: Path) -> None:
    (root / "manifests/bad.yaml").write_text("apiVersion: idac/v1\nkind: Staff\nmetadata: {name: x}\nspec: {}\n")
    out = tmp_path / "out"
    out.mkdir()
    done = idac(root, "emit", "mfa", "--out", str(out))
    assert done.code == 1 and "nothing is emitted from manifests that are invalid" in done.err
    assert list(out.iterdir()) == []
