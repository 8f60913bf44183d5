"""Imports point one way, and every library has one door (DESIGN, Layout)."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

# modules of a provider that are pure data: kinds may use them
PURE = ("resources", "policies", "roles")
PACKAGE = Path(__file__).parent.parent / "reconciler"

# library -> the rooms it may be imported in
DOORS: dict[str, tuple[str, ...]] = {
    "typer": ("cli",),
    "click": ("cli",),
    "rich": ("cli",),
    "httptools": ("providers/vault",),
    "pkcs11": ("providers/hsm",),
    "cryptography": ("x509",),
    "pydantic": ("model", "kinds", "load"),
    "pydantic_core": ("kinds", "load"),  # a part of pydantic, under its own name
    "yaml": ("yaml12",),
    "rfc8785": ("canonical.py",),
    "stdnum": ("kinds",),
    "iso4217": ("kinds",),
    "iso3166": ("kinds",),
    "iso10383": ("kinds",),
}

# room -> rooms it may import (besides itself, model and errors)
ARROWS: dict[str, set[str]] = {
    "model": set(),
    "errors": set(),
    "canonical": set(),
    "clock": set(),  # not for everybody: a pure stage is told the time
    "x509": {"clock"},
    "yaml12": set(),
    "kinds": {"providers/resources", "x509", "canonical"},
    "providers/protocol": set(),
    "providers/dialect": set(),
    "providers/vault": {"providers/protocol", "providers/dialect", "x509", "canonical"},
    "providers/ca": {"providers/protocol", "providers/dialect", "x509", "canonical", "clock"},
    # a key's age, spelled as all moments
    "providers/hsm": {"providers/protocol", "providers/dialect", "x509", "canonical", "clock"},
    "providers/registry": {"providers/protocol", "providers/vault", "providers/ca", "providers/hsm", "clock"},
    "memory": set(),
    "load": {"kinds", "yaml12", "canonical", "memory", "x509"},  # it sends CSRs ahead to be verified
    "expand": {"kinds", "providers/resources", "canonical", "memory", "x509"},  # keys of those it does not expand
    "observe": {"providers/protocol", "memory"},
    "diff": set(),
    "rules": {"kinds", "memory"},  # they read the specs
    "emit": {"kinds"},
    "plan": {"canonical"},
    "review": set(),
    "barrier": {"diff"},  # whom a hold follows to is one question, before a run and during it
    "apply": {"providers/protocol"},
    "portrait": {"diff", "kinds"},  # what differs is one question, in a plan and in a portrait
    "render": {"canonical", "portrait", "providers/resources"},  # which fields are the same in every resource
    "ledger": {"canonical", "x509", "clock"},
    "pipeline": {
        "load", "expand", "observe", "diff", "rules", "plan", "review", "apply", "barrier", "ledger",
        "providers/protocol",
    },
    "emergency": {"pipeline", "expand", "observe", "diff", "rules", "plan", "providers/protocol"},
    "cli": {
        "pipeline", "emergency", "portrait", "render", "emit", "ledger", "providers/registry",
        "providers/protocol", "load", "canonical", "kinds", "review", "clock",
        "x509",  # the demo plays the trader, who has a key of their own
    },
}  # fmt: skip


def room(relative: Path) -> str:
    """Which room a file belongs to."""
    parts = relative.with_suffix("").parts
    if parts[0] == "providers" and len(parts) > 1:
        return "providers/resources" if parts[-1] in PURE else f"providers/{parts[1]}"
    return parts[0]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def through_no_door(relative: Path, name: str) -> str | None:
    """What is wrong with importing this library here, if anything."""
    top = name.split(".", maxsplit=1)[0]
    if top in ("reconciler", *sys.stdlib_module_names):
        return None
    doors = DOORS.get(top, ())
    if any(str(relative).startswith(door) for door in doors):
        return None
    return f"{relative}: {top} has its door in {doors or 'no room'}"


def against_an_arrow(root: Path, relative: Path, name: str) -> str | None:
    """What is wrong with importing this room from there, if anything."""
    here = room(relative)
    if not name.startswith("reconciler."):
        return None
    target = Path(*name.split(".")[1:])
    if not (root / target).with_suffix(".py").exists() and not (root / target).is_dir():
        return None  # a name inside a module; the module itself was yielded too
    if (root / target).is_dir() and target.parts[0] == "providers" and len(target.parts) == 1:
        return None
    there = room(target.with_suffix(".py"))
    allowed = ARROWS.get(here, set()) | {here, "model", "errors"}
    if here == "providers/resources":
        allowed = {"model", "errors", "canonical", "providers/resources"}
    if there == "providers/resources" and here.startswith("providers/"):
        allowed = allowed | ({there} if target.parts[1] == relative.parts[1] else set())
    return None if there in allowed else f"{relative}: {here} may not import {there}"


def violations(root: Path) -> list[str]:
    found = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        for name in imports(path):
            found += [through_no_door(relative, name), against_an_arrow(root, relative, name)]
    return [one for one in found if one is not None]


def readings_of_the_clock(root: Path) -> list[str]:
    """Which files ask for the date or the time of day. (The run lock counts seconds: it is told no date.)"""
    asked = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in asked
    )


def test_there_is_one_clock() -> None:
    assert readings_of_the_clock(PACKAGE) == ["clock.py"]


def test_imports_point_one_way_and_libraries_have_one_door() -> None:
    assert violations(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("diff.py", "import reconciler.plan"),
        ("diff.py", "import httptools"),
        ("model/change.py", "from reconciler.errors import Refused\nimport reconciler.diff"),
        ("providers/ca/reader.py", "from reconciler.providers.vault import client"),
        ("kinds/trader/expand.py", "from reconciler.providers.vault import client"),
        ("render/text.py", "import typer"),
        ("diff.py", "from reconciler.clock import now"),
        ("render/text.py", "import a_library_without_a_door"),
    ],
)
def test_a_planted_violation_is_caught(tmp_path: Path, file: str, line: str) -> None:
    for name in ("plan.py", "diff.py", "errors.py", "clock.py", "providers/vault/client.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(line)
    assert violations(tmp_path)


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    """A library nobody imports is attack surface; one that comes with another may go with it."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=]", line)[0].lower() for line in project["dependencies"]}
    tops = {name.split(".")[0] for path in PACKAGE.rglob("*.py") for name in imports(path)}
    known = packages_distributions()
    ours = {"reconciler", "pydantic_core"}
    used = {known[top][0].lower() for top in tops - ours - sys.stdlib_module_names}
    assert used == declared
