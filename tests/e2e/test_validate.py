"""`idac validate`: no network, every fault at once, each with its place."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.cli import idac

REFERENCE = Path(__file__).parent.parent.parent / "identities"


def reference(tmp_path: Path) -> Path:
    """A copy of the reference estate's files, without any server's."""
    for file in REFERENCE.rglob("*"):
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(REFERENCE).parts):
            there = tmp_path / file.relative_to(REFERENCE)
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(file.read_bytes())
    return tmp_path


def test_the_reference_estate_is_valid(tmp_path: Path) -> None:
    done = idac(reference(tmp_path), "validate")
    assert (done.code, done.err) == (0, "")
    assert "Valid: 67 manifests of estate meridian, 0 warnings." in done.out


def test_every_fault_is_named_with_its_place_and_the_exit_code_is_1(tmp_path: Path) -> None:
    root = reference(tmp_path)
    file = root / "traders/sam-okafor.yaml"
    text = file.read_text().replace("254900MERIDIANMKT070", "254900MERIDIANMKT071")
    file.write_text(text.replace("desk: rates", "desk: rates\n  colour: blue"))
    other = root / "traders/tomas-lind.yaml"
    other.write_text(other.read_text().replace("[rfq-trader, order-trader]", "[rfq-tradr]"))
    done = idac(root, "--format", "json", "validate")
    assert done.code == 1
    errors = [f for f in done.json["findings"] if f["severity"] == "error"]
    places = {(f["file"], f["line"]) for f in errors}
    assert ("traders/sam-okafor.yaml", line(file, "entityLei")) in places
    assert ("traders/sam-okafor.yaml", line(file, "colour")) in places
    assert ("traders/tomas-lind.yaml", line(other, "roles")) in places
    assert done.json["valid"] is False


def test_a_name_that_is_nearly_right_is_met_with_the_right_one(tmp_path: Path) -> None:
    root = reference(tmp_path)
    other = root / "traders/tomas-lind.yaml"
    text = other.read_text().replace("[rfq-trader, order-trader]", "[rfq-tradr]")
    other.write_text(text.replace("supervisor: ines-duarte", "supervisor: ines-duart"))
    said = idac(root, "validate").out
    assert "there is no Role rfq-tradr — did you mean `rfq-trader`?" in said
    assert "there is no Trader or Staff ines-duart — did you mean `ines-duarte`?" in said


def test_quiet_leaves_out_what_is_only_for_information(tmp_path: Path) -> None:
    root = reference(tmp_path)
    assert "info R14" in idac(root, "validate").out
    quiet = idac(root, "-q", "validate").out
    assert "info" not in quiet and "Valid: 67 manifests" in quiet


def test_a_manifest_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    root = reference(tmp_path)
    (root / "traders/broken.yaml").write_text("a: [1, 2\n")
    done = idac(root, "validate")
    assert done.code == 1
    assert "traders/broken.yaml:" in done.out
    assert "The tree is not whole" in done.out


def line(file: Path, word: str) -> int:
    return next(n for n, text in enumerate(file.read_text().splitlines(), 1) if word in text)


def test_the_example_in_the_readme_is_a_file_of_the_reference_estate() -> None:
    text = (REFERENCE.parent / "README.md").read_text()
    example = text.split("```yaml\n")[1].split("```")[0]
    shown = yaml.safe_load(example)
    assert example.strip() == (REFERENCE / f"traders/{shown['metadata']['name']}.yaml").read_text().strip()
