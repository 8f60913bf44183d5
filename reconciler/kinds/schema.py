"""The kinds as one JSON Schema (draft 2020-12), for editors. What it cannot say, `idac validate` does."""

from __future__ import annotations

import re
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from reconciler.kinds.described import descriptions
from reconciler.kinds.envelope import Metadata
from reconciler.kinds.registry import KINDS
from reconciler.model.estate import EstateSpec

CONFIGURATION = "Estate"  # the kind of idac.yaml
_WHOLE = re.compile(r"\\A(.*)\\z", re.DOTALL)


def json_schema() -> dict[str, Any]:
    """One schema for every document of an estate, `idac.yaml` too: `kind` decides which `spec` it may have."""
    specs: dict[str, type[BaseModel]] = {name: kind.spec for name, kind in KINDS.items()}
    specs[CONFIGURATION] = EstateSpec
    mode: JsonSchemaMode = "validation"
    models: list[type[BaseModel]] = [Metadata, *specs.values()]
    places, made = models_json_schema([(model, mode) for model in models], ref_template="#/$defs/{model}")
    refs = {model: places[model, mode] for model in models}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A manifest of idac",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
        "properties": {
            "apiVersion": {"const": "idac/v1"},
            "kind": {"enum": list(specs)},
            "metadata": refs[Metadata],
            "spec": {"type": "object"},
        },
        "allOf": [_branch(name, refs[model]) for name, model in specs.items()],
        "$defs": _described(_plain(made["$defs"]), models),
    }


def _described(defs: dict[str, Any], roots: list[type[BaseModel]]) -> dict[str, Any]:
    """The definitions with what the models say of their fields."""
    for model in _models(roots):
        definition = defs[model.__name__]
        properties = definition.get("properties") or definition["anyOf"][-1]["properties"]  # Key has a short form
        for name, text in descriptions(model).items():
            properties[name]["description"] = text
    return defs


def _models(roots: list[type[BaseModel]]) -> set[type[BaseModel]]:
    """The models and all that their fields are made of."""
    found: set[type[BaseModel]] = set()
    left: list[Any] = list(roots)
    while left:
        one = left.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            if one not in found:
                found.add(one)
                left += [field.annotation for field in one.model_fields.values()]
        else:
            left += get_args(one)
    return found


def _branch(kind: str, spec: Any) -> dict[str, Any]:
    return {
        "if": {"required": ["kind"], "properties": {"kind": {"const": kind}}},
        "then": {"properties": {"spec": spec}},
    }


def _plain(value: Any) -> Any:
    """Patterns as ECMA 262 knows them, and no title that only repeats a field's name."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {k: _plain(v) for k, v in value.items() if k != "title" or not isinstance(v, str)}
    if isinstance(made.get("pattern"), str):
        made["pattern"] = _ecma(made["pattern"])
    if "patternProperties" in made:
        made["patternProperties"] = {_ecma(name): v for name, v in made["patternProperties"].items()}
        made["additionalProperties"] = False
    return made


def _ecma(pattern: str) -> str:
    return _WHOLE.sub(r"^\1$", pattern)
