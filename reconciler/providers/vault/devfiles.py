"""What the trial server reads when it starts, and files that only their owner reads."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

Storage = Literal["raft", "inmem"]


def write_private(path: Path, content: str | dict[str, Any]) -> None:
    """Replace a file in one step, readable by its owner only."""
    text = content if isinstance(content, str) else json.dumps(content, indent=1, sort_keys=True) + "\n"
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """One command at a time in this directory, which is made when it is not there; the next one waits."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    _keep_out_of_git(directory)
    with os.fdopen(os.open(directory / "lock", os.O_WRONLY | os.O_CREAT, 0o600), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _keep_out_of_git(directory: Path) -> None:
    """Everything in here is secret or fleeting: `git add -A` must not take it, whatever repository it lies in."""
    ignored = directory / ".gitignore"
    if not ignored.exists():
        write_private(ignored, "*\n")


def configuration(home: Path, storage: Storage, audit: bool, port: int, cluster_port: int) -> dict[str, Any]:
    """The server's configuration file: loopback, TLS, one raft node, a file audit device where asked for."""
    raft = {"path": str(home / "data"), "node_id": "idac-dev", "performance_multiplier": 1}
    return {
        "disable_mlock": True,
        "ui": False,
        "log_level": "warn",
        "api_addr": f"https://127.0.0.1:{port}",
        "cluster_addr": f"https://127.0.0.1:{cluster_port}",
        "storage": {"raft": raft} if storage == "raft" else {"inmem": {}},
        "listener": [
            {
                "tcp": {
                    "address": f"127.0.0.1:{port}",
                    "cluster_address": f"127.0.0.1:{cluster_port}",
                    "tls_cert_file": str(home / "server.pem"),
                    "tls_key_file": str(home / "server-key.pem"),
                }
            }
        ],
    } | (_audit(home) if audit else {})


def _audit(home: Path) -> dict[str, Any]:
    # Audit devices cannot be enabled through the API: they are declared here or nowhere. Without the description
    # the server's parser folds the nested objects into one key and refuses the file.
    options = {"file_path": str(home / "audit.log")}
    return {"audit": [{"file": {"file": {"description": "every request", "options": options}}}]}
