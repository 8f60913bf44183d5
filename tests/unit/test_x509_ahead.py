"""CSRs verified ahead in another process: the same answers, in the same words, whatever becomes of the process."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.errors import CryptoError
from reconciler.load import load, load_estate
from reconciler.pipeline import validate
from reconciler.x509 import ReadAhead, ahead, csr, new_key_and_csr, read_csr
from tests.estates import trader_name, write_estate

ENOUGH = ahead.FEWEST
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def told(pem: str) -> object:
    """What `read_csr` says, be it a refusal."""
    try:
        return read_csr(pem)
    except CryptoError as error:
        return str(error)


def mangled(pem: str, chance: random.Random) -> str:
    """The request with one character of its body replaced by another."""
    place = chance.randrange(40, len(pem) - 40)
    other = chance.choice([c for c in "ABCxyz019+/=\n" if c != pem[place]])
    return pem[:place] + other + pem[place + 1 :]


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.fixture
def verified_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that this process verified."""
    seen: list[str] = []
    read = csr._read

    def counted(pem: str) -> csr.Csr:
        seen.append(pem)
        return read(pem)

    monkeypatch.setattr(csr, "_read", counted)
    return seen


def test_what_was_accepted_ahead_is_not_verified_again_and_what_was_refused_is(verified_here: list[str]) -> None:
    chance = random.Random(1)
    good = [new_key_and_csr(f"t{i}")[1] for i in range(64)]
    pems = [*good, *(mangled(pem, chance) for pem in good)]
    alone = [told(pem) for pem in pems]
    verified_here.clear()
    with ReadAhead(ENOUGH) as reading:
        for pem in pems:
            reading.feed(pem)
    assert [told(pem) for pem in pems] == alone
    assert verified_here == [p for p, answer in zip(pems, alone, strict=True) if isinstance(answer, str)]
    assert told(pems[0]) == alone[0]  # asked for again, it is verified like any other
    assert verified_here[-1] == pems[0]


def test_a_process_that_dies_changes_no_answer(verified_here: list[str]) -> None:
    pem = new_key_and_csr("x")[1]
    with ReadAhead(ENOUGH) as reading:
        process = reading._process
        assert process is not None
        process.kill()
        process.wait()
        for _ in range(2_000):
            reading.feed(pem)
        assert reading._process is None
    assert isinstance(told(pem), csr.Csr)
    assert verified_here == [pem]


def test_a_full_pipe_makes_nobody_wait(verified_here: list[str]) -> None:
    pems = [new_key_and_csr("x")[1]] + ["x" * 30_000] * 1_000  # far more than a pipe holds
    with ReadAhead(ENOUGH) as reading:
        process = reading._process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        for pem in pems:
            reading.feed(pem)
        process.send_signal(signal.SIGCONT)
    assert isinstance(told(pems[0]), csr.Csr)
    assert verified_here == []


@pytest.mark.parametrize(("expected", "cores"), [(ENOUGH - 1, 2), (ENOUGH, 1), (ENOUGH, None)])
def test_a_small_estate_or_a_single_core_starts_no_process(
    monkeypatch: pytest.MonkeyPatch, expected: int, cores: int | None
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    with ReadAhead(expected) as reading:
        reading.feed(new_key_and_csr("x")[1])
        assert reading._process is None


def test_validating_says_the_same_with_and_without_the_other_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verified_here: list[str]
) -> None:
    here = load_estate(write_estate(tmp_path, 130))
    for index in (3, 64, 129):
        path = tmp_path / "csr" / f"{trader_name(index)}-mtls.pem"
        path.write_text(mangled(path.read_text(), random.Random(index)))
    alone = validate(here, load(here), NOON)
    assert len(set(verified_here)) == 130  # one that is refused is asked of its key once more
    monkeypatch.setattr(ahead, "FEWEST", 1)
    verified_here.clear()
    assert validate(here, load(here), NOON) == alone
    assert len([f for f in alone if f.code == "X02"]) == 3
    assert len(verified_here) < 130  # the rest were accepted ahead


def test_when_reading_the_manifests_fails_the_process_is_ended() -> None:
    with pytest.raises(KeyboardInterrupt), ReadAhead(ENOUGH) as reading:
        process = reading._process
        raise KeyboardInterrupt
    assert process is not None and process.returncode == -signal.SIGKILL


def test_the_process_ends_with_its_parent_even_when_that_is_killed() -> None:
    script = (
        "import time; from reconciler.x509 import ReadAhead; r = ReadAhead(10**6); "
        "print(r._process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.kill()
    for _ in range(1_000):
        if not alive(child):
            return
        time.sleep(0.01)
    pytest.fail("the process outlived its parent")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"  # ended, and not yet waited for by whoever adopted it


def test_nothing_in_the_working_directory_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verified_here: list[str]
) -> None:
    for name in ("json", "cryptography", "reconciler"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'trap')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    pems = [new_key_and_csr(f"t{i}")[1] for i in range(64)]
    with ReadAhead(ENOUGH) as reading:
        for pem in pems:
            reading.feed(pem)
    assert isinstance(told(pems[0]), csr.Csr)
    assert verified_here == []
    assert not (tmp_path / "trap").exists()
