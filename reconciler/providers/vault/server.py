"""Which server, and how its secrets are found: environment, then `idac.yaml`, then what `dev up` left."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reconciler.errors import InvalidInput
from reconciler.model.estate import Estate
from reconciler.model.secret import Secret
from reconciler.model.secretref import SecretRef
from reconciler.providers.vault.address import LOOPBACK, parse

_LONGEST = 65536  # characters of a file that holds a secret


@dataclass(frozen=True, slots=True)
class Server:
    """How to reach it. `ca_cert` is the path of a PEM file, empty for the system's authorities.

    `named_by` says whose word that is. A pull request may change `idac.yaml`, so what only that file names is
    never given a secret which it did not have already.
    """

    address: str
    ca_cert: str = ""
    namespace: str = ""
    named_by: Literal["environment", "idac.yaml", "trial server"] = "environment"
    trial: bool = False  # it is the one that `idac dev up` started

    @property
    def remedy(self) -> str:
        """What to do when it does not answer."""
        return "`idac dev up` starts the trial server" if self.trial else "see that the server is up and reachable"

    def require_named_outside(self, secret: str) -> None:
        """Raises `InvalidInput` when only `idac.yaml` says where the secret would go."""
        if self.named_by == "idac.yaml":
            raise InvalidInput(
                f"{secret} would be sent to {self.address}, which only idac.yaml names",
                remedy="any pull request may change idac.yaml: set VAULT_ADDR where the secret is set",
            )


def find_server(estate: Estate, environ: Mapping[str, str]) -> Server:
    """The server of this estate. Raises `InvalidInput` when nothing names one, or when it may be anybody's."""
    if environ.get("VAULT_SKIP_VERIFY", "").strip().lower() in ("1", "t", "true"):
        raise InvalidInput(
            "VAULT_SKIP_VERIFY is set, and idac gives no login to a server it has not verified",
            remedy="unset it; VAULT_CACERT names the authority that signed the server's certificate",
        )
    target, root = estate.spec.target, Path(estate.root)
    noted = _json(root / ".idac" / "server.json", private=False) or {}
    trial = str(noted.get("address", ""))
    address = environ.get("VAULT_ADDR") or target.address or trial
    if not address:
        raise InvalidInput(
            "no server is named",
            remedy="set VAULT_ADDR, or target.address in idac.yaml, or start one with `idac dev up`",
        )
    ca_cert = environ.get("VAULT_CACERT") or (str(root / target.ca_cert) if target.ca_cert else "")
    if not ca_cert and address == noted.get("address"):
        ca_cert = str(noted.get("ca_cert", ""))
    namespace = environ.get("VAULT_NAMESPACE") or target.namespace
    if environ.get("VAULT_ADDR"):
        return Server(address, ca_cert, namespace, "environment", address == trial)
    if target.address:
        return Server(address, ca_cert, namespace, "idac.yaml", address == trial)
    if parse(address)[1] not in LOOPBACK:
        raise InvalidInput(
            f".idac/server.json names {address}, and a trial server is on this machine alone",
            remedy="set VAULT_ADDR for any other server",
        )
    return Server(address, ca_cert, namespace, "trial server", trial=True)


def noted_login(estate: Estate, identity: str, server: Server) -> Mapping[str, Any]:
    """What bootstrap wrote for one identity: `mount`, `role_id`, `secret_id`, and the server's `address`.

    Raises `InvalidInput` when there is none, or when it is for another server than this one.
    """
    file = Path(estate.root) / ".idac" / "logins" / f"{identity}.json"
    noted = _json(file, private=True)
    if noted is None:
        raise InvalidInput(
            f"nothing says how to log in as {identity}",
            remedy=f"set target.logins.{identity} in idac.yaml, or run `idac bootstrap`",
        )
    if not all(isinstance(noted.get(name), str) for name in ("mount", "role_id", "secret_id")):
        raise InvalidInput(f"{file} is not a login that bootstrap wrote", remedy="run `idac bootstrap` again")
    if noted.get("address") != server.address:
        server.require_named_outside(f"the {identity} login, which is for {noted.get('address')},")
    return noted


def resolve(
    reference: SecretRef | None, estate: Estate, environ: Mapping[str, str], what: str, *, lasting: bool = True
) -> Secret:
    """The value a reference points to. Raises `InvalidInput` when it points to nothing.

    A file with a `lasting` secret must not be readable by everybody. A JWT is not lasting: platforms write
    short-lived ones with mode 0644.
    """
    if reference is not None and reference.env:
        value = environ.get(reference.env, "").strip()
        if value:
            return Secret(value)
        raise InvalidInput(f"the environment variable {reference.env} ({what}) is not set")
    if reference is not None and reference.file:
        value = _text(Path(estate.root) / reference.file, f"the file {reference.file} ({what})", lasting=lasting)
        if value:
            return Secret(value)
        raise InvalidInput(f"the file {reference.file} ({what}) is empty")
    raise InvalidInput(f"{what} is missing", remedy="name an environment variable or a file in idac.yaml")


def _text(file: Path, name: str, *, lasting: bool) -> str:
    try:
        with file.open() as opened:
            if lasting and stat.S_IMODE(os.fstat(opened.fileno()).st_mode) & stat.S_IROTH:
                raise InvalidInput(f"{name} can be read by everybody", remedy=f"chmod o= {file}")
            value = opened.read(_LONGEST)
    except (OSError, UnicodeDecodeError):
        raise InvalidInput(f"{name} cannot be read") from None
    if len(value) == _LONGEST:
        raise InvalidInput(f"{name} is too long for a secret")
    return value.strip()


def _json(file: Path, *, private: bool) -> dict[str, Any] | None:
    """A file's JSON object; None when there is no such file."""
    try:
        if private and stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise InvalidInput(f"{file} can be read by others", remedy=f"chmod 600 {file}")
        found = json.loads(file.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        raise InvalidInput(f"{file} cannot be read") from None
    if not isinstance(found, dict):
        raise InvalidInput(f"{file} is not a JSON object")
    return found
