"""`make bench`: how fast, against the figures of the design, with the server's own ceiling measured beside them.

Figures are of one run on one machine: compare the ratios. Sizes come from the command line: 1000 10000.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.estates import trader_name, write_estate
from tests.openbao import Server, start_server

TARGETS = {
    ("--help", 0): (0.3, 0),
    ("validate", 10_000): (3.0, 0),
    ("plan", 10_000): (8.0, 200),
    ("apply", 1_000): (15.0, 0),
    ("leaver", 10_000): (3.0, 0),
}


def main() -> None:
    """Measure, print a table, and say which target was missed."""
    sizes = [int(a) for a in sys.argv[1:]] or [1_000, 10_000]
    rows: list[tuple[str, int, float, int, int]] = []
    with tempfile.TemporaryDirectory(prefix="idac-bench-") as place:
        server = start_server(Path(place) / "server")
        try:
            rows.append(("--help", 0, *idac(server, None, "--help")))
            for size in sizes:
                rows += measure(server, Path(place) / f"estate-{size}", size)
            ceiling = wrk(server)
        finally:
            server.stop()
    show(rows, ceiling)


def measure(server: Server, root: Path, size: int) -> list[tuple[str, int, float, int, int]]:
    """Every command at one size: (what, subjects, seconds, MB, requests)."""
    write_estate(root, size, name=f"b{size}")
    idac(server, root, "bootstrap", admin=True)
    rows = [("validate", size, *idac(server, root, "validate"))]
    rows.append(("apply", size, *idac(server, root, "apply", "--auto-approve")))
    rows.append(("plan", size, *idac(server, root, "plan", "--detailed-exitcode")))
    (root / "manifests" / "traders" / f"{trader_name(size // 2)}.yaml").unlink()
    rows.append(("leaver", size, *idac(server, root, "apply", "--auto-approve")))
    return rows


def idac(server: Server, root: Path | None, *arguments: str, admin: bool = False) -> tuple[float, int, int]:
    """One command as a process: seconds, peak memory in MB, requests it sent (told by the audit file)."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("VAULT_", "BAO_"))}
    known = {"VAULT_ADDR": server.address, "VAULT_CACERT": str(server.ca_cert)}
    environ |= server.environ if admin else known
    where = [] if root is None else ["--config", str(root / "idac.yaml"), "-q"]
    command = [sys.executable, "-m", "reconciler.cli.main", *where, *arguments]
    before = audited(server)
    began = time.perf_counter()
    child = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert child.stdout is not None
    out = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    child.stdout.close()
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if child.returncode != 0:
        sys.exit(f"idac {' '.join(arguments)} exited {child.returncode}\n{out[-4000:]}")
    return seconds, usage.ru_maxrss // 1024, audited(server) - before


def audited(server: Server) -> int:
    """How many requests the server's audit file holds."""
    found = list((server.info.root_token.parent / "openbao").glob("audit*"))
    if not found:
        sys.exit("the server has no audit file: requests cannot be counted")
    done = subprocess.run(["grep", "-c", '"type":"request"', str(found[0])], capture_output=True, check=False)
    return int(done.stdout)


def wrk(server: Server) -> float:
    """Reads a second of one entity under wrk: the ceiling of this server on this machine."""
    listed = server.raw().list("identity/entity/name").keys
    script = Path(tempfile.mkstemp(suffix=".lua")[1])
    script.write_text(f'wrk.headers["X-Vault-Token"] = "{server.root_token}"\n')
    script.chmod(0o600)
    url = f"{server.address}/v1/identity/entity/name/{listed[0]}"
    try:
        done = subprocess.run(
            ["wrk", "-t1", "-c16", "-d4s", "-s", str(script), url], capture_output=True, text=True, check=True
        )
    finally:
        script.unlink()
    found = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    assert found is not None, done.stdout
    return float(found.group(1))


def show(rows: Sequence[tuple[str, int, float, int, int]], ceiling: float) -> None:
    """The table, and the same as JSON for whoever collects it."""
    print(f"server ceiling: {ceiling:,.0f} reads a second (wrk, TLS, audit file)\n")
    print(
        f"{'command':<10}{'subjects':>9}{'seconds':>9}{'MB':>6}{'requests':>10}{'req/s':>9}{'ceiling':>9}  target"
    )
    found: list[dict[str, Any]] = []
    for what, size, seconds, megabytes, requests in rows:
        rate = requests / seconds
        limit = TARGETS.get((what, size))
        verdict = ""
        if limit is not None:
            met = seconds <= limit[0] and (not limit[1] or megabytes <= limit[1])
            verdict = f"{limit[0]:g} s" + (f", {limit[1]} MB" if limit[1] else "") + (" met" if met else " MISSED")
        figures = f"{size:>9,}{seconds:>9.2f}{megabytes:>6}{requests:>10,}{rate:>9,.0f}{rate / ceiling:>9.0%}"
        print(f"{what:<10}{figures}  {verdict}")
        found.append({"command": what, "subjects": size, "seconds": round(seconds, 3), "megabytes": megabytes,
                      "requests": requests})  # fmt: skip
    print(
        "\n"
        + json.dumps(
            {
                "ceiling": round(ceiling),
                "rows": found,
                "ru_maxrss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            }
        )
    )


if __name__ == "__main__":
    main()
