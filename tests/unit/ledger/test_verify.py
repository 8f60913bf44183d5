"""Whatever is changed in a ledger after the fact is found; what cannot be found by itself is said."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer._key import SSlibKey

from reconciler.canonical import canonical
from reconciler.errors import LedgerError
from reconciler.ledger import dsse
from reconciler.ledger.verify import LIMITS, verify
from reconciler.model.secret import Secret
from reconciler.x509 import Signer, new_signing_key
from tests.unit.ledger.world import Clock, new_ledger, record, some_records

Edit = Callable[[Path], None]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ledger")
    some_records(root)
    return root / "plans"


@pytest.fixture
def ledger(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "plans"))


def codes(directory: Path, trust: Path | None = None) -> set[str]:
    found = verify(directory, trust)
    assert found.limits == LIMITS
    assert found.passed == (not [f for f in found.findings if f.severity == "error"])
    assert all(f.origin is not None and f.origin.path for f in found.findings)
    return {f.code for f in found.findings}


def name(n: int) -> str:
    return f"records/{n:06}.dsse.json"


def test_openssl_verifies_every_record_from_files_alone(ledger: Path, tmp_path: Path) -> None:
    for path in sorted((ledger / "records").iterdir()):
        document = json.loads(path.read_bytes())
        body = base64.b64decode(document["payload"])
        kind = document["payloadType"].encode()
        (tmp_path / "pae").write_bytes(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body))
        (tmp_path / "sig").write_bytes(base64.b64decode(document["signatures"][0]["sig"]))
        key, signature = str(ledger / "trust" / "record-key.pem"), str(tmp_path / "sig")
        command = ["openssl", "dgst", "-sha256", "-verify", key, "-signature", signature, str(tmp_path / "pae")]
        assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "Verified OK\n"
        (tmp_path / "pae").write_bytes(b"DSSEv1 %d %b %d %b " % (len(kind), kind, len(body), body))
        assert subprocess.run(command, check=False, capture_output=True).returncode == 1


def test_securesystemslib_verifies_every_record(ledger: Path) -> None:
    trusted = json.loads((ledger / "trust" / "record-keys.json").read_bytes())["keys"][0]
    pem = (ledger / "trust" / trusted["file"]).read_text()
    key = SSlibKey(trusted["keyId"], "ecdsa", "ecdsa-sha2-nistp256", {"public": pem})
    for path in sorted((ledger / "records").iterdir()):
        envelope = Envelope.from_dict(json.loads(path.read_bytes()))
        assert envelope.verify([key], 1)
        assert json.loads(envelope.payload)["_type"] == "https://in-toto.io/Statement/v1"
        envelope.payload += b" "
        with pytest.raises(VerificationError):
            envelope.verify([key], 1)


def test_the_statement_is_one_that_in_toto_describes(ledger: Path) -> None:
    """Statement v1: its fields and no others; every subject named once, with lower-case hex digests."""
    for path in (ledger / "records").iterdir():
        statement = json.loads(base64.b64decode(json.loads(path.read_bytes())["payload"]))
        assert statement.keys() == {"_type", "subject", "predicateType", "predicate"}
        names = [s["name"] for s in statement["subject"]]
        assert len(names) == len(set(names))
        for subject in statement["subject"]:
            assert re.fullmatch(r"[0-9a-f]{64}", subject["digest"]["sha256"])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_byte_flipped_anywhere_is_found(pristine: Path, data: st.DataObject) -> None:
    files = sorted(p for d in ("records", "journal", "evidence") for p in (pristine / d).iterdir() if p.is_file())
    path = data.draw(st.sampled_from(files))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        path.write_bytes(bytes(changed))
        assert codes(pristine) & {"L01", "L02", "L03", "L05", "L07", "L11"}
    finally:
        path.write_bytes(whole)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_file_cut_short_or_made_longer_is_found(pristine: Path, data: st.DataObject) -> None:
    path = pristine / name(data.draw(st.integers(0, 2)))
    whole = path.read_bytes()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        path.write_bytes(data.draw(st.sampled_from([cut, whole + b"\n", b"\n" + whole, whole + whole])))
        assert codes(pristine) & {"L01", "L05"}
    finally:
        path.write_bytes(whole)


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_bytes(canonical(document) + b"\n")


def resign(path: Path, signer: Signer, change: Callable[[dict[str, Any]], None]) -> None:
    statement = json.loads(base64.b64decode(json.loads(path.read_bytes())["payload"]))
    change(statement)
    path.write_bytes(dsse.seal(canonical(statement), signer))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(note="approved by nobody"),
        lambda d: d["signatures"][0].update(cert="x"),
        lambda d: d["signatures"].append(d["signatures"][0]),
        lambda d: d.update(signatures=[]),
        lambda d: d.update(payloadType="text/plain"),
        lambda d: d["signatures"][0].update(keyid=""),
        lambda d: d["signatures"][0].pop("keyid"),
        lambda d: d.update(payload=d["payload"] + "\n"),
    ],
)
def test_an_envelope_changed_outside_its_signature_is_found(ledger: Path, change: Any) -> None:
    rewrite(ledger / name(2), change)
    assert codes(ledger) == {"L01", "L09"}


def test_a_record_written_as_other_json_is_found(ledger: Path) -> None:
    path = ledger / name(2)
    path.write_text(json.dumps(json.loads(path.read_bytes()), indent=1))
    assert "L01" in codes(ledger)


def test_a_record_signed_again_with_another_key_is_found(ledger: Path) -> None:
    resign(ledger / name(2), Signer(new_signing_key()), lambda s: None)
    assert codes(ledger) == {"L02", "L09"}


def test_a_signature_under_a_pinned_key_id_by_another_key_is_found(ledger: Path) -> None:
    pinned = json.loads((ledger / name(2)).read_bytes())["signatures"][0]["keyid"]
    thief = Signer(new_signing_key())
    thief.key_id = pinned
    resign(ledger / name(2), thief, lambda s: None)
    assert codes(ledger) == {"L03", "L09"}


def the_key(pristine: Path) -> Signer:
    return Signer(Secret((pristine.parent / ".idac" / "record-key.pem").read_text()))


def test_a_record_altered_with_the_stolen_key_breaks_the_chain(ledger: Path, pristine: Path) -> None:
    resign(ledger / name(1), the_key(pristine), lambda s: s["predicate"].update(status="noop"))
    assert codes(ledger) == {"L05"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda s: s["predicate"].update(seq="7"), "L04"),
        (lambda s: s["predicate"].update(previous=None), "L05"),
        (lambda s: s["predicate"].pop("previous"), "L05"),
        (lambda s: s["predicate"].update(endedAt="2026-11-24T00:00:00Z"), "L08"),
        (lambda s: s["predicate"].update(endedAt="2025-11-24T00:00:00Z"), "L08"),
        (lambda s: s["predicate"].pop("journal"), "L01"),
        (lambda s: s["predicate"].update(journal={"name": "journal/../../etc/passwd", "sha256": ""}), "L07"),
        (lambda s: s["predicate"].update(journal={"name": "journal/run-a.jsonl", "sha256": ""}), "L07"),
        (lambda s: s["predicate"].update(plan={"sha256": "0" * 64}), "L11"),
        (lambda s: s["predicate"].update(plan={"sha256": "../trust/record-key.pem"}), "L11"),
        (lambda s: s["predicate"].update(plan=[]), "L11"),
        (lambda s: s.update(predicate=[]), "L01"),
        (lambda s: s.update(predicateType="urn:other"), "L01"),
        (lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"), "L01"),
    ],
)
def test_a_record_that_lies_is_found_even_when_its_signature_is_good(
    ledger: Path, pristine: Path, change: Any, code: str
) -> None:
    resign(ledger / name(2), the_key(pristine), change)
    assert code in codes(ledger)


@pytest.mark.parametrize("payload", [b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_signed_payload_that_is_no_statement_is_found(ledger: Path, pristine: Path, payload: bytes) -> None:
    (ledger / name(2)).write_bytes(dsse.seal(payload, the_key(pristine)))
    assert "L01" in codes(ledger)


def _swap(ledger: Path) -> None:
    first, second = ledger / name(0), ledger / name(1)
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)


def _renumber(ledger: Path) -> None:
    (ledger / name(1)).unlink()
    (ledger / name(2)).rename(ledger / name(1))


def _swap_journals(ledger: Path) -> None:
    a, b = ledger / "journal" / "run-a.jsonl", ledger / "journal" / "run-b.jsonl"
    first, second = a.read_bytes(), b.read_bytes()
    a.write_bytes(second)
    b.write_bytes(first)


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (lambda d: (d / name(1)).unlink(), {"L05", "L06", "L09"}),
        (lambda d: (d / name(0)).unlink(), {"L05", "L06", "L09"}),
        (lambda d: (d / name(2)).unlink(), {"L09"}),  # its journal gives it away
        (_swap, {"L04", "L05", "L08"}),
        (_renumber, {"L04", "L05", "L09"}),
        (lambda d: shutil.copy(d / name(2), d / name(3)), {"L04", "L05", "L07"}),
        (lambda d: shutil.copy(d / name(2), d / name(9)), {"L04", "L05", "L06", "L07"}),
        (lambda d: shutil.copy(d / name(2), d / "records" / "2.dsse.json"), {"L10"}),
        (lambda d: (d / "journal" / "run-b.jsonl").unlink(), {"L07"}),
        (_swap_journals, {"L07"}),
        (lambda d: shutil.copy(d / "journal" / "run-b.jsonl", d / "journal" / "run-x.jsonl"), {"L09"}),
        (lambda d: shutil.rmtree(d / "evidence"), {"L11"}),
    ],
)
def test_files_deleted_swapped_or_added_are_found(ledger: Path, edit: Edit, found: set[str]) -> None:
    edit(ledger)
    assert codes(ledger) == found


def test_records_cut_off_the_end_pass_by_themselves_and_the_limits_say_so(ledger: Path) -> None:
    (ledger / name(2)).unlink()
    (ledger / "journal" / "run-c.jsonl").unlink()
    found = verify(ledger)
    assert (found.passed, found.records) == (True, 2)
    assert any("removal of the newest records cannot be seen" in limit for limit in found.limits)


def test_an_empty_ledger_verifies_as_empty(tmp_path: Path) -> None:
    new_ledger(tmp_path)
    found = verify(tmp_path / "plans")
    assert (found.records, found.head, found.passed) == (0, None, True)


def test_an_unfinished_file_of_a_killed_writer_is_no_fault(ledger: Path) -> None:
    (ledger / "records" / ".tmp-0123").write_bytes(b"{")
    assert codes(ledger) == set()


def test_a_run_in_progress_is_a_warning(tmp_path: Path) -> None:
    some_records(tmp_path)
    (tmp_path / "plans" / "journal" / "open" / "run-z.jsonl").write_bytes(b"")
    found = verify(tmp_path / "plans")
    assert ([(f.code, f.severity) for f in found.findings], found.passed) == ([("L09", "warning")], True)


def test_an_auditor_s_own_keys_decide(ledger: Path, tmp_path: Path) -> None:
    other = new_ledger(tmp_path / "other").directory / "trust"
    shutil.rmtree(ledger / "trust")
    shutil.copytree(other, ledger / "trust")
    assert codes(ledger) == {"L02", "L09"}


def test_a_key_s_window_is_kept(ledger: Path) -> None:
    rewrite(ledger / "trust" / "record-keys.json", lambda d: d["keys"][0].update(notAfter="2026-11-24T00:01:30Z"))
    found = [f.origin.path for f in verify(ledger).findings if f.code == "L08" and f.origin]
    assert found == [name(1), name(2)]


@pytest.mark.parametrize(
    "edit",
    [
        shutil.rmtree,
        lambda t: (t / "record-key.pem").unlink(),
        lambda t: (t / "record-key.pem").write_text("x"),
        lambda t: (t / "record-key.pem").write_text(Signer(new_signing_key()).public_pem),
        lambda t: (t / "record-keys.json").write_text("{"),
        lambda t: (t / "record-keys.json").write_text("[]"),
        lambda t: (t / "record-keys.json").write_text('{"formatVersion": "x"}'),
        lambda t: (t / "record-keys.json").write_text('{"formatVersion": "idac.trust/v1", "keys": [1]}'),
    ],
)
def test_without_sound_keys_nothing_is_said_to_verify(ledger: Path, edit: Edit) -> None:
    edit(ledger / "trust")
    with pytest.raises(LedgerError):
        verify(ledger)


def test_many_records_are_verified(tmp_path: Path) -> None:
    clock = Clock()
    ledger = new_ledger(tmp_path, clock)
    for i in range(20):
        record(ledger, f"run-{i}", clock)
    assert verify(tmp_path / "plans").records == 20
    assert os.listdir(tmp_path / "plans" / "journal" / "open") == []
