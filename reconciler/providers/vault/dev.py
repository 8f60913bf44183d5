"""A real OpenBao for trials and tests: started, unsealed, stopped; on 127.0.0.1 only.

This is NOT how a production server is kept: its one unseal key and its root token lie in files beside
`idac.yaml` (directory 0700, files 0600), so whoever reads those files owns the server.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.errors import Rejected, TargetError, Unreachable
from reconciler.providers.vault import process
from reconciler.providers.vault.client import HttpClient
from reconciler.providers.vault.devfiles import Storage, alone, configuration, write_private
from reconciler.providers.vault.patience import Patience
from reconciler.providers.vault.transport import Transport
from reconciler.providers.vault.wire import Pool
from reconciler.x509 import loopback_tls

READY_SECONDS = 30.0  # patience with a slow machine; a usual start takes less than two seconds
_ASKING = Patience(answer=2.0, tries=1)
_TELLING = Patience(answer=READY_SECONDS, tries=1)
_POLL, _STARTS = 0.02, 3


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """How to reach the trial server."""

    address: str
    ca_cert: Path
    root_token: Path
    pid: int
    started: bool  # by this call; False: it was running already


@dataclass(frozen=True, slots=True)
class Status:
    """What the trial server is doing. `state` is `running`, `sealed`, `starting` or `stopped`."""

    state: str
    address: str = ""
    pid: int | None = None
    version: str = ""


class DevServer:
    """The trial server whose files are in `directory` (`.idac` beside `idac.yaml`).

    Storage is raft; `inmem` forgets everything at `down` and is for tests, as is a server without an audit file.
    """

    def __init__(self, directory: Path, *, storage: Storage = "raft", audit: bool = True) -> None:
        self._root = directory.absolute()
        self._home = self._root / "openbao"
        self._storage = storage
        self._audit = audit

    def up(self) -> ServerInfo:
        """Start, initialise and unseal, whichever is still to do. Calling it again changes nothing.

        Raises `Unreachable` when the server does not become ready, and `Rejected` when it has no binary.
        """
        with alone(self._root):
            self._home.mkdir(mode=0o700, exist_ok=True)
            found = self._adopt()
            pid = self._start() if found is None else found
            address = self._address()
            write_private(self._root / "server.json", {"address": address, "ca_cert": str(self._authority)})
            return ServerInfo(address, self._authority, self._root / "root-token", pid, found is None)

    def down(self) -> bool:
        """Stop the server. False when it was not running. Its data stay (but for `inmem`)."""
        if not self._home.is_dir():
            return False
        with alone(self._root):
            self._home.mkdir(mode=0o700, exist_ok=True)
            pid = self._pid()
            if pid is not None:
                process.stop(pid, self._mark)
            self._pid_file.unlink(missing_ok=True)
            return pid is not None

    def status(self) -> Status:
        """What it is doing now. Never raises for a server that does not answer."""
        pid = self._pid()
        if pid is None:
            return Status("stopped")
        try:
            health = self._health()
        except Unreachable:
            return Status("starting", self._address(), pid)
        ready = health.get("initialized") and not health.get("sealed")
        return Status("running" if ready else "sealed", self._address(), pid, str(health.get("version", "")))

    @property
    def _pid_file(self) -> Path:
        return self._home / "pid"

    @property
    def _log(self) -> Path:
        return self._home / "server.log"

    @property
    def _config(self) -> Path:
        return self._home / "config.json"

    @property
    def _keys(self) -> Path:
        return self._home / "init.json"

    @property
    def _authority(self) -> Path:
        return self._home / "ca.pem"

    @property
    def _mark(self) -> str:
        """The argument that tells our server from every other process."""
        return f"-config={self._config}"

    def _command(self) -> list[str]:
        return [str(process.openbao_binary()), "server", self._mark]

    def _pid(self) -> int | None:
        return process.running(self._pid_file, self._mark)

    def _adopt(self) -> int | None:
        """The running server, made ready; None when there is none, or when it died meanwhile."""
        pid = self._pid()
        if pid is not None:
            try:
                self._make_ready(pid)
            except Unreachable:
                if self._pid() is not None:
                    raise
                return None
        return pid

    def _start(self) -> int:
        """Start it. Tried again when it ends at once: somebody may have taken a port since it was found free."""
        for left in reversed(range(_STARTS)):
            self._prepare()
            pid = process.start(self._pid_file, self._log, self._command())
            try:
                self._make_ready(pid)
                break
            except Unreachable:
                if process.is_ours(pid, self._mark) or not left:
                    process.stop(pid, self._mark)
                    raise
        return pid

    def _prepare(self) -> None:
        """Write everything the server reads when it starts. TLS is new at every start, so it never expires."""
        tls = loopback_tls()
        write_private(self._authority, tls.authority)
        write_private(self._home / "server.pem", tls.certificate)
        write_private(self._home / "server-key.pem", tls.key.reveal())
        data = self._home / "data"
        if self._storage == "inmem":
            self._keys.unlink(missing_ok=True)
        elif data.is_dir() and not self._keys.exists():
            # A crash between initialising and noting the unseal key: nobody can ever read this storage again.
            data.rename(self._home / f"data.unreadable-{time.time_ns()}")
        data.mkdir(mode=0o700, exist_ok=True)
        ports = process.free_ports(self._ports())
        write_private(self._config, configuration(self._home, self._storage, self._audit, *ports))

    def _ports(self) -> tuple[int, ...]:
        try:
            listener = json.loads(self._config.read_text())["listener"][0]["tcp"]
            return tuple(int(listener[key].rsplit(":", 1)[1]) for key in ("address", "cluster_address"))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return ()  # the first start, or a half-written file

    def _address(self) -> str:
        ports = self._ports()
        return f"https://127.0.0.1:{ports[0]}" if ports else ""

    def _make_ready(self, pid: int) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                health = self._health()
                if not health.get("initialized"):
                    self._initialise()
                elif health.get("sealed"):
                    self._unseal()
                elif not health.get("standby"):
                    break
            except Unreachable as error:
                unready = error
            else:
                unready = Unreachable(f"the trial server at {self._address()} stays sealed or standby")
            if not process.is_ours(pid, self._mark) or time.monotonic() > deadline:
                raise Unreachable(unready.message, remedy=f"read {self._log}") from None
            time.sleep(_POLL)
        write_private(self._root / "root-token", self._noted()["root_token"])

    def _noted(self) -> dict[str, Any]:
        try:
            noted: dict[str, Any] = json.loads(self._keys.read_text())
        except (OSError, ValueError):
            raise Rejected(
                f"the trial server's unseal key is not in {self._keys}",
                remedy="run `idac dev down`, then `idac dev up` starts a new, empty one",
            ) from None
        return noted

    def _initialise(self) -> None:
        answer = self._call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        write_private(self._keys, {"unseal_key": answer["keys_base64"][0], "root_token": answer["root_token"]})

    def _unseal(self) -> None:
        self._call("PUT", "sys/unseal", {"key": self._noted()["unseal_key"]})

    def _health(self) -> dict[str, Any]:
        """`initialized`, `sealed`, `version`, and `standby`: it is up, and does not lead yet."""
        seal = self._call("GET", "sys/seal-status")
        leader = {} if seal.get("sealed") else self._call("GET", "sys/leader")
        return {**seal, "standby": bool(leader.get("ha_enabled")) and not leader.get("is_self")}

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        transport = Transport(Pool(self._address(), str(self._authority)), _ASKING if body is None else _TELLING)
        client = HttpClient(transport)
        try:
            answer = client.read(path) if body is None else client.write(path, body, method=method)
        except TargetError as error:
            raise Unreachable(f"the trial server does not answer: {error.message}") from None
        finally:
            transport.close()
        return dict(answer.body)
