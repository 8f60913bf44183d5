"""The front door: usage, exit codes, and how little it does before a command is called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli import main as front
from reconciler.cli.changes import plan_code, write_file
from reconciler.errors import InvalidInput, Refused, Stale
from reconciler.model.manifest import Finding, Tree
from reconciler.model.plan import Guard, Plan


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["plan", "--no-such-flag"],
        ["apply"],
        ["apply", "--plan", "x", "--auto-approve"],
        ["release", "jdoe", "--reason", "x"],
        ["release", "trader/jdoe"],
        ["release", "trader/jdoe", "--reason", " "],
        ["--format", "xml", "validate"],
        [],
        ["records"],
    ],
)
def test_usage_errors_exit_64_and_never_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert front.run(arguments) == 64
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err


def test_help_and_version_exit_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert front.run(["--help"]) == 0
    assert "Exit codes: 0 done or no changes" in capsys.readouterr().out
    assert front.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("idac ")


def test_the_commands_exit_code_is_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.cli import manifests

    monkeypatch.setattr(manifests, "validate", lambda context: 1)
    assert front.run(["validate"]) == 1


@pytest.mark.parametrize(("error", "code"), [(InvalidInput("x"), 1), (Refused("x"), 3), (Stale("x"), 4)])
def test_every_error_has_its_exit_code_and_says_itself_on_stderr(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from reconciler.cli import manifests

    def fail(context: object) -> int:
        raise error

    monkeypatch.setattr(manifests, "validate", fail)
    assert front.run(["validate"]) == code
    assert capsys.readouterr().err == "idac: x\n"


def test_control_characters_in_an_error_are_made_harmless(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from reconciler.cli import manifests

    def fail(context: object) -> int:
        raise InvalidInput("a\x1b[2Jb\u202ec")

    monkeypatch.setattr(manifests, "validate", fail)
    front.run(["validate"])
    assert capsys.readouterr().err == "idac: a\\u{1b}[2Jb\\u{202e}c\n"


def test_help_imports_neither_the_pipeline_nor_cryptography() -> None:
    heavy = "('pydantic', 'cryptography', 'yaml', 'reconciler.pipeline', 'rich')"
    code = (
        f"import sys, reconciler.cli.main as m; m.run(['--help']); print([n for n in {heavy} if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")


def made(**more: object) -> Plan:
    fields = {
        "estate": "t",
        "target": {},
        "scope": {},
        "manifests": {},
        "policy": "",
        "configuration": "",
        "changes": (),
    }
    return Plan(**{**fields, **more})  # type: ignore[arg-type]  # the fields of Plan


def test_plan_exit_codes_follow_terraform_and_the_design() -> None:
    whole = Tree(manifests=())
    invalid = Tree(manifests=(), findings=(Finding("M01", "error", "x"),))
    refused = Guard("G01", "refused", "x", stops="everything")
    assert plan_code(made(), whole, detailed=True) == 0
    assert plan_code(made(guards=(refused,)), whole, detailed=False) == 3
    assert plan_code(made(pending={"ca": "sealed"}), whole, detailed=False) == 5
    assert plan_code(made(guards=(refused,)), invalid, detailed=False) == 1


def test_a_plan_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_file(tmp_path / "plan.json", "{}\n")
    assert (tmp_path / "plan.json").read_text() == "{}\n"
    with pytest.raises(InvalidInput, match="cannot write"):
        write_file(tmp_path / "missing" / "plan.json", "{}\n")
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]
