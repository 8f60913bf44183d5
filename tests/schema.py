"""A validator for the part of JSON Schema 2020-12 that docs/schemas use; any other keyword is an error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parent.parent / "docs" / "schemas"
TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)
}  # fmt: skip
ANNOTATIONS = {"$schema", "$id", "title", "description", "$defs"}
KEYWORDS = ANNOTATIONS | {
    "type", "properties", "required", "additionalProperties", "items", "minItems", "enum", "const", "pattern",
    "anyOf", "$ref", "minimum",
}  # fmt: skip


def load_schema(name: str) -> dict[str, Any]:
    """One of docs/schemas, by its name and version."""
    found: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return found


def faults(value: Any, schema: Any, root: Mapping[str, Any] | None = None, at: str = "$") -> Iterator[str]:
    """Where the value does not fit."""
    root = root if root is not None else schema
    if isinstance(schema, bool):
        yield from () if schema else (f"{at}: not allowed",)
        return
    assert schema.keys() <= KEYWORDS, schema.keys() - KEYWORDS
    if "$ref" in schema:
        yield from faults(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, at)
    if "anyOf" in schema and all(list(faults(value, s, root, at)) for s in schema["anyOf"]):
        yield from faults(value, schema["anyOf"][0], root, at)
    yield from _scalar(value, schema, at)
    if isinstance(value, dict):
        yield from _members(value, schema, root, at)
    if isinstance(value, list):
        yield from (f"{at}: too few",) * (len(value) < schema.get("minItems", 0))
        for n, item in enumerate(value):
            yield from faults(item, schema.get("items", True), root, f"{at}[{n}]")


def _scalar(value: Any, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (kind == "integer" and isinstance(value, bool))):
        yield f"{at}: {value!r} is no {kind}"
    if "const" in schema and value != schema["const"]:
        yield f"{at}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{at}: {value!r} does not match {schema['pattern']}"
    if isinstance(value, int) and value < schema.get("minimum", value):
        yield f"{at}: {value} is too small"


def _members(value: dict[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], at: str) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}: lacks {name}"
    known = schema.get("properties", {})
    for name, member in value.items():
        yield from faults(member, known.get(name, schema.get("additionalProperties", True)), root, f"{at}.{name}")
