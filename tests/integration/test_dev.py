"""The trial server: started once, found again, stopped by its own pid, recovered after crashes."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from reconciler.errors import Rejected, Unreachable
from reconciler.providers.vault import dev as module
from reconciler.providers.vault import process
from reconciler.providers.vault.dev import DevServer
from reconciler.providers.vault.devfiles import configuration
from tests.openbao import Raw

pytestmark = pytest.mark.openbao


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DevServer]:
    server = DevServer(tmp_path / "an estate" / ".idac")
    yield server
    server.down()


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[DevServer]:
    """In memory: for what does not depend on storage."""
    server = DevServer(tmp_path / "an estate" / ".idac", storage="inmem")
    yield server
    server.down()


def token(server: DevServer, path: Path) -> str:
    return (path / "an estate" / ".idac" / "root-token").read_text()


def test_up_twice_is_one_server_and_its_data_outlive_a_restart(server: DevServer, tmp_path: Path) -> None:
    first = server.up()
    again = server.up()
    assert (first.started, again.started) == (True, False)
    assert (first.pid, first.address) == (again.pid, again.address)
    raw = Raw(first.address, first.ca_cert, token(server, tmp_path))
    raw.ok("POST", "sys/policies/acl/kept", {"policy": '{"path":{}}'})
    raw.close()
    assert server.down()
    assert server.status().state == "stopped"
    assert not server.down()
    third = server.up()
    assert third.address == first.address
    raw = Raw(third.address, third.ca_cert, token(server, tmp_path))
    assert raw.read("sys/policies/acl/kept").status == 200
    raw.close()


def test_it_listens_on_loopback_only_with_tls_raft_and_an_audit_device(server: DevServer, tmp_path: Path) -> None:
    info = server.up()
    raw = Raw(info.address, info.ca_cert, token(server, tmp_path))
    assert raw.read("sys/storage/raft/configuration").status == 200
    assert list(raw.read("sys/audit").data) == ["file/"]
    raw.close()
    assert (tmp_path / "an estate/.idac/openbao/audit.log").stat().st_size > 0
    sockets = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    listening = [line.split() for line in sockets.splitlines() if " 0A " in line]
    inodes = {fd.readlink().name for fd in Path(f"/proc/{info.pid}/fd").iterdir()}
    ours = [line[1] for line in listening if f"socket:[{line[9]}]" in inodes]
    assert len(ours) == 2
    assert all(address.startswith("0100007F:") for address in ours)


def test_only_the_owner_can_read_its_files(quick: DevServer, tmp_path: Path) -> None:
    quick.up()
    root = tmp_path / "an estate" / ".idac"
    for path in (root, *root.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), f"{path}: {mode:o}"


def test_server_json_says_where_it_is(quick: DevServer, tmp_path: Path) -> None:
    info = quick.up()
    said = json.loads((tmp_path / "an estate/.idac/server.json").read_text())
    assert said == {"address": info.address, "ca_cert": str(info.ca_cert)}
    assert quick.status().state == "running"


def test_a_stale_pid_file_never_gets_another_process_killed(quick: DevServer, tmp_path: Path) -> None:
    quick.up()
    quick.down()
    pid_file = tmp_path / "an estate/.idac/openbao/pid"
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        pid_file.write_text(str(bystander.pid))
        assert quick.status().state == "stopped"
        assert not quick.down()
        assert bystander.poll() is None
        pid_file.write_text(str(bystander.pid))
        assert quick.up().pid != bystander.pid
        assert bystander.poll() is None
    finally:
        bystander.communicate(b"\n")


def test_a_killed_server_is_started_again_with_its_data(server: DevServer, tmp_path: Path) -> None:
    info = server.up()
    raw = Raw(info.address, info.ca_cert, token(server, tmp_path))
    raw.ok("POST", "sys/policies/acl/kept", {"policy": '{"path":{}}'})
    os.kill(info.pid, signal.SIGKILL)
    again = server.up()
    assert again.started
    raw.close()
    raw = Raw(again.address, again.ca_cert, token(server, tmp_path))
    assert raw.read("sys/policies/acl/kept").status == 200
    raw.close()


def test_a_port_that_somebody_took_is_replaced(quick: DevServer) -> None:
    first = quick.up()
    quick.down()
    port = int(first.address.rsplit(":", 1)[1])
    with socket.create_server(("127.0.0.1", port)):
        second = quick.up()
    assert second.address != first.address
    assert quick.status().state == "running"


@pytest.mark.parametrize("which", [0, 1], ids=["API", "cluster"])
def test_a_port_taken_between_looking_and_starting_is_replaced(
    server: DevServer, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    honest, taken = process.free_ports, list[socket.socket]()

    def slow(preferred: Sequence[int], count: int = 2) -> tuple[int, ...]:
        ports = honest(preferred, count)
        if not taken:
            taken.append(socket.socket())
            taken[0].bind(("127.0.0.1", ports[which]))
        return ports

    monkeypatch.setattr(process, "free_ports", slow)
    try:
        server.up()
        assert server.status().state == "running"
    finally:
        taken[0].close()


def test_a_crash_after_initialising_but_before_the_key_was_noted_starts_empty(
    server: DevServer, tmp_path: Path
) -> None:
    server.up()
    server.down()
    (tmp_path / "an estate/.idac/openbao/init.json").unlink()
    assert server.up().started
    assert server.status().state == "running"
    assert len(list((tmp_path / "an estate/.idac/openbao").glob("data.unreadable-*"))) == 1


def test_a_sealed_server_is_unsealed_by_up(quick: DevServer, tmp_path: Path) -> None:
    info = quick.up()
    raw = Raw(info.address, info.ca_cert, token(quick, tmp_path))
    raw.ok("PUT", "sys/seal")
    raw.close()
    assert quick.status().state == "sealed"
    assert quick.up().started is False
    assert quick.status().state == "running"


def test_lost_files_are_written_again(quick: DevServer, tmp_path: Path) -> None:
    quick.up()
    for name in ("root-token", "server.json"):
        (tmp_path / "an estate/.idac" / name).unlink()
    quick.up()
    assert token(quick, tmp_path)


def test_the_server_outlives_its_starter_and_holds_none_of_its_streams(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from reconciler.providers.vault.dev import DevServer;"
        "print(DevServer(pathlib.Path(sys.argv[1]), storage='inmem').up().pid)"
    )
    # check_output returns at end of file: were the pipe held by the server, it would never come.
    pid = int(subprocess.check_output([sys.executable, "-c", code, str(tmp_path / ".idac")], cwd=Path.cwd()))
    server = DevServer(tmp_path / ".idac")
    assert server.status().pid == pid
    links = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)}
    assert links == {"/dev/null", str(tmp_path / ".idac/openbao/server.log")}
    assert server.down()


def test_a_server_that_cannot_start_is_reported_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = DevServer(tmp_path / ".idac")
    monkeypatch.setattr(module, "configuration", lambda *a: {**configuration(*a), "storage": {"nonsense": {}}})
    with pytest.raises(Unreachable, match=r"does not answer.*server\.log"):
        server.up()
    assert server.status().state == "stopped"


def test_a_machine_without_the_binary_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(Rejected, match="not installed — pip install"):
        DevServer(tmp_path / ".idac").up()


def test_a_process_is_known_in_the_moment_in_which_it_becomes_the_server(tmp_path: Path) -> None:
    """The kernel shows it without arguments then; taken for somebody else's, it would run on for ever."""
    mark = f"-config={tmp_path}"
    for _ in range(100):
        pid = process.start(tmp_path / "pid", tmp_path / "log", ["/usr/bin/tail", "-f", "--", "/dev/null", mark])
        try:
            assert process.is_ours(pid, mark)
        finally:
            process.stop(pid, mark)
        assert not process.is_ours(pid, mark)
