"""A portrait for people, and as a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model.change import Change
from reconciler.model.manifest import Finding
from reconciler.portrait import Line, Portrait
from reconciler.render.document import change_document, finding_document, hold_document
from reconciler.render.findings import finding_lines
from reconciler.render.paint import Paint, painter
from reconciler.render.policies import role_words
from reconciler.render.safe import safe
from reconciler.render.standing import since
from reconciler.render.values import value_words

_SIGNS = {
    "as desired": "=",
    "differs": "~",
    "missing": "+",
    "not desired": "-",
    "not seen": "?",
    "contained": "=",
    "withheld": "·",
}
_WORDS = {"contained": "without power, as it must be", "withheld": "not given"}
_COLOURS = {
    "as desired": "green",
    "differs": "yellow",
    "missing": "yellow",
    "not desired": "red",
    "not seen": "red",
    "contained": "green",
    "withheld": "dim",
}
# What is worth a line of its own even where all is as desired.
_FACTS = ("serial", "not_after", "key_since", "previous", "previous_until", "id", "next_update")
FEW = 20  # holders that are named


def portrait_text(portrait: Portrait, *, colour: bool = False, verbose: bool = False) -> str:
    """The whole portrait; `verbose` shows the fields that are as desired too."""
    return "\n".join(_lines(portrait, painter(colour), verbose)) + "\n"


def _lines(portrait: Portrait, paint: Paint, verbose: bool) -> Iterator[str]:
    why = f": {safe(portrait.why)}" if portrait.why else ""
    yield f"{paint('bold', safe(portrait.ref))}  {_life(portrait)}{why}"
    yield from (f"  declared at {_place(m)}" for m in portrait.manifests)
    if portrait.hold is not None:
        yield f"  {paint('magenta', '! on hold')} {since(portrait.hold)}"
    if portrait.freeze is not None:
        yield f"  {paint('magenta', '! the estate is frozen')} {since(portrait.freeze)}"
    for provider, reason in sorted(portrait.unavailable.items()):
        yield paint("red", f"  not seen: {provider}: {safe(reason)}")
    yield from (f"  {line}" for line in finding_lines(portrait.findings, paint))
    for line in portrait.lines:
        yield from ["", *_line(line, paint, verbose)]
    if portrait.holders:
        yield from ["", f"  asked for by {len(portrait.holders)}:"]
        yield from (f"    {safe(h.message)}  ({_place(h)})" for h in portrait.holders[:FEW])
        if len(portrait.holders) > FEW:
            yield f"    and {len(portrait.holders) - FEW} more (--format json names them)"
    yield ""
    yield paint("bold", "  What would change:") if portrait.changes else "  Nothing would change."
    for change, stopped in portrait.changes:
        yield from _change(change, stopped, paint)


def _life(portrait: Portrait) -> str:
    words = {"none": "no manifest", "in doubt": "its manifest is invalid: nothing is changed for it"}
    life = words.get(portrait.lifecycle, portrait.lifecycle)
    if portrait.hold is None:
        return life
    return f"on hold ({life if portrait.lifecycle in words else f'its manifest says {life}'})"


def _line(line: Line, paint: Paint, verbose: bool) -> Iterator[str]:
    sign = paint(_COLOURS[line.state], _SIGNS[line.state])
    words = _WORDS.get(line.state, line.state)
    yield f"  {sign} {safe(line.address)}  {paint(_COLOURS[line.state], words)}"
    yield from (f"      because of {safe(b.message)}  ({_place(b)})" for b in line.because)
    policies = (line.actual or line.desired or {}).get("policies")
    if policies:
        yield f"      has {', '.join(role_words(p) for p in policies)}"
    for name in _FACTS:
        if line.facts.get(name):
            yield f"      {name}: {value_words(line.facts[name])}"
    if line.state in _WORDS:
        return
    desired, actual = line.differing
    for name in sorted(desired):
        yield f"      {name}: desired {value_words(desired[name])}, actual {value_words(actual[name])}"
    if verbose:
        fields = line.actual or line.desired or {}
        same = [n for n in sorted(fields) if n not in desired and n != "document"]
        yield from (paint("dim", f"      {name} = {value_words(fields[name])}") for name in same)


def _change(change: Change, stopped: str, paint: Paint) -> Iterator[str]:
    routine = ", routine" if change.routine else ""
    yield f"    {change.action} {safe(change.address)} ({change.phase}{routine}): {safe(change.reason)}"
    if stopped:
        yield paint("red", f"      not now: {safe(stopped)}")


def _place(finding: Finding) -> str:
    return safe(finding.origin) if finding.origin is not None else "nowhere"


def portrait_document(portrait: Portrait) -> dict[str, Any]:
    """The same as a document: every field, desired and actual."""
    return {
        "subject": str(portrait.ref),
        "lifecycle": portrait.lifecycle,
        "why": portrait.why,
        "declared": [_asks(m) for m in portrait.manifests],
        "hold": hold_document(portrait.hold) if portrait.hold is not None else None,
        "frozen": hold_document(portrait.freeze) if portrait.freeze is not None else None,
        "pending": dict(portrait.unavailable),
        "findings": [finding_document(f) for f in portrait.findings],
        "resources": [
            {
                "address": line.address,
                "state": line.state,
                "because": [_asks(b) for b in line.because],
                "desired": dict(line.desired) if line.desired is not None else None,
                "actual": dict(line.actual) if line.actual is not None else None,
                "facts": dict(line.facts),
            }
            for line in portrait.lines
        ],
        "holders": [_asks(h) for h in portrait.holders],
        "changes": [
            {**change_document(c), "routine": c.routine, "stopped": stopped or None}
            for c, stopped in portrait.changes
        ],
    }


def _asks(finding: Finding) -> dict[str, Any]:
    place = finding.origin
    return {"what": finding.message, "file": place.path if place else None, "line": place.line if place else None}
