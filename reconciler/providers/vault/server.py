"""Which server, and how its secrets are found: environment, then `idac.yaml`, then what `dev up` left."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.errors import InvalidInput
from reconciler.model.estate import Estate, SecretRef
from reconciler.model.secret import Secret


@dataclass(frozen=True, slots=True)
class Server:
    """How to reach it. `ca_cert` is the path of a PEM file, empty for the system's authorities."""

    address: str
    ca_cert: str = ""
    namespace: str = ""


def find_server(estate: Estate, environ: Mapping[str, str]) -> Server:
    """The server of this estate. Raises `InvalidInput` when nothing names one."""
    target, root = estate.spec.target, Path(estate.root)
    noted = _json(root / ".idac" / "server.json", private=False) or {}
    address = environ.get("VAULT_ADDR") or target.address or str(noted.get("address", ""))
    if not address:
        raise InvalidInput(
            "no server is named",
            remedy="set VAULT_ADDR, or target.address in idac.yaml, or start one with `idac dev up`",
        )
    ca_cert = environ.get("VAULT_CACERT") or (str(root / target.ca_cert) if target.ca_cert else "")
    if not ca_cert and address == noted.get("address"):
        ca_cert = str(noted.get("ca_cert", ""))
    return Server(address, ca_cert, environ.get("VAULT_NAMESPACE") or target.namespace)


def noted_login(estate: Estate, identity: str) -> Mapping[str, Any]:
    """What bootstrap wrote for one identity: `mount`, `role_id`, `secret_id`. Raises `InvalidInput`."""
    file = Path(estate.root) / ".idac" / "logins" / f"{identity}.json"
    noted = _json(file, private=True)
    if noted is None:
        raise InvalidInput(
            f"nothing says how to log in as {identity}",
            remedy=f"set target.logins.{identity} in idac.yaml, or run `idac bootstrap`",
        )
    if not all(isinstance(noted.get(name), str) for name in ("mount", "role_id", "secret_id")):
        raise InvalidInput(f"{file} is not a login that bootstrap wrote", remedy="run `idac bootstrap` again")
    return noted


def resolve(reference: SecretRef | None, estate: Estate, environ: Mapping[str, str], what: str) -> Secret:
    """The value a reference points to. Raises `InvalidInput` when it points to nothing."""
    if reference is not None and reference.env:
        value = environ.get(reference.env, "")
        if value:
            return Secret(value.strip())
        raise InvalidInput(f"the environment variable {reference.env} ({what}) is not set")
    if reference is not None and reference.file:
        try:
            return Secret((Path(estate.root) / reference.file).read_text().strip())
        except (OSError, UnicodeDecodeError):
            raise InvalidInput(f"the file {reference.file} ({what}) cannot be read") from None
    raise InvalidInput(f"{what} is missing", remedy="name an environment variable or a file in idac.yaml")


def _json(file: Path, *, private: bool) -> dict[str, Any] | None:
    """A file's JSON object; None when there is no such file."""
    try:
        if private and stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise InvalidInput(f"{file} can be read by others", remedy=f"chmod 600 {file}")
        found = json.loads(file.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise InvalidInput(f"{file} cannot be read") from None
    if not isinstance(found, dict):
        raise InvalidInput(f"{file} is not a JSON object")
    return found
