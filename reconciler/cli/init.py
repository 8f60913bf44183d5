"""`idac init`: an estate to begin with."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from reconciler.cli.context import Context
from reconciler.cli.terminal import print_json, print_text
from reconciler.errors import InvalidInput, Refused
from reconciler.kinds.schema import json_schema

NAME = "my-firm"  # as the starter's files call it
EMPTY = ("identities/traders/.gitkeep", "identities/csr/.gitkeep")
JOIN = (
    "openssl ecparam -name prime256v1 -genkey -noout -out jdoe.key",
    "openssl req -new -key jdoe.key -subj /CN=jdoe -out identities/csr/jdoe-mtls.pem",
    "cp examples/trader.yaml identities/traders/jdoe.yaml",
    "idac validate",
)
APPLY = (
    "idac dev up",
    "idac bootstrap",
    "idac apply --auto-approve",
    "idac cert get trader/jdoe/mtls > jdoe.pem",
    "idac show trader/jdoe",
)
LEAVE = ("rm identities/traders/jdoe.yaml", "idac apply --auto-approve", "idac dev down")


def init(context: Context, *, directory: str) -> int:
    """Write the starter's files into a directory, all or none, and say how to go on."""
    place = Path(directory)
    try:
        name, here = estate_name(place), place.resolve() == Path.cwd()
        made = _files(name)
        there = [path for path in made if os.path.lexists(place / path)]
        if there:
            had, remedy = ", ".join(there), "name another directory"
            raise Refused(f"{place} has {had} already, and nothing is overwritten", remedy=remedy)
        _write(place, made)
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links is a RuntimeError
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInput(f"cannot write below {place}: {why}", remedy="name another directory") from None
    enter = () if here else (f"cd {shlex.quote(directory)}",)
    if context.json:
        commands = [*enter, *JOIN, *APPLY, *LEAVE]
        print_json({"estate": name, "directory": directory, "files": list(made), "commands": commands})
        return 0
    print_text(f"The estate {name} is in {place}: begin with README.md and identities/idac.yaml.\n")
    _print("A first trader: a key of their own, and a file in git", (*enter, *JOIN))
    _print("On a server to try things out on (a real OpenBao, on this machine alone)", APPLY)
    _print("And out again", LEAVE)
    print_text("\nFor staff, devices, bots, one-time codes and HSM keys see examples/, and README.md.\n")
    return 0


def _write(place: Path, made: Mapping[str, str]) -> None:
    """All or none: what was written before a failure is taken away again. Raises `OSError`."""
    done: list[Path] = []
    try:
        for path, text in made.items():
            file = place / path
            for folder in [f for f in (*reversed(file.parents),) if not f.exists()]:
                folder.mkdir()
                done.append(folder)
            with open(file, "x", encoding="utf-8") as opened:
                done.append(file)
                opened.write(text)
    except BaseException:
        for path_made in reversed(done):
            with suppress(OSError):
                path_made.rmdir() if path_made.is_dir() else path_made.unlink()
        raise


def estate_name(place: Path) -> str:
    """A DNS label made of the directory's name; `my-firm` where nothing is left of it."""
    label = re.sub(r"[^a-z0-9]+", "-", place.resolve().name.lower()).strip("-")[:40].strip("-")
    return label if label and "role" not in label.split("-") else NAME


def _files(name: str) -> Mapping[str, str]:
    """Path -> text of everything that is written."""
    found = dict(_texts(files("reconciler") / "starter", ""))
    found[".gitignore"] = found.pop("gitignore")
    made = {path: text.replace(NAME, name) for path, text in sorted(found.items())}
    schema = json.dumps(json_schema(), indent=2) + "\n"
    return made | {"identities/manifest.schema.json": schema} | dict.fromkeys(EMPTY, "")


def _texts(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    made: list[tuple[str, str]] = []
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        made += _texts(entry, f"{path}/") if entry.is_dir() else [(path, entry.read_text(encoding="utf-8"))]
    return made


def _print(title: str, commands: tuple[str, ...]) -> None:
    print_text(f"\n{title}:\n\n" + "".join(f"    {command}\n" for command in commands))
