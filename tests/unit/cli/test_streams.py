"""What people look at, and what pipes take: terminals of all kinds, closed ends, full disks, few letters."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typing_extensions import Buffer

from reconciler.cli.main import main

ROOT = Path(__file__).parents[3]
IDAC = (sys.executable, "-m", "reconciler.cli.main", "--config", str(ROOT / "identities" / "idac.yaml"))


def at_a_terminal(*arguments: str, **environ: str) -> str:
    """What a person at a terminal sees, escape sequences and all."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
    mine, theirs = pty.openpty()
    with subprocess.Popen([*IDAC, *arguments], cwd=ROOT, env={**kept, **environ}, stdout=theirs, stderr=theirs):
        os.close(theirs)
        seen = b""
        try:
            while chunk := os.read(mine, 65536):
                seen += chunk
        except OSError:
            pass  # the last one at the other end has left
    os.close(mine)
    return seen.decode()


def piped(script: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    command = ["/bin/bash", "-c", script, "bash", *IDAC, *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, check=False)


def test_a_person_gets_colours_and_may_refuse_them() -> None:
    assert "\x1b[" in at_a_terminal("validate", TERM="xterm-256color")
    assert "\x1b" not in at_a_terminal("validate", TERM="xterm-256color", NO_COLOR="1")
    assert "\x1b" not in at_a_terminal("--no-color", "validate", TERM="xterm-256color")


def test_a_dumb_terminal_gets_plain_text() -> None:
    assert "\x1b" not in at_a_terminal("validate", TERM="dumb")


def test_a_pipe_gets_colours_only_when_asked_for() -> None:
    assert b"\x1b" not in piped('"$@"', "validate", TERM="xterm").stdout
    assert b"\x1b[" in piped('"$@"', "validate", TERM="xterm", FORCE_COLOR="1").stdout
    assert b"\x1b" not in piped('"$@"', "validate", TERM="xterm", FORCE_COLOR="1", NO_COLOR="1").stdout


def test_whoever_stops_reading_gets_no_complaint() -> None:
    done = piped('"$@" | true; exit ${PIPESTATUS[0]}', "--format", "json", "schema")
    assert (done.returncode, done.stderr) == (141, b"")


class FullDisk(io.RawIOBase):
    """Takes `room` bytes and no more."""

    def __init__(self, room: int, there: int) -> None:
        self.room, self.there = room, there

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.there

    def write(self, data: Buffer) -> int:
        self.room -= len(memoryview(data))
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(memoryview(data))


@pytest.mark.parametrize("words", [["--format", "json", "schema"], ["validate"]])
def test_a_full_disk_is_an_error_and_not_a_short_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]
) -> None:
    with (tmp_path / "out").open("wb") as file:
        full = io.TextIOWrapper(io.BufferedWriter(FullDisk(100, file.fileno())), encoding="utf-8")
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "argv", [*IDAC[2:], *words])
        with pytest.raises(SystemExit) as caught:
            main()
        with contextlib.suppress(OSError):
            full.close()
    assert caught.value.code == 1
    assert capsys.readouterr().err == "idac: the output could not be written: No space left on device\n"


def test_letters_that_a_stream_lacks_are_escaped() -> None:
    done = piped('"$@"', "nonsense", PYTHONIOENCODING="ascii")
    assert done.returncode == 64
    assert b"\\u2014 see `idac --help`" in done.stderr


def test_a_closed_stream_is_no_fault() -> None:
    assert piped('"$@" >&- 2>&-', "validate").returncode == 0
