"""What every command starts from: flags, environment, the estate and its revision."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.model.estate import Estate
    from reconciler.model.manifest import Tree
    from reconciler.providers.protocol import Connection


class Format(StrEnum):
    """How results are printed."""

    text = "text"
    json = "json"


@dataclass(frozen=True, slots=True)
class Context:
    """The command line's global options, and what follows from them."""

    config: str = ""
    format: Format = Format.text
    no_color: bool = False
    quiet: bool = False
    verbose: bool = False

    @property
    def json(self) -> bool:
        """Whether data goes out as JSON."""
        return self.format is Format.json

    @property
    def colour(self) -> bool:
        """Colours only for a person at a terminal who has not said no (https://no-color.org), or who said yes."""
        environ = os.environ
        refused = self.no_color or environ.get("NO_COLOR") or environ.get("TERM") == "dumb"
        return not refused and (bool(environ.get("FORCE_COLOR")) or sys.stdout.isatty())

    @property
    def watched(self) -> bool:
        """Whether a person watches stderr, on a terminal that can move its cursor, and wants to be talked to."""
        return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not self.quiet

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment: `VAULT_*` as elsewhere, and whatever variables idac.yaml names."""
        return os.environ

    def find(self) -> Path:
        """The path of idac.yaml."""
        from reconciler.load import find_estate

        return Path(self.config) if self.config else find_estate(Path.cwd())

    def estate(self) -> Estate:
        """The estate's configuration, validated."""
        from reconciler.load import load_estate

        return load_estate(self.find())

    def tree(self, estate: Estate) -> Tree:
        """The manifests as they lie there, with the git revision they belong to."""
        from reconciler.cli.git import revision
        from reconciler.load import load
        from reconciler.model.manifest import Finding
        from reconciler.model.words import few

        tree = load(estate)
        seen = revision(Path(estate.root), estate.spec.manifests, {*tree.files, *tree.unread_files})
        if seen.partial and tree.absence_is_intent:
            tree = replace(tree, absence_is_intent=False, why_not=seen.partial)
        findings = tree.findings
        if seen.gone:
            names = few(seen.gone, len(seen.gone), shown=5)
            text = f"{len(seen.gone)} manifests are gone from here and still in the commit: {names}"
            findings += (Finding("M09", "warning", text),)
        return replace(tree, commit=seen.commit, dirty=seen.dirty, findings=findings)

    def connection(self, estate: Estate) -> Connection:
        """The target, not yet spoken to."""
        from reconciler.providers.registry import open_connection

        return open_connection(estate, self.environ, self.say)

    def say(self, text: str) -> None:
        """Talk, as opposed to data: stderr, unless quiet."""
        if not self.quiet:
            sys.stderr.write(f"{text}\n")


def actor() -> dict[str, str]:
    """Who runs this, where: public facts for the record."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = f"uid {os.getuid()}"
    return {"user": user, "host": socket.gethostname(), "pid": str(os.getpid())}
