"""Every code of a finding or guard is explained on one page, with its severity."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CODE = re.compile(r"\A[A-Z][0-9]{2}\Z")
SEVERITIES = {"error", "warning", "info"}


def page() -> dict[str, str]:
    """What stands in the second column, by code."""
    rows: dict[str, str] = {}
    for line in (ROOT / "docs/findings.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if CODE.match(cells[0]):
            assert cells[0] not in rows and len(cells) == 4 and all(cells), line
            rows[cells[0]] = cells[1]
    return rows


def nodes() -> Iterator[ast.AST]:
    for file in (ROOT / "reconciler").rglob("*.py"):
        yield from ast.walk(ast.parse(file.read_text()))


def texts(node: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def test_the_codes_on_the_page_are_those_of_the_source() -> None:
    said = {text for node in nodes() if isinstance(node, ast.Constant) for text in texts(node)}
    assert set(page()) == {text for text in said if CODE.match(text)}


def test_the_page_names_the_severities_that_findings_are_made_with() -> None:
    made: defaultdict[str, set[str]] = defaultdict(set)
    for node in nodes():
        if isinstance(node, ast.Call) and len(node.args) > 1 and isinstance(node.args[0], ast.Constant):
            code = str(node.args[0].value)
            if CODE.match(code):
                made[code] |= texts(node.args[1]) & SEVERITIES
    told = {code: set(second.split(", ")) for code, second in page().items() if code[0] != "G"}
    assert {code for code, found in told.items() if not found <= SEVERITIES} == set()
    assert {code for code, found in made.items() if found and not found <= told[code]} == set()


def test_whoever_looks_a_code_up_finds_the_page() -> None:
    for name in ("README.md", "docs/offboarding.md", "docs/exit-codes.md"):
        assert "findings.md" in (ROOT / name).read_text(), name
