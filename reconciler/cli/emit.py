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


def spire(context: Context, out: str, parent: str = "") -> int:
    """`DIR/<bot>.json` for each bot, and `DIR/claims.txt`. Nothing is written while a manifest has an error."""
    from reconciler.emit.spire import TEXT, other_bots, registrations

    estate = context.estate()
    tree = _valid(context, estate)
    directory = Path(out)
    made = list(registrations(tree, estate, now().date(), parent))
    for one in made:
        write_file(directory / f"{one.name}.json", json.dumps(one.document, indent=2) + "\n")
        context.say(f"wrote {directory / f'{one.name}.json'}")
    if others := other_bots(tree, estate):
        context.say(f"not SPIRE's, because their subject is no SPIFFE ID: {', '.join(others)}")
    if not made:
        context.say("no bot is active whose subject is a SPIFFE ID: nothing was written")
        return 0
    parents = sorted({entry["parent_id"] for one in made for entry in one.document["entries"]})
    text = TEXT.format(parents=", ".join(parents)) + "\n\n".join(one.claims for one in made) + "\n"
    write_file(directory / "claims.txt", text)
    context.say(f"wrote {directory / 'claims.txt'}: which claims the issuer must add to its tokens")
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
