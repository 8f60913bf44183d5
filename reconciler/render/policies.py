"""ACL policies in words: which path may be used how, and what of that is new or gone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.render.safe import safe

_ROLE = re.compile(r"\Aidac-[a-z0-9-]+?-role-(?P<name>[a-z0-9-]+)\Z")


def role_words(policy: str) -> str:
    """`idac-meridian-role-rfq-trader` -> `role rfq-trader`; any other policy by its name."""
    found = _ROLE.match(policy)
    return f"role {found['name']}" if found else f"policy {safe(policy)}"


def document_lines(before: Any, after: Any) -> Iterator[tuple[str, str]]:
    """(sign, words) for every rule that is new (`+`), gone (`-`) or, in a new policy, there."""
    old, new = _rules(before), _rules(after)
    for rule in sorted(old.keys() - new.keys()):
        yield "-", rule
    for rule in sorted(new.keys() - old.keys()):
        yield "+", rule


def _rules(document: Any) -> dict[str, None]:
    """A policy as one line a path, and one more for every value that a parameter may have."""
    try:
        paths = json.loads(document)["path"]
    except (TypeError, ValueError, KeyError):
        return {} if document is None else {f"unreadable policy: {safe(document)[:96]}": None}
    lines: dict[str, None] = {}
    for path, rule in paths.items():
        capabilities = ", ".join(rule.get("capabilities") or ())
        lines[f"{safe(path)}: {safe(capabilities)}{_limits(rule)}"] = None
        for parameter, values in (rule.get("allowed_parameters") or {}).items():
            for value in values:
                lines[f"{safe(path)}: {safe(parameter)} may be {_value(value)}"] = None
    return lines


def _limits(rule: Mapping[str, Any]) -> str:
    free = sorted(n for n, values in (rule.get("allowed_parameters") or {}).items() if not values)
    other = sorted(n for n in rule if n not in ("capabilities", "allowed_parameters"))
    words = [f"any {', '.join(map(safe, free))}"] * bool(free)
    words += [f"{safe(n)} {safe(json.dumps(rule[n]))}" for n in other]
    return f" ({'; '.join(words)})" if words else ""


def _value(value: Any) -> str:
    text = " + ".join(role_words(v).removeprefix("role ") for v in str(value).split(",")) if value else "empty"
    return text if len(text) <= 96 else f"{text[:95]}…"
