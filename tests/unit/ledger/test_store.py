"""A run leaves a journal and one signed record, in order, and nothing is ever written over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.errors import LedgerError
from reconciler.ledger.plain import line
from reconciler.ledger.reading import read_journal
from reconciler.ledger.store import Ledger
from reconciler.ledger.verify import verify
from tests.unit.ledger.world import (
    FINGERPRINT,
    ISSUED,
    TICKET,
    Clock,
    new_ledger,
    record,
    some_records,
    the_plan,
    the_run,
)


def test_a_run_leaves_one_record_that_verifies(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    ref = record(ledger, "run-a", Clock())
    assert (ref.seq, ref.path) == (0, "records/000000.dsse.json")
    found = verify(tmp_path / "plans")
    assert found.findings == ()
    assert found.passed
    assert (found.records, found.journals, found.head) == (1, 1, ref)
    assert any("unanchored" in limit for limit in found.limits)


def test_every_record_names_its_predecessor(tmp_path: Path) -> None:
    ledger = some_records(tmp_path)
    refs = ledger.references()
    chain = [r.statement["predicate"]["previous"] for r in ledger.load_all()]
    assert chain == [None, *({"seq": str(r.seq), "sha256": r.sha256} for r in refs[:-1])]
    assert verify(tmp_path / "plans").findings == ()


def test_a_record_is_loaded_by_number_or_by_run(tmp_path: Path) -> None:
    ledger = some_records(tmp_path)
    assert ledger.load("1").statement == ledger.load("run-b").statement
    with pytest.raises(LedgerError, match="no record 7"):
        ledger.load("7")


def test_the_statement_says_what_was_done_about_which_certificate(tmp_path: Path) -> None:
    statement = some_records(tmp_path).load("0").statement
    subjects = {s["name"]: s["digest"]["sha256"] for s in statement["subject"]}
    assert subjects["plan"] == the_plan().digest
    assert subjects["manifests"] == "cd" * 32
    assert subjects[f"certificate/{FINGERPRINT}"] == FINGERPRINT
    predicate = statement["predicate"]
    assert {c["serial"]: c["action"] for c in predicate["certificates"]} == {"0a:0a": "revoke", "1a:2b": "create"}
    assert predicate["entities"] == {"trader/anna": "e-2"}
    assert predicate["actions"][0]["idempotencyKey"] == f"{the_plan().digest}:0"
    assert predicate["plan"]["planId"] == TICKET.plan_id


def test_nothing_in_a_record_is_a_number(tmp_path: Path) -> None:
    def numbers(text: str) -> float:
        raise AssertionError(f"the number {text}")

    for stored in some_records(tmp_path).load_all():
        text = json.dumps(stored.statement)
        json.loads(text, parse_int=numbers, parse_float=numbers, parse_constant=numbers)


def test_a_run_id_is_used_once(tmp_path: Path) -> None:
    ledger = some_records(tmp_path)
    for name in ("run-a", "../run-z", "", "a/b"):
        with pytest.raises(LedgerError):
            ledger.open(the_run(name), the_plan(), TICKET)
    live = ledger.open(the_run("run-d"), the_plan(), TICKET)
    with pytest.raises(LedgerError, match="already"):
        ledger.open(the_run("run-d"), the_plan(), TICKET)
    live.release()


def test_without_a_key_nothing_is_begun(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no record key"):
        Ledger(tmp_path).open(the_run("run-a"), the_plan(), TICKET)


def test_a_killed_run_is_sealed_with_what_is_known(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    journal = ledger.open(the_run("run-a"), the_plan(), TICKET)
    journal.intent(0, "vault.entity/trader/bob", "update", "k:0")
    journal.before_write("POST", "identity/entity/name/x")
    journal.after_write("POST", "identity/entity/name/x", 204)
    journal.outcome(0, "applied", {"version": 1}, "")
    journal.intent(1, "vault.login/trader/bob/mtls", "delete", "k:1")
    journal.before_write("DELETE", "auth/x/certs/y")
    assert ledger.seal_interrupted() == ()  # it still lives
    journal.release()  # what the kernel does when a process dies
    (ref,) = ledger.seal_interrupted({"vault.login/trader/bob/mtls": {"token_ttl": 900}})
    predicate = ledger.load("run-a").statement["predicate"]
    assert predicate["status"] == "interrupted"
    assert [a["result"] for a in predicate["actions"]] == ["applied", "unknown"]
    assert predicate["actions"][0]["calls"] == [
        {"method": "POST", "path": "identity/entity/name/x", "status": "204"}
    ]
    assert predicate["actions"][1]["calls"] == [
        {"method": "DELETE", "path": "auth/x/certs/y", "status": "unknown"}
    ]
    assert predicate["actions"][1]["seen"] == {"token_ttl": "900"}
    assert ledger.seal_interrupted() == ()
    found = verify(tmp_path / "plans")
    assert (found.findings, found.head) == ((), ref)


WRITER = """
import sys
from pathlib import Path
from tests.unit.ledger.world import Clock, new_ledger, record
root, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for i in range(count):
    record(new_ledger(root, Clock(3600)), f"{name}-{i}", Clock(3600))
    print(i, flush=True)
