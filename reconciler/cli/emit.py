"""`idac emit`: what other systems must know, as files."""

from __future__ import annotations

import json
from pathlib import Path

from reconciler.cli.context import Context
from reconciler.cli.running import write_file
from reconciler.clock import now
from reconciler.errors import InvalidInput
from reconciler.model.estate import Estate
from reconciler.model.manifest import Tree


def mfa(context: Context, out: str) -> int:
    """One file a tier: `DIR/<tier>.json`. Nothing is written while the manifests have an error."""
    from reconciler.emit.mfa import tier_documents

    estate = context.estate()
    tree = _valid(context, estate)
    directory = Path(out)
    for name, document in tier_documents(tree, estate, now().date()):
        write_file(directory / f"{name}.json", json.dumps(document, indent=2) + "\n")
        context.say(f"wrote {directory / f'{name}.json'}")
    return 0


def _valid(context: Context, estate: Estate) -> Tree:
    """The manifests. Raises `InvalidInput` for any error: who is missing here would be held to nothing there."""
    from reconciler.pipeline import validate

    tree = context.tree(estate)
    errors = [f for f in validate(estate, tree, now()) if f.severity == "error"]
    if not errors and tree.absence_is_intent:
        return tree
    first = f"{errors[0].origin or errors[0].subject}: {errors[0].message}" if errors else tree.why_not
    raise InvalidInput(
        f"nothing is emitted from manifests that are invalid or not whole, first: {first}",
        remedy="mend what `idac validate` says",
    )
