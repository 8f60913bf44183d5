"""Kills a run at every one of its file operations, and looks at what is left. Run as a program: it forks.

    python -m tests.unit.ledger.crash DIRECTORY

Prints one JSON object a moment: how many runs, what their records say, and every fault seen.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from reconciler.ledger.store import Ledger
from reconciler.ledger.verify import verify
from tests.unit.ledger.world import Clock, new_ledger, record

LIMIT = 40  # more than one run's file operations
OPERATIONS = ("open", "write", "fsync", "link", "unlink")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(at: int, moment: str) -> None:
    """From now on, the process dies before, after or in the middle of its file operation number `at`."""
    operations = count()

    def armed(real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **more: Any) -> Any:
            mine = next(operations) == at
            if mine and moment == "before":
                die()
            if mine and moment == "middle" and real.__name__ == "write":
                real(args[0], bytes(args[1])[: len(args[1]) // 2])
                die()
            result = real(*args, **more)
            if mine and moment == "after":
                die()
            return result

        return operation

    for name in OPERATIONS:
        setattr(os, name, armed(getattr(os, name)))


def killed(root: Path, at: int, moment: str) -> bool:
    """Run in a child that is killed there. False when it came to its end before."""
    child = os.fork()
    if child == 0:
        clock = Clock(at * 100)
        ledger = new_ledger(root, clock)
        arm(at, moment)
        record(ledger, f"run-{at}", clock, changes=2)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def every_point(root: Path, moment: str) -> dict[str, Any]:
    """Kill one run after another, each one file operation later, until one comes to its end."""
    faults: list[str] = []
    for at in range(LIMIT):
        dead = killed(root, at, moment)
        left = verify(root / "plans")
        faults += [f"killed {moment} {at}: {f}" for f in left.findings if f.severity == "error"]
        Ledger(root / "plans", new_ledger(root).signer, Clock(at * 100 + 90)).seal_interrupted()
        sealed = verify(root / "plans")
        faults += [f"sealed after {moment} {at}: {f}" for f in sealed.findings]
        if not dead and moment != "middle":
            break
    statuses = Counter(r.statement["predicate"]["status"] for r in Ledger(root / "plans").load_all())
    return {"runs": at + 1, "statuses": statuses, "faults": faults}


if __name__ == "__main__":
    found = {moment: every_point(Path(sys.argv[1]) / moment, moment) for moment in ("before", "middle", "after")}
    print(json.dumps(found))