"""


def writer(root: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=os.getcwd(),
    )


def test_writers_side_by_side_never_take_the_same_number(tmp_path: Path) -> None:
    new_ledger(tmp_path)
    processes = [writer(tmp_path, f"run-{w}", 10) for w in range(3)]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    found = verify(tmp_path / "plans")
    assert (found.records, found.journals) == (30, 30)
    assert [f for f in found.findings if f.code != "L08"] == []  # their clocks are not one clock


def test_a_story_put_among_the_journals_is_never_told_as_what_happened(tmp_path: Path) -> None:
    """Anybody who can write files there could otherwise have the next run sign any run, person and serial."""
    ledger = some_records(tmp_path, ("run-a",))
    real = (ledger.journals / "run-a.jsonl").read_bytes()
    forged = real.replace(b"run-a", b"run-x").replace(b'"ops"', b'"ceo"').replace(b"1a:2b", b"de:ad")
    ledger.running.mkdir(exist_ok=True)
    (ledger.running / "run-x.jsonl").write_bytes(forged)
    (ledger.running / "run-y.jsonl").write_bytes(real)  # a real journal under another name
    assert len(ledger.seal_interrupted()) == 2
    for run, text in (("run-x", forged), ("run-y", real)):
        found = ledger.load(run).statement["predicate"]
        assert found["journal"]["unsealed"] == str(text.count(b"\n"))
        assert (found["actions"], found["certificates"], found["calls"]) == ([], [], [])
        assert "appliedBy" not in found
    assert ledger.load("run-a").ref.seq == 0


def test_lines_added_to_a_killed_runs_journal_are_not_told_either(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    journal = ledger.open(the_run("run-a"), the_plan(), TICKET)
    journal.intent(0, "ca.certificate/trader/anna/mtls", "create", "k:0")
    journal.before_write("POST", "pki/sign/mtls")
    journal.outcome(0, "applied", ISSUED, "")
    journal.release()
    lines = read_journal(journal.path).lines
    more = {"kind": "intent", "change": "1", "address": "ca.certificate/trader/eve/mtls", "action": "create"}
    with journal.path.open("ab") as file:
        file.write(line({"n": len(lines), "time": "t", "idempotencyKey": "k:1", **more}))
    ledger.seal_interrupted()
    found = ledger.load("run-a").statement["predicate"]
    assert [a["address"] for a in found["actions"]] == ["ca.certificate/trader/anna/mtls"]
    assert found["actions"][0]["result"] == "applied"
    assert found["journal"]["unsealed"] == "1"


def test_a_directory_named_like_a_record_stops_nothing(tmp_path: Path) -> None:
    ledger = some_records(tmp_path, ("run-a",))
    (ledger.records / "000001.dsse.json").mkdir()
    assert len(ledger.references()) == 1
