"""`idac emit`: what other systems must know, as files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reconciler.cli.context import Context
from reconciler.cli.running import Usage, write_file
from reconciler.clock import now
from reconciler.errors import InvalidInput, Refused
from reconciler.model.estate import Estate
from reconciler.model.manifest import Tree

_SPIFFE_ID = re.compile(r"\Aspiffe://[a-z0-9._-]{1,255}(/[A-Za-z0-9._-]+)*\Z")  # SPIFFE-ID, section 2


def mfa(context: Context, out: str) -> int:
    """One file a tier: `DIR/<tier>.json`. Nothing is written while the manifests have an error."""
    from reconciler.emit.mfa import FORMAT_VERSION, tier_documents

    estate = context.estate()
    tree = _valid(context, estate)
    documents = tier_documents(tree, estate, now().date())
    made = {f"{name}.json": _json(document) for name, document in documents}
    _write(context, Path(out), made, lambda text: _member(text, "formatVersion") == FORMAT_VERSION)
    return 0


def spire(context: Context, out: str, parent: str = "") -> int:
    """`DIR/<bot>.json` for each bot, and `DIR/claims.txt`. Nothing is written while a manifest has an error."""
    from reconciler.emit.spire import TEXT, other_bots, registrations

    if parent and not _SPIFFE_ID.match(parent):
        raise Usage(f"--parent {parent!r} is no SPIFFE ID, such as spiffe://example.org/nodes/prod")
    estate = context.estate()
    tree = _valid(context, estate)
    found = list(registrations(tree, estate, now().date(), parent))
    if others := other_bots(tree, estate):
        context.say(f"not SPIRE's, because their subject is no SPIFFE ID: {', '.join(others)}")
    if not found:
        context.say("no bot is active whose subject is a SPIFFE ID: nothing was written")
        return 0
    parents = sorted({entry["parent_id"] for one in found for entry in one.document["entries"]})
    text = TEXT.format(parents=", ".join(parents)) + "\n\n".join(one.claims for one in found) + "\n"
    made = {f"{one.name}.json": _json(one.document) for one in found} | {"claims.txt": text}
    begins = TEXT.split("\n", 1)[0]
    _write(context, Path(out), made, lambda text: text.startswith(begins) or _member(text, "entries") is not None)
    context.say("claims.txt says which claims the issuer must add to its tokens")
    context.say("no server was asked: a bot that is on hold is among these, and SPIRE is not to vouch for it")
    return 0


def _write(context: Context, directory: Path, made: Mapping[str, str], ours: Callable[[str], bool]) -> None:
    """Write all, or none where a file stands that this command did not write. Raises `Refused`."""
    for name in made:
        there = directory / name
        if there.is_symlink() or (there.exists() and not ours(_text(there))):
            remedy = "name a directory for this command alone"
            raise Refused(f"{there} is not from this command, and is not overwritten", remedy=remedy)
    for name, text in made.items():
        write_file(directory / name, text)
        context.say(f"wrote {directory / name}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""  # nothing that we write


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


def _member(text: str, name: str) -> Any:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document.get(name) if isinstance(document, dict) else None


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
