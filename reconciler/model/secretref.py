"""References to secrets, which may be written down."""

from __future__ import annotations

from pydantic import StrictStr

from reconciler.model.strict import Strict


class SecretRef(Strict):
    """Where a secret is, never what it is: the name of an environment variable, or a file."""

    env: StrictStr | None = None
    """Name of an environment variable that holds it."""
    file: StrictStr | None = None
    """Path of a file that holds it, relative to `idac.yaml`."""
