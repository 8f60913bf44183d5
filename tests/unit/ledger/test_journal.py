"""A journal is written ahead, by many threads, once; and reads however it ended."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.apply import Hands, Journal, apply
from reconciler.errors import LedgerError
from reconciler.ledger import journal as module
from reconciler.ledger.journal import RunJournal
from reconciler.ledger.reading import abandoned, read_journal
from reconciler.model.change import Change
from reconciler.model.resource import Fields
from reconciler.providers.protocol import AnswerHook, CallHook, Known
from tests.unit.ledger.world import Clock
from tests.unit.test_plan import joiners_and_leaver, make


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[RunJournal]:
    made = RunJournal(tmp_path / "open" / "run-1.jsonl", {"runId": "run-1", "plan": {}}, Clock())
    yield made
    made.release()


def test_it_is_what_apply_and_the_providers_ask_for(journal: RunJournal) -> None:
    for_apply: Journal = journal
    before: CallHook = journal.before_write
    after: AnswerHook = journal.after_write
    assert all(callable(x) for x in (for_apply.intent, for_apply.outcome, before, after))


def test_lines_are_numbered_and_of_their_kind(journal: RunJournal) -> None:
    journal.before_write("PUT", "kv/lock")  # belongs to no change
    journal.after_write("PUT", "kv/lock", 200)
    journal.intent(0, "vault.entity/trader/a", "create", "d:0")
    journal.before_write("POST", "identity/entity")
    journal.after_write("POST", "identity/entity", 204)
    journal.outcome(0, "applied", {"version": 1}, "")
    journal.close("complete")
    found = read_journal(journal.path)
    assert [x["kind"] for x in found.lines] == [
        "open", "call", "answer", "intent", "call", "answer", "outcome", "close"
    ]  # fmt: skip
    assert [x["n"] for x in found.lines] == [str(n) for n in range(8)]
    assert (found.torn, found.written.closed_as, found.header["runId"]) == (False, "complete", "run-1")
    assert "change" not in found.lines[1]
    assert (found.lines[4]["change"], found.lines[5]["call"]) == ("0", "4")
    assert found.sha256 == hashlib.sha256(journal.path.read_bytes()).hexdigest()
    assert found.written == journal.written()


def test_a_call_is_on_disk_before_it_is_sent(journal: RunJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(file: int) -> None:
        real(file)
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    journal.intent(0, "a.b/c", "create", "d:0")
    assert synced == []  # one fsync serves the intent and its call
    journal.before_write("POST", "x")
    assert synced == [journal.path.stat().st_size]
    journal.after_write("POST", "x", 200)
    journal.outcome(0, "applied", {}, "")
    assert len(synced) == 1
    journal.close("complete")
    assert synced[1:] == [journal.path.stat().st_size]


class CallingWriter:
    """Sends three calls a change, each written down first; checks that it was."""

    def __init__(self, journal: RunJournal) -> None:
        self.journal = journal

    def apply(self, change: Change, known: Known) -> Fields:
        for i in range(3):
            path = f"{change.address}/{i}"
            self.journal.before_write("POST", path)
            assert f'"{path}"' in self.journal.path.read_text()
            self.journal.after_write("POST", path, 200)
        return {"id": change.address, "_secret": "canary"}


def test_eight_threads_write_whole_lines_and_every_call_names_its_change(journal: RunJournal) -> None:
    changes = joiners_and_leaver()
    many = tuple(Change(f"{c.address}-{i}", c.subject, "create", "grant", "r") for c in changes for i in range(20))
    writer = CallingWriter(journal)
    done = apply(make(many), Hands({"vault": writer, "ca": writer}, [], journal, Clock()), {})
    assert {o.status for o in done.outcomes} == {"applied"}
    journal.close("complete")
    found = read_journal(journal.path)
    assert not found.torn
    assert len(found.lines) == 2 + len(many) * 8
    addresses = {x["change"]: x["address"] for x in found.lines if x["kind"] == "intent"}
    calls = {x["n"]: x for x in found.lines if x["kind"] == "call"}
    assert all(x["path"].startswith(addresses[x["change"]]) for x in calls.values())
    assert all(calls[x["call"]]["path"] == x["path"] for x in found.lines if x["kind"] == "answer")
    assert "canary" not in journal.path.read_text()


def test_no_line_follows_the_release(journal: RunJournal) -> None:
    journal.release()
    journal.release()
    with pytest.raises(LedgerError, match="is closed"):
        journal.before_write("POST", "x")
    with pytest.raises(LedgerError, match="is closed"):
        journal.close("complete")


def test_a_full_disk_stops_the_run(journal: RunJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(LedgerError, match="No space left"):
            journal.before_write("POST", "x")
    monkeypatch.setattr(module, "write_all", full)
    with pytest.raises(LedgerError, match="No space left"):
        journal.intent(0, "a.b/c", "create", "d:0")


def test_a_journal_that_cannot_be_begun_leaves_no_open_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be written"):
        RunJournal(tmp_path / "file" / "run.jsonl", {}, Clock())

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "sync_directory", full)
    with pytest.raises(LedgerError, match="No space left"):
        RunJournal(tmp_path / "run.jsonl", {}, Clock())
    with abandoned(tmp_path / "run.jsonl") as gone:
        assert gone


def test_a_living_run_s_journal_is_not_abandoned(journal: RunJournal) -> None:
    with abandoned(journal.path) as gone:
        assert not gone
    journal.release()
    with abandoned(journal.path) as gone, abandoned(journal.path) as again:
        assert (gone, again) == (True, False)


def test_others_may_not_write_it(journal: RunJournal) -> None:
    assert stat.S_IMODE(journal.path.stat().st_mode) & 0o022 == 0


def whole(directory: Path) -> bytes:
    journal = RunJournal(directory / "w.jsonl", {"runId": "w"}, Clock())
    journal.intent(0, "a.b/c", "create", "d:0")
    journal.before_write("POST", "x")
    journal.outcome(0, "applied", {"Ä": "\n"}, "")
    journal.close("complete")
    journal.release()
    return journal.path.read_bytes()


@settings(deadline=None)
@given(st.data())
def test_a_journal_cut_anywhere_reads_up_to_its_last_whole_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("j")
    text = whole(directory)
    cut = text[: data.draw(st.integers(0, len(text)))]
    tail = data.draw(st.sampled_from([b"", b"\0\0\0", b"\0\n", b"{}\n", b'{"n":"9","kind":"close","time":"t"}\n']))
    (directory / "cut.jsonl").write_bytes(cut + tail)
    found = read_journal(directory / "cut.jsonl")
    assert len(found.lines) == cut.count(b"\n")
    assert found.torn == (not (cut + tail).endswith(b"\n") or tail != b"" or not cut)


@pytest.mark.parametrize(
    "line",
    [
        b"[]", b"1", b"[" * 100_000, b"\xff", b'{"n":"0","kind":"open"}', b'{"n":"0","kind":"intent","time":"t"}',
        b'{"n":0,"kind":"open","time":"t","format":"f"}', b'{"n":"0","kind":["open"],"time":"t"}',
        b'{"n":"0","kind":"close","time":"t","status":"complete"}',
    ],
)  # fmt: skip
def test_what_is_no_journal_has_no_lines(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "x.jsonl").write_bytes(line + b"\n")
    found = read_journal(tmp_path / "x.jsonl")
    assert (found.lines, found.torn, found.written.closed_as, found.header) == ((), True, None, {})


def test_a_journal_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be read"):
        read_journal(tmp_path / "x.jsonl")


def test_one_fsync_serves_all_that_wait(journal: RunJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = os.fsync

    def fsync(file: int) -> None:
        calls.append(file)
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: journal.before_write("POST", f"x/{i}"), range(400)))
    assert len(calls) <= 400
    text = journal.path.read_text().splitlines()
    assert sorted(json.loads(x)["path"] for x in text[1:]) == sorted(f"x/{i}" for i in range(400))


def test_a_journal_that_another_run_sealed_in_the_same_moment_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"
    monkeypatch.setattr(fcntl, "flock", lambda file, how: path.unlink())
    with pytest.raises(LedgerError, match="another run sealed"):
        RunJournal(path, {}, Clock())
