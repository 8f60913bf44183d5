"""The reference estate and every example of the documentation: valid, and applied on the real server."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.kinds.subject import SubjectSpec
from reconciler.model.estate import EstateSpec
from tests import manifest_page
from tests.cli import idac
from tests.openbao import Server


class Fragment(SubjectSpec):
    """Credentials alone, of whomever."""


ROOT = Path(__file__).parent.parent.parent
REFERENCE = ROOT / "identities"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def manifests(root: Path) -> dict[tuple[str, str], Path]:
    """The file of every manifest."""
    found = {}
    for file in root.rglob("*.yaml"):
        document = yaml.safe_load(file.read_text())
        found[document["kind"], document["metadata"]["name"]] = file
    return found


def examples() -> Iterator[tuple[str, Any, str]]:
    """Every YAML example: its page, what it says, and its text."""
    for page in PAGES:
        for block in BLOCK.findall(page.read_text()):
            yield page.name, yaml.safe_load(block), block


def test_the_subjects_are_what_the_script_makes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(REFERENCE / "make.py"), str(tmp_path)], check=True)
    made = {file.relative_to(tmp_path): file.read_text() for file in tmp_path.rglob("*.yaml")}
    kept = {path: (REFERENCE / path).read_text() for path in made}
    assert kept == made
    folders = {path.parent for path in made}
    assert {f.relative_to(REFERENCE) for d in folders for f in (REFERENCE / d).glob("*.yaml")} == made.keys()


def test_it_is_the_firm_that_the_documentation_speaks_of() -> None:
    kinds = [kind for kind, _ in manifests(REFERENCE)]
    counted = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    assert counted == {
        "Bot": 8,
        "CertificateProfile": 5,
        "Device": 14,
        "Estate": 1,
        "MfaTier": 4,
        "Role": 8,
        "Staff": 6,
        "Trader": 22,
    }


def test_the_page_of_manifests_is_that_of_the_models() -> None:
    assert manifest_page.PAGE.read_text() == manifest_page.page(), "run `python -m tests.manifest_page`"


def test_every_fragment_in_the_documentation_fits_its_model() -> None:
    for page, said, _ in examples():
        if "apiVersion" not in said:
            model = Fragment if "credentials" in said else EstateSpec
            given = said if model is Fragment else {"trustDomain": "meridian.example", **said.get("spec", said)}
            assert model.model_validate(given), page


@pytest.mark.long
def test_the_firm_and_the_documentations_examples_are_applied_whole(openbao: Server, tmp_path: Path) -> None:
    root = tmp_path / "identities"
    shutil.copytree(REFERENCE, root, ignore=shutil.ignore_patterns(".*", "*.py"))
    standing = manifests(root)
    for number, (_, said, block) in enumerate(examples()):
        if "apiVersion" in said and said["kind"] != "Estate":
            key = said["kind"], said["metadata"]["name"]
            standing.get(key, root / "nothing").unlink(missing_ok=True)  # the example takes its place
            standing[key] = root / f"example-{number}.yaml"
            standing[key].write_text(block)
    assert idac(root, "-q", "bootstrap", environ=openbao.environ).code == 0
    known = {"VAULT_ADDR": openbao.address, "VAULT_CACERT": str(openbao.ca_cert)}
    done = idac(root, "--format", "json", "apply", "--auto-approve", environ=known)
    assert done.code == 0, done.out + done.err
    assert [f for f in done.json["findings"] if f["severity"] in ("error", "warning")] == []
    again = idac(root, "--format", "json", "plan", "--detailed-exitcode", environ=known)
    assert (again.code, again.json["changes"]) == (0, [])
    subjects = {
        f"{kind.lower()}/{name}" for kind, name in standing if kind in ("Trader", "Staff", "Device", "Bot")
    }
    entities = {o["subject"] for o in done.json["outcomes"] if o["address"].startswith("vault.entity/")}
    assert subjects - entities == {  # suspended, not yet there, left, retired
        "trader/leah-roth",
        "trader/paula-reis",
        "trader/ravi-menon",
        "device/ws-ldn-0098",
        "bot/drop-copy",
    }
