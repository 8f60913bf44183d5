"""A canary in every secret we are given; then everything we ever say, write or run with is searched for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.firm import Firm
from tests.openbao import Server
from tests.weather import weather

WHY = ("--reason", "INC-1")


def secrets(firm: Firm, openbao: Server) -> list[str]:
    """Every secret this estate has: tokens, secret ids, private keys, line by line."""
    found = [openbao.root_token]
    for file in (firm.root / ".idac").rglob("*"):
        if file.is_file() and ("login" in str(file) or "key" in file.name):
            text = file.read_text()
            parts = text.replace('"', "\n").replace(",", "\n").splitlines()
            found += [p.strip() for p in parts if len(p.strip()) > 24 and "-----" not in p and "/" not in p[:2]]
    for file in (firm.home / "keys").glob("*.key"):
        found += [line for line in file.read_text().splitlines() if "-----" not in line and len(line) > 16]
    public = {"role_id"}
    return [s for s in found if s not in public]


def everything_said(firm: Firm, environ: dict[str, str], *words: str) -> list[str]:
    """One command's arguments as the system shows them, and its two outputs."""
    command = [sys.executable, "-X", "dev", "-m", "reconciler.cli.main"]
    command += ["--config", str(firm.root / "idac.yaml"), *words]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        arguments = Path(f"/proc/{child.pid}/cmdline").read_text()
        out, err = child.communicate()
    return [arguments, out.decode(), err.decode()]


@pytest.mark.long
def test_no_secret_in_output_plans_records_journals_logs_or_arguments(
    firm: Firm, openbao: Server, tmp_path: Path
) -> None:
    firm.trader("anna")
    said: list[str] = []
    with weather(openbao) as sky:
        environ = {**os.environ, "VAULT_ADDR": sky.address}
        for fault in ({}, {"status": 500}, {"status": 400}, {"cut": True}, {"status": 200, "body": "[1"}):
            sky.faults.clear()
            if fault:
                sky.fault("(POST|PUT) .*(entity|sign|certs)", skip=1, **fault)
            for words in (
                ["plan", "--out", str(tmp_path / "plan.json")],
                ["apply", "--auto-approve"],
                ["-v", "plan"],
            ):
                said += everything_said(firm, environ, *words)
            firm.change("anna", desk=f"desk-{len(said)}")
            firm.leave("anna") if "anna" in said[-1] and fault else None
            firm.trader("anna")
        for words in (
            ["show", "trader/anna"],
            ["cert", "get", "trader/anna/mtls"],
            ["contain", "trader/anna", *WHY],
        ):
            said += everything_said(firm, environ, *words)
        paths = "\n".join(sky.lines)
    written = [f for f in [*firm.plans.rglob("*"), *tmp_path.glob("*.json")] if f.is_file()]
    said += [f.read_text(errors="replace") for f in written] + [paths]
    assert len(written) > 5
    canaries = secrets(firm, openbao)
    assert len(canaries) >= 8
    for canary in canaries:
        assert not [text[:80] for text in said if canary in text]


def test_a_fault_in_idac_itself_shows_no_local_values(firm: Firm, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parent.parent)!r})\n"
        "from reconciler.cli import main, manifests\n"
        "def fail(context):\n    secret = 'hvs.canary'\n    raise RuntimeError(secret)\n"
        "manifests.validate = fail\nsys.argv = ['idac', 'validate']\nmain.main()\n"
    )
    done = subprocess.run([sys.executable, str(broken)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "a fault in idac itself: RuntimeError" in done.stderr
    assert "canary" not in done.stdout + done.stderr
