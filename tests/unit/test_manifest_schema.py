"""The manifests' JSON Schema: what editors are given agrees with what `idac validate` says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reconciler import yaml12
from reconciler.kinds.registry import KINDS
from reconciler.kinds.schema import json_schema
from tests.cli import idac
from tests.schema import faults

ROOT = Path(__file__).parent.parent.parent
SCHEMA = json_schema()
REFERENCE = sorted((ROOT / "identities").rglob("*.yaml"))
EVERYTHING = sorted((ROOT / "tests" / "cases").glob("*/everything/*.yaml"))
WRONG = sorted((ROOT / "tests" / "cases").glob("*/fields*/*.yaml"))


@pytest.mark.parametrize("file", [*REFERENCE, *EVERYTHING], ids=lambda f: f"{f.parent.name}/{f.name}")
def test_a_valid_manifest_fits_the_schema(file: Path) -> None:
    for document in yaml12.read(file.read_bytes()).documents:
        assert list(faults(document.value, SCHEMA)) == []


@pytest.mark.parametrize("file", WRONG, ids=lambda f: f.parent.parent.name)
def test_a_manifest_with_a_misspelt_field_or_value_does_not_fit(file: Path) -> None:
    documents = yaml12.read(file.read_bytes()).documents
    assert any(list(faults(document.value, SCHEMA)) for document in documents)


def test_every_kind_has_a_golden_case_with_all_its_fields() -> None:
    """The schema lists the fields; the case `everything` of each kind uses each one."""
    used: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for file in EVERYTHING:
        for document in yaml12.read(file.read_bytes()).documents:
            used[document.value["kind"]] |= document.value["spec"].keys()
    for kind in KINDS:
        assert used[kind] == SCHEMA["$defs"][kind]["properties"].keys()


def test_the_published_schema_is_the_one_of_the_models() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    published = json.loads((ROOT / "identities" / "manifest.schema.json").read_text())
    assert published == SCHEMA, "run `idac schema > identities/manifest.schema.json`"


def test_every_file_of_the_reference_estate_points_to_the_schema() -> None:
    for file in REFERENCE:
        first = file.read_text().partition("\n")[0].removeprefix("# yaml-language-server: $schema=")
        assert (file.parent / first).resolve() == ROOT / "identities" / "manifest.schema.json", file


def test_the_command_prints_it_without_an_estate(tmp_path: Path) -> None:
    assert idac(tmp_path / "nowhere", "schema").json == SCHEMA
