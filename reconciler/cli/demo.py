"""`idac demo`: a trader's identity made, used, offboarded and proved dead, on a real OpenBao.

It plays the user, with the commands a user would type, in a directory of its own; and it plays the trader,
from outside, with nothing but a certificate, its key, and the server's address.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli.context import Context
from reconciler.cli.outside import Holder, Server, Unexpected
from reconciler.cli.terminal import print_text
from reconciler.errors import Refused

TRADER = "dana-demo"
SECRET_PATH = "trading/data/quotes/eurusd"  # noqa: S105 - a path, not a secret
MANIFEST = """\
apiVersion: idac/v1
kind: Trader
metadata: {{name: {name}}}
spec:
  personId: "E900001"
  mifid: {{shortCode: 4900001, piiRef: "vault://pii/persons/E900001"}}
  entityLei: "{lei}"
  desk: {desk}
  supervisor: {supervisor}
  employment: {{start: "2026-01-05", status: active}}
  roles: [{role}]
  mfaTier: {tier}
  credentials:
  - {{name: mtls, profile: {profile}, key: {{csr: csr/{name}-mtls.pem}}}}
"""


def run(context: Context, *, keep: str) -> int:
    """Play the whole story. 0 when every step came out as it must; the server is stopped either way."""
    source = context.find().parent
    place = Path(keep) if keep else Path(tempfile.mkdtemp(prefix="idac-demo-"))
    if keep and place.exists() and any(place.iterdir()):
        raise Refused(f"{place} is not empty", remedy="name a new directory")
    demo = Demo(place / "identities", colour=context.colour)
    try:
        shutil.copytree(source, demo.estate, ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)
        demo.play()
    finally:
        demo.idac("dev", "down", quiet=True, expect=None)
        if not keep:
            shutil.rmtree(place, ignore_errors=True)
    return 0


@dataclass(slots=True)
class Demo:
    """The story, step by step."""

    estate: Path
    colour: bool
    step: int = 0

    def play(self) -> None:
        """From an empty server to a proved offboarding and a verified record."""
        self.say(
            "Start a real OpenBao on this machine (loopback only), and make the estate's mounts, CA and logins."
        )
        self.idac("dev", "up")
        self.idac("bootstrap")
        self.say("The firm as it is: invented people, machines and programs, all applied in one run.")
        self.idac("validate")
        self.idac("-q", "apply", "--auto-approve", last=7)
        self.say(
            f"A trader joins: {TRADER}. The demo itself makes this one key; real ones are born on a token or TPM."
        )
        key = self.hire()
        self.say("What would change? Nothing has been written yet.")
        self.idac("-q", "plan", "--out", "plan.json")
        self.say("Apply exactly that plan. Every grant is read back before the next.")
        self.idac("apply", "--plan", "plan.json")
        self.say("Plan again: what stands is what the manifests say.")
        self.idac("-q", "plan", "--detailed-exitcode")
        self.say("The trader logs in with the certificate, and the token reads what the role allows.")
        trader = Holder.of(self.estate, f"trader.{TRADER}.mtls", key, self.delivered())
        trader.log_in()
        self.narrate(f"login accepted; GET {SECRET_PATH} answers {trader.read(SECRET_PATH)}")
        self.say("The trader leaves: the manifest is deleted, and that is all anybody has to do.")
        (self.estate / f"traders/{TRADER}.yaml").unlink()
        self.idac("-q", "plan", "--out", "leaver.json")
        self.idac("apply", "--plan", "leaver.json")
        self.say("Try everything the trader still holds: the open token, its renewal, the same certificate.")
        self.refused("the open token reads", trader.read(SECRET_PATH))
        self.refused("the open token renews itself", trader.renew())
        self.refused("the same certificate logs in", trader.try_login())
        self.idac("-q", "plan", "--detailed-exitcode")
        self.say("Verify the signed records.")
        self.idac("records", "verify")
        self.say("Done. Everything above ran on a real server, and everything the demo started is stopped now.")

    # -- the user --------------------------------------------------------------------------------------

    def idac(
        self, *arguments: str, expect: int | None = 0, quiet: bool = False, last: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """One command, as a user would type it, in the estate's directory. `last`: show so many lines."""
        if not quiet:
            self.narrate(f"$ idac {' '.join(arguments)}")
        command = [sys.executable, "-m", "reconciler.cli.main", *arguments]
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("VAULT_", "BAO_"))}
        environ |= {"FORCE_COLOR": "1"} if self.colour else {"NO_COLOR": "1"}
        done = subprocess.run(  # noqa: S603 - our own program
            command, cwd=self.estate, env=environ, capture_output=True, text=True, check=False
        )
        lines = (done.stdout + done.stderr).splitlines()
        if not quiet:
            shown = [f"… {len(lines) - last} lines", *lines[-last:]] if 0 < last < len(lines) else lines
            print_text("".join(f"    {line}\n" for line in shown))
        if expect is not None and done.returncode != expect:
            raise Unexpected(f"`idac {' '.join(arguments)}` exited {done.returncode}, not {expect}")
        return done

    def hire(self) -> Path:
        """Write the new trader's manifest and CSR; the key goes to a file outside the manifests."""
        from reconciler.x509 import new_key_and_csr

        secret, csr = new_key_and_csr(f"trader.{TRADER}")
        key = self.estate.parent / "trader.key"
        with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secret.reveal())
        (self.estate / f"csr/{TRADER}-mtls.pem").write_text(csr)
        (self.estate / f"traders/{TRADER}.yaml").write_text(self.manifest())
        self.store_secret()
        return key

    def manifest(self) -> str:
        """The new trader works like one who is there already: same desk, supervisor, role, tier and profile."""
        from reconciler.kinds.trader.spec import Trader
        from reconciler.load import load, load_estate

        tree = load(load_estate(self.estate / "idac.yaml"))
        traders = (m.spec for m in tree.manifests if isinstance(m.spec, Trader))
        peer = next(spec for spec in traders if spec.roles and spec.credentials)
        return MANIFEST.format(
            name=TRADER,
            lei=peer.entity_lei,
            desk=peer.desk,
            supervisor=peer.supervisor,
            role=peer.roles[0],
            tier=peer.mfa_tier or "null",
            profile=peer.credentials[0].profile,
        )

    def store_secret(self) -> None:
        """The firm's own KV engine and one entry in it, as they would stand long before idac."""
        token = (self.estate / ".idac/root-token").read_text().strip()
        server = Server.of(self.estate)
        server.call("POST", "sys/mounts/trading", token, {"type": "kv", "options": {"version": "2"}})
        server.call("POST", SECRET_PATH, token, {"data": {"bid": "1.0842", "offer": "1.0844"}})

    def delivered(self) -> str:
        """The certificate and its chain, from where they were delivered; read as administrator."""
        token = (self.estate / ".idac/root-token").read_text().strip()
        name = json.loads(self.idac("--format", "json", "validate", quiet=True).stdout)["estate"]
        answer = Server.of(self.estate).call(
            "GET", f"idac-{name}-kv/data/certificates/trader.{TRADER}.mtls", token
        )
        data = answer.body["data"]["data"]
        return str(data["certificate"]) + str(data["chain"])

    # -- the audience ------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """A new step."""
        self.step += 1
        head = textwrap.fill(f"{self.step}. {text}", shutil.get_terminal_size().columns, subsequent_indent="   ")
        print_text(f"\n\x1b[1m{head}\x1b[0m\n" if self.colour else f"\n{head}\n")

    def narrate(self, text: str) -> None:
        """A line within a step."""
        print_text(f"  {text}\n")

    def refused(self, what: str, status: int) -> None:
        """This must have been refused."""
        if status < 400:
            raise Unexpected(f"{what}: answered {status}, and it must be refused")
        self.narrate(f"{what}: refused ({status})")
