"""A firm whose traders sign with keys in an HSM token, seen from inside the token and by its holders."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler import x509
from tests.firm import PROFILE, Firm, found
from tests.openbao import Raw, Reply, Server

SIGNING = {**PROFILE, "ekus": ["codeSigning"], "maxKeyAge": "30d"}
TOKENS = [{"name": "trade", "backend": "transit"}]
ORDER = b"buy 5,000,000 GB00BMV7TC88"


def keyed(server: Server, home: Path, **spec: Any) -> Firm:
    """A firm that had no token when it was bootstrapped, and has one now; credential `signing` is in it."""
    firm = found(server, home)
    firm.configure(**{"hsmTokens": TOKENS, **spec})
    laid(firm)
    firm.manifest("CertificateProfile", "trade-signing", SIGNING)
    firm.profiles, firm.tokens = {"signing": "trade-signing"}, {"signing": "trade"}
    return firm


def laid(firm: Firm) -> str:
    """`idac bootstrap`, as administrator; what it says."""
    environ, firm.environ = firm.environ, firm.server.environ
    said = firm.idac("bootstrap", code=0).out
    firm.environ = environ
    return said


@dataclass(slots=True)
class Key:
    """One trader's key in the token, as the administrator sees it."""

    firm: Firm
    name: str
    token: str = "trade"

    @property
    def mount(self) -> str:
        return self.firm.estate.hsm_mount(self.token)

    @property
    def address(self) -> str:
        return f"hsm.key/trader/{self.name}/signing/{self.token}"

    @property
    def path(self) -> str:
        return f"{self.mount}/keys/{self.firm.estate.prefix}trader.{self.name}.signing"

    @property
    def signs(self) -> str:
        return self.path.replace("/keys/", "/sign/")

    def read(self) -> Reply:
        return self.firm.admin.read(self.path)

    @property
    def public(self) -> dict[str, str]:
        """Public keys by version."""
        return {version: about["public_key"] for version, about in self.read().data["keys"].items()}

    def destroy(self, admin: Raw) -> None:
        admin.ok("POST", f"{self.path}/config", {"deletion_allowed": True})
        admin.ok("DELETE", self.path)


def backed_up(key: Key, admin: Raw) -> str:
    """Somebody lets the key be exported, and takes it with them."""
    admin.ok("POST", f"{key.path}/config", {"exportable": True, "allow_plaintext_backup": True})
    return str(admin.ok("GET", key.path.replace("/keys/", "/backup/")).data["backup"])


def restored(key: Key, admin: Raw) -> None:
    """The same, and puts it back from there."""
    backup = backed_up(key, admin)
    key.destroy(admin)
    admin.ok("POST", key.path.replace("/keys/", "/restore/"), {"backup": backup})


def delivered(firm: Firm, name: str) -> x509.Certificate:
    """The signing certificate that is delivered to a trader."""
    path = f"{firm.estate.mounts.kv}/data/certificates/trader.{name}.signing"
    return x509.read_certificate(firm.admin.ok("GET", path).data["data"]["certificate"])


def sign(firm: Firm, name: str, *, of: str = "", version: int | None = None) -> tuple[int, bytes]:
    """The trader logs in with their other certificate and has an order signed; status and signature.

    `of`: by somebody else's key.
    """
    holder = firm.holder(name)
    assert holder.login() == 200
    body: dict[str, Any] = {"input": base64.b64encode(ORDER).decode()}
    if version is not None:
        body["key_version"] = version
    status, answer = holder.call("POST", Key(firm, of or name).signs, body)
    text = (answer.get("data") or {}).get("signature", "")
    return status, base64.b64decode(text.rpartition(":")[2])


def verified(firm: Firm, name: str, signature: bytes, directory: Path) -> bool:
    """Whether openssl finds that the key in the delivered certificate signed the order."""
    path = f"{firm.estate.mounts.kv}/data/certificates/trader.{name}.signing"
    pem = firm.admin.ok("GET", path).data["data"]["certificate"]
    for file, content in (("cert.pem", pem.encode()), ("order", ORDER), ("signature", signature)):
        (directory / file).write_bytes(content)
    public = subprocess.run(
        ["openssl", "x509", "-in", directory / "cert.pem", "-pubkey", "-noout"], capture_output=True, check=True
    )
    (directory / "public.pem").write_bytes(public.stdout)
    asked: list[str | Path] = ["openssl", "dgst", "-sha256", "-verify", directory / "public.pem"]
    done = subprocess.run(
        [*asked, "-signature", directory / "signature", directory / "order"], check=False, capture_output=True
    )
    return done.returncode == 0


def spki(pem: str) -> str:
    """SHA-256 of a public key by openssl."""
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem.encode(), capture_output=True, check=True
    )
    return hashlib.sha256(der.stdout).hexdigest()
