"""The front door: usage, exit codes, and how little it does before a command is called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli import main as front
from reconciler.cli.codes import apply_code, plan_code
from reconciler.cli.context import Context
from reconciler.cli.running import write_file
from reconciler.errors import InvalidInput, Refused, Stale
from reconciler.model.change import Change
from reconciler.model.manifest import Finding, SubjectRef, Tree
from reconciler.model.outcome import Outcome, Proof, Status
from reconciler.model.plan import Guard, Plan, PlanTicket
from reconciler.model.record import Run, RunResult
from reconciler.pipeline import status as run_status


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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["contain", "trader/x"], "Missing option '--reason' — see `idac contain --help`"),
        (["plan", "--no-such-flag"], "No such option: --no-such-flag — see `idac plan --help`"),
        (["records", "list", "x"], "see `idac records list --help`"),
        (["validate", "--format"], "--format is without its value — see `idac validate --help`"),
        (["validate", "--format", "xml"], "'xml' is not one of"),
    ],
)
def test_a_usage_error_names_the_help_that_helps(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert front.run(arguments) == 64
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--format", "json", "-q", "contain", "trader/x", "--reason", "--format"],
        ["contain", "trader/x", "--reason", "--format", "--format", "json", "-q"],
        ["contain", "--quiet", "trader/x", "--format=json", "--reason", "--format"],
    ],
)
def test_global_options_may_stand_before_or_behind_the_command(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from reconciler.cli import emergency

    seen: list[tuple[bool, bool, str]] = []

    def note(context: Context, *, subject: str, reason: str, unknown: bool) -> int:
        seen.append((context.json, context.quiet, reason))
        return 0

    monkeypatch.setattr(emergency, "contain_subject", note)
    assert front.run(arguments) == 0
    assert seen == [(True, True, "--format")]


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


def test_a_newcomer_without_an_estate_is_told_how_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert front.run(["validate"]) == 1
    assert "begin with `idac init DIR`" in capsys.readouterr().err


def test_a_configuration_that_is_not_there_is_named_as_it_was_typed(capsys: pytest.CaptureFixture[str]) -> None:
    assert front.run(["validate", "--config", "/nope"]) == 1
    assert "idac: /nope: no such file" in capsys.readouterr().err


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


@pytest.mark.parametrize(
    ("statuses", "more", "invalid", "status", "code"),
    [
        ((), {}, False, "noop", 0),
        (("applied",), {}, False, "complete", 0),
        (("applied", "failed"), {}, False, "partial", 5),
        (("failed",), {}, False, "partial", 5),
        (("applied",), {"guards": (Guard("G04", "refused", "x", stops="nothing"),)}, False, "partial", 3),
        (("applied",), {"guards": (Guard("G04", "refused", "x", stops="nothing"),)}, True, "partial", 1),
        (("applied", "not-attempted"), {"guards": (Guard("G03", "refused", "x"),)}, True, "partial", 5),
        (("applied",), {"pending": {"ca": "sealed"}}, False, "partial", 5),
        ((), {"guards": (Guard("G04", "refused", "x", stops="nothing"),)}, False, "denied", 3),
        ((), {"guards": (Guard("G04", "refused", "x", stops="nothing"),)}, True, "denied", 1),
        (("not-attempted",), {"guards": (Guard("G03", "refused", "x"),)}, False, "denied", 3),
        (("not-attempted",), {"pending": {"ca": "sealed"}}, False, "partial", 5),
        ((), {"pending": {"ca": "sealed"}}, False, "partial", 5),
    ],
)
def test_a_runs_exit_code_and_its_records_status_say_the_same(
    statuses: tuple[Status, ...], more: dict[str, Any], invalid: bool, status: str, code: int
) -> None:
    change = Change("vault.entity/trader/bob", None, "update", "contain", "m")
    outcomes = tuple(Outcome(change, s) for s in statuses)
    fresh = made(**more)
    found = run_status(fresh, outcomes, ())
    run = Run("r", "apply", {}, "2026-11-24T12:00:00Z")
    result = RunResult(run, fresh, PlanTicket("p", "", ""), found, outcomes)
    tree = Tree(manifests=(), findings=(Finding("M05", "error", "x"),) if invalid else ())
    assert (found, apply_code(result, tree)) == (status, code)


def test_a_failed_proof_makes_a_run_partial() -> None:
    proof = Proof(SubjectRef("trader", "bob"), "vault.token", "failed", "x")
    change = Change("vault.entity/trader/bob", None, "update", "contain", "m")
    assert run_status(made(), (Outcome(change, "applied"),), (proof,)) == "partial"


def test_a_plan_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_file(tmp_path / "plan.json", "{}\n")
    assert (tmp_path / "plan.json").read_text() == "{}\n"
    with pytest.raises(InvalidInput, match="cannot write"):
        write_file(tmp_path / "missing" / "plan.json", "{}\n")
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]
