"""Findings for people: a line each, and one line for those that are only worth counting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reconciler.model.manifest import Finding, Tree
from reconciler.render.paint import Paint, painter
from reconciler.render.safe import safe


def finding_lines(findings: Iterable[Finding], paint: Paint) -> Iterator[str]:
    """One line a finding: place, severity, code, message. Those with a tally are summed up after the others."""
    sums: dict[tuple[str, str, str], list[str]] = {}
    for finding in findings:
        severity = paint(_COLOURS[finding.severity], finding.severity)
        if finding.tally is not None:
            sums.setdefault((severity, finding.code, finding.tally.claim), []).append(finding.tally.part)
        else:
            yield f"{_place(finding)}{severity} {finding.code}: {safe(finding.message)}"
    for (severity, code, claim), parts in sums.items():
        yield f"{severity} {code}: {safe(claim)}: {safe(', '.join(parts))} (--format json says where)"


def _place(finding: Finding) -> str:
    where = finding.origin or finding.subject
    return f"{safe(where)}: " if where else ""


def findings_text(estate: str, tree: Tree, findings: Sequence[Finding], *, colour: bool = False) -> str:
    """What `idac validate` prints: every finding, then one line that sums up."""
    paint = painter(colour)
    lines = list(finding_lines(findings, paint))
    errors = sum(1 for f in findings if f.severity == "error")
    warnings = sum(1 for f in findings if f.severity == "warning")
    if not tree.absence_is_intent:
        lines.append(f"{paint('red', 'The tree is not whole')}: {safe(tree.why_not)}")
    counted = f"{_count(len(tree.manifests), 'manifest')} of estate {safe(estate)}"
    if errors or not tree.absence_is_intent:
        lines.append(
            paint("red", f"Invalid: {counted}, {_count(errors, 'error')}, {_count(warnings, 'warning')}.")
        )
    else:
        lines.append(paint("green", f"Valid: {counted}, {_count(warnings, 'warning')}."))
    return "\n".join(lines) + "\n"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


_COLOURS = {"error": "red", "warning": "yellow", "info": "dim"}
