"""`make bench`: how fast, against the figures of the design, with the server's own ceiling measured beside them.

Figures are of one run on one machine: compare the ratios, and CPU seconds rather than seconds. Sizes come from the
command line: 1000 10000. Every size has a server of its own, and its subjects are put there by `idac apply`, as
anybody's would be: 10,000 take minutes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.estates import trader_name, write_estate
from tests.openbao import Server, start_server

TARGETS = {  # of DESIGN.md: seconds, MB
    ("--help", 0): (0.3, 0),
    ("validate", 10_000): (3.0, 0),
    ("plan", 10_000): (8.0, 200),
    ("apply", 1_000): (15.0, 0),
    ("leaver", 10_000): (3.0, 0),
    ("contain", 10_000): (3.0, 0),
}
CEILING = 6_400  # reads a second under wrk, with an audit file, where the targets were set


@dataclass(frozen=True, slots=True)
class Row:
    """What one command took. `cpu` and `server_cpu` are seconds; `ceiling` is what wrk reached just after it."""

    command: str
    subjects: int
    seconds: float
    cpu: float
    server_cpu: float
    megabytes: int
    requests: int
    ceiling: float = 0.0


def main() -> None:
    """Measure, print a table, and say which target was missed."""
    sizes = [int(a) for a in sys.argv[1:]] or [1_000, 10_000]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="idac-bench-") as place:
        for size in sizes:
            server = start_server(Path(place) / f"server-{size}")
            try:
                rows += measure(server, Path(place) / f"estate-{size}", size)
            finally:
                server.stop()
    show(rows)


def measure(server: Server, root: Path, size: int) -> list[Row]:
    """Every command at one size."""
    write_estate(root, size, name=f"b{size}")
    idac(server, root, 0, "bootstrap", admin=True)
    rows = [idac(server, None, 0, "--help"), idac(server, root, size, "validate")]
    rows.append(idac(server, root, size, "apply", "--auto-approve"))
    rows.append(idac(server, root, size, "plan", "--detailed-exitcode"))
    rows.append(idac(server, root, size, "contain", f"trader/{trader_name(size // 3)}", "--reason", "bench"))
    (root / "manifests" / "traders" / f"{trader_name(size // 2)}.yaml").unlink()
    leaver = idac(server, root, size, "apply", "--auto-approve")
    return [*rows, Row(**{**asdict(leaver), "command": "leaver"})]


def idac(server: Server, root: Path | None, size: int, *arguments: str, admin: bool = False) -> Row:
    """One command as a process. Its requests are told by the audit file."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("VAULT_", "BAO_"))}
    known = {"VAULT_ADDR": server.address, "VAULT_CACERT": str(server.ca_cert)}
    environ |= server.environ if admin else known
    where = [] if root is None else ["--config", str(root / "idac.yaml"), "-q"]
    command = [sys.executable, "-m", "reconciler.cli.main", *where, *arguments]
    before, busy = audited(server), server_cpu(server)
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
    requests, busy = audited(server) - before, server_cpu(server) - busy
    cpu, megabytes = usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024
    ceiling = wrk(server) if requests > 100 else 0.0
    return Row(arguments[0], size, seconds, cpu, busy, megabytes, requests, ceiling)


def server_cpu(server: Server) -> float:
    """CPU seconds that the server has used so far (proc(5): utime and stime, in clock ticks)."""
    pid = (server.info.root_token.parent / "openbao" / "pid").read_text().strip()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
    time.sleep(1)  # wrk leaves its last requests to a server that still answers and counts them
    found = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    assert found is not None, done.stdout
    return float(found.group(1))


def show(rows: Sequence[Row]) -> None:
    """The table, and the same as JSON for whoever collects it."""
    heads = ("subjects", "seconds", "CPU", "server", "MB", "requests", "req/s", "ceiling", "share")
    print("command   " + "".join(f"{head:>10}" for head in heads) + "  target")
    for row in rows:
        rate = row.requests / row.seconds
        share = f"{rate / row.ceiling:.0%}" if row.ceiling else ""
        figures = (
            f"{row.subjects:>10,}{row.seconds:>10.2f}{row.cpu:>10.2f}{row.server_cpu:>10.2f}{row.megabytes:>10}"
        )
        figures += f"{row.requests:>10,}{rate:>10,.0f}{row.ceiling:>10,.0f}{share:>10}"
        print(f"{row.command:<10}{figures}  {verdict(row)}")
    print("\nCPU: seconds of the command, and of the server meanwhile. Ceiling: reads a second by wrk.")
    print(f"The targets' own ceiling was {CEILING:,}; in brackets, what they are at the ceiling found here.")
    print("\n" + json.dumps([asdict(row) for row in rows]))


def verdict(row: Row) -> str:
    """The design's figure for this row, and whether it was met."""
    if (row.command, row.subjects) not in TARGETS:
        return ""
    seconds, megabytes = TARGETS[row.command, row.subjects]
    met = "met" if row.seconds <= seconds else "MISSED"
    if row.ceiling:
        here = seconds * max(1.0, CEILING / row.ceiling)
        met += f" ({here:.0f} s: {'met' if row.seconds <= here else 'MISSED'})"
    if megabytes:
        met += f", {megabytes} MB {'met' if row.megabytes <= megabytes else 'MISSED'}"
    return f"{seconds:g} s {met}"


if __name__ == "__main__":
    main()
