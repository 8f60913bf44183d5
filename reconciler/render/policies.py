"""ACL policies in words: which path may be used how, and what of that is new or gone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.render.safe import safe

SHOWN = 8  # values of one parameter
_OWN = re.compile(r"\Aidac-[a-z0-9-]+?-own-(?P<what>[a-z]+)\Z")
_ROLE = re.compile(r"\Aidac-[a-z0-9-]+?-role-(?P<name>[a-z0-9-]+)\Z")


def role_words(policy: str) -> str:
    """`idac-meridian-role-rfq-trader` -> `role rfq-trader`; a policy over one's own in words; else the name."""
    if found := _ROLE.match(policy):
        return f"role {found['name']}"
    own = _OWN.match(policy)
    return f"the use of their own {own['what']}" if own else f"policy {safe(policy)}"


def document_lines(before: Any, after: Any) -> Iterator[tuple[str, str]]:
    """(sign, words) for every rule that is new (`+`), gone (`-`) or, in a new policy, there.

    Of the values that one parameter may have, the first few; how many more there are is said.
    """
    old, new = _rules(before), _rules(after)
    for sign, there, elsewhere in (("-", old, new), ("+", new, old)):
        for subject in sorted(there):
            values = sorted(there[subject] - elsewhere.get(subject, frozenset()))
            yield from ((sign, f"{subject}{_value(value)}") for value in values[:SHOWN])
            if len(values) > SHOWN:
                yield sign, f"{subject}{len(values) - SHOWN} more (--format json names them)"


def _rules(document: Any) -> dict[str, frozenset[str]]:
    """A policy as what is said of each path and parameter, with the values said."""
    try:
        paths = json.loads(document)["path"]
    except (TypeError, ValueError, KeyError):
        return {} if document is None else {"unreadable policy: ": frozenset({safe(document)[:96]})}
    lines: dict[str, frozenset[str]] = {}
    for path, rule in paths.items():
        able = f"{safe(', '.join(rule.get('capabilities') or ()))}{_limits(rule)}"
        lines[f"{safe(path)}: "] = frozenset({able})
        for parameter, values in (rule.get("allowed_parameters") or {}).items():
            if values:
                lines[f"{safe(path)}: {safe(parameter)} may be "] = frozenset(map(_combination, values))
    return lines


def _limits(rule: Mapping[str, Any]) -> str:
    free = sorted(n for n, values in (rule.get("allowed_parameters") or {}).items() if not values)
    other = sorted(n for n in rule if n not in ("capabilities", "allowed_parameters"))
    words = [f"any {', '.join(map(safe, free))}"] * bool(free)
    words += [f"{safe(n)} {safe(json.dumps(rule[n]))}" for n in other]
    return f" ({'; '.join(words)})" if words else ""


def _combination(value: Any) -> str:
    return " + ".join(role_words(v).removeprefix("role ") for v in str(value).split(",")) if value else "empty"


def _value(text: str) -> str:
    return text if len(text) <= 96 else f"{text[:95]}…"
