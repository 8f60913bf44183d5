"""The published schemas, judged by the `jsonschema` library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).parent.parent / "docs" / "schemas"


def load_schema(name: str) -> dict[str, Any]:
    """One of docs/schemas, by its name and version."""
    found: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(found)
    return found


def faults(value: Any, schema: dict[str, Any]) -> Iterator[str]:
    """Where the value does not fit."""
    for error in Draft202012Validator(schema).iter_errors(value):
        yield f"{error.json_path}: {error.message}"
