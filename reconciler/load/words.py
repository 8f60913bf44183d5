"""Pydantic's errors in this tool's words, each at its field. Values are never quoted."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.kinds.fields import WORDS

Path = tuple[str | int, ...]

_PLAIN = {
    "missing": "is missing",
    "string_type": "must be text: put it in quotes if it is",
    "int_type": "must be a whole number, without quotes",
    "bool_type": "must be true or false, without quotes",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "none_required": "must be empty",
}
_LIMITS = {
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} of them",
    "too_long": "must have at most {max_length} of them",
    "idac": "{message}",
}


def explain(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Path, str]]:
    """One `(path, message)` for each fault; the message names the field."""
    faults = error.errors(include_url=False, include_input=False)
    paths = [tuple(step for step in fault["loc"] if step != "[key]") for fault in faults]
    for fault, path in zip(faults, paths, strict=True):
        if fault["type"] == "too_short" and any(p[: len(path)] == path and p != path for p in paths):
            continue  # pydantic counts only the items that are valid; those that are not have been named
        yield path, f"{_dotted(path)}{_message(fault, path, model)}"


def nearest(name: str, known: Mapping[str, Any] | list[str]) -> str:
    """` — did you mean X?`, or what there is to choose from."""
    close = difflib.get_close_matches(name, list(known), 1, 0.6)
    if close:
        return f" — did you mean `{close[0]}`?"
    return f" — it may be {', '.join(sorted(known))}" if known else ""


def shortened(name: str) -> str:
    """A name that somebody else chose, made fit for a message."""
    return (name if name.isprintable() else ascii(name)[1:-1])[:64] + ("…" if len(name) > 64 else "")


def _message(fault: ErrorDetails, path: Path, model: type[BaseModel]) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        return "is no field here" + nearest(str(path[-1]), _fields(model, path[:-1]))
    if kind == "string_pattern_mismatch" and context.get("pattern") in WORDS:
        return f"must be {WORDS[context['pattern']]}"
    if kind == "value_error":
        return "is not complete: " + fault["msg"].removeprefix("Value error, ")
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _LIMITS:
        return _LIMITS[kind].format(**context)
    return "is not valid: " + fault["msg"][:1].lower() + fault["msg"][1:]


def _dotted(path: Path) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{shortened(step)}"
    return f"{text.lstrip('.')} " if text else ""


def _fields(model: type[BaseModel], path: Path) -> list[str]:
    """The names that may stand at `path`."""
    here: type[BaseModel] | None = model
    for step in path:
        if here is None or isinstance(step, int):
            continue
        field = next((f for n, f in here.model_fields.items() if step in (n, f.alias)), None)
        here = _model_within(field.annotation) if field is not None else None
    return [f.alias or n for n, f in here.model_fields.items()] if here is not None else []


def _model_within(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _model_within(inner)
        if found is not None:
            return found
    return None
