"""Writes docs/manifests.md: every kind with an example of the reference estate, and every field the models know.

Run it with `python -m tests.manifest_page` after changing a model; a test holds the page against them.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import reconciler.load.estate  # noqa: F401 - it says in words what idac.yaml's patterns mean
from reconciler.kinds.fields import WORDS
from reconciler.kinds.registry import KINDS
from reconciler.kinds.schema import CONFIGURATION, json_schema

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "manifests.md"
EXAMPLES = {
    "Trader": "traders/tomas-lind.yaml",
    "Staff": "staff/arthur-blum.yaml",
    "Device": "devices/jump-ldn-01.yaml",
    "Bot": "bots/mm-eurusd.yaml",
    "Role": "roles/trade-approver.yaml",
    "MfaTier": "tiers/hardware.yaml",
    "CertificateProfile": "profiles/trader-mtls.yaml",
    CONFIGURATION: "idac.yaml",
}
INTRODUCTION = """\
# Manifests

Every file of an estate, and every field there is. This page is made from the models that `idac validate` reads
with; the examples are files of the reference estate, `identities/`.

A manifest is YAML 1.2: `NO` stays a string and `22:00` stays a string. A key that is given twice, a field that is
not in these tables, and a value of the wrong type are errors, each with file, line and column. Several documents
may stand in one file, separated by `---`. Editors complete and check all of it with the first line
`# yaml-language-server: $schema=../manifest.schema.json`; `idac schema` prints that schema.

Every document has `apiVersion: idac/v1`, a `kind`, `metadata` and `spec`.

*A name* is {label}. Fields without which a manifest is not valid stand first.
"""
LABEL = "a DNS label: lower-case letters, digits and inner hyphens, 63 at most"


def page() -> str:
    """The whole page."""
    schema = json_schema()
    definitions: Mapping[str, Any] = schema["$defs"]
    parts = [INTRODUCTION.format(label=LABEL), "## metadata\n", *table("Metadata", definitions)]
    names = {kind.spec.__name__: name for name, kind in KINDS.items()}
    for model, kind in [*names.items(), ("EstateSpec", f"{CONFIGURATION} (idac.yaml)")]:
        example = EXAMPLES[kind.split(" ", 1)[0]]
        parts += [f"## {kind}\n", introduction(kind), ""]
        parts += ["```yaml", yaml(example), "```", "", *table(model, definitions)]
    parts += ["# Parts\n", "What the tables above refer to.\n"]
    own = {"Metadata", "EstateSpec", *names}
    for name in sorted(definitions.keys() - own):
        parts += [f"## {name}\n", sentence(definitions[name]), "", *table(name, definitions)]
    return "\n".join(parts).rstrip() + "\n"


def introduction(kind: str) -> str:
    """What the kind's module says of it, but for what its heading says already."""
    if kind not in KINDS:
        return "The configuration of one estate, beside its manifests."
    said = str(inspect.getdoc(inspect.getmodule(KINDS[kind].spec))).removeprefix(f"`kind: {kind}`: ")
    return said[0].upper() + said[1:]


def sentence(definition: Mapping[str, Any]) -> str:
    """What a model says of itself."""
    return " ".join(str(definition.get("description", "")).split())


def yaml(example: str) -> str:
    """A file of the reference estate, without its line for editors."""
    text = (ROOT / "identities" / example).read_text()
    return "\n".join(line for line in text.splitlines() if not line.startswith("# yaml-language-server"))


def table(name: str, definitions: Mapping[str, Any]) -> Iterator[str]:
    """A model's fields, the needed ones marked."""
    definition = definitions[name]
    definition = definition if "properties" in definition else definition["anyOf"][-1]
    needed = set(definition.get("required", ()))
    yield "| field | value | says |\n|---|---|---|"
    fields = definition["properties"].items()
    for field, about in sorted(fields, key=lambda one: one[0] not in needed):  # else in the models' order
        words = kind_of(about)
        if field in needed:
            words = f"{words}; **required**"
        elif (default := about.get("default")) not in (None, [], {}):
            words = f"{words}; `{json.dumps(default)}` when left out"
        yield f"| `{field}` | {words} | {about['description']} |"
    yield ""


def kind_of(about: Mapping[str, Any]) -> str:
    """What may stand there, in words."""
    if "$ref" in about:
        name = about["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "enum" in about or "const" in about:
        return " or ".join(f"`{json.dumps(v).strip(chr(34))}`" for v in about.get("enum") or [about["const"]])
    if "anyOf" in about:
        return " or ".join(kind_of(one) for one in about["anyOf"] if one.get("type") != "null")
    if "pattern" in about:
        return in_words(about["pattern"])
    return simple(about)


def in_words(pattern: str) -> str:
    """What matches a pattern."""
    known = {made.replace(r"\A", "^").replace(r"\z", "$"): words for made, words in WORDS.items()}
    if known.get(pattern) == LABEL:
        return "a name"
    return known.get(pattern, f"text like `{pattern}`".replace("|", "\\|"))


def simple(about: Mapping[str, Any]) -> str:
    """Plain types."""
    match about.get("type"):
        case "array":
            most = f", {about['maxItems']} at most" if "maxItems" in about else ""
            return f"list, each {kind_of(about['items'])}{most}"
        case "integer":
            low, high = about.get("minimum", about.get("exclusiveMinimum")), about.get("maximum")
            return "whole number" + (f", {low} to {high}" if low is not None and high is not None else "")
        case "object":
            return "names with values"
        case "boolean":
            return "`true` or `false`"
        case _:
            return 'date, as `"2026-11-25"`' if about.get("format") == "date" else "text"


if __name__ == "__main__":
    PAGE.write_text(page())
