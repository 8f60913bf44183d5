"""One value of a field in words."""

from __future__ import annotations

from typing import Any

from reconciler.render.safe import safe


def value_words(value: Any, limit: int = 96) -> str:
    """`[a, b]`, `{name: a}`, `true`, `none`; a text is cut to `limit` characters."""
    if isinstance(value, dict) and value.keys() == {"ref"}:
        return f"(known after apply: {safe(value['ref'])})"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{safe(name)}: {value_words(v)}" for name, v in sorted(value.items())) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(value_words(v) for v in value) + "]"
    text = safe("none" if value is None else value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
