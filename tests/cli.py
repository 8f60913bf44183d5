"""Commands run in this process, with nothing of this machine's environment that could steer them."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.cli.main import run


@dataclass(frozen=True, slots=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def idac(root: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Done:
    """One command on the estate in `root`; only `environ` says where a server is."""
    out, err = io.StringIO(), io.StringIO()
    kept = dict(os.environ)
    for name in [n for n in os.environ if n.startswith(("VAULT_", "BAO_"))]:
        del os.environ[name]
    os.environ.update(environ or {})
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(["--config", str(root / "idac.yaml"), *arguments])
    finally:
        os.environ.clear()
        os.environ.update(kept)
    return Done(code, out.getvalue(), err.getvalue())
