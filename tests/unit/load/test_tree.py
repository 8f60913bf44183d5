"""What is read, what is not, and when a missing manifest does not mean that somebody left."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import yaml12
from reconciler.kinds.subject import MOST_ROLES
from reconciler.load import load, load_estate
from reconciler.model.manifest import Finding, SubjectRef, Tree, Unplaced, placed
from reconciler.rules.estate import check
from tests.estates import write_estate

ROLE = "apiVersion: idac/v1\nkind: Role\nmetadata: {{name: {name}}}\nspec: {{}}\n"


def role(name: str) -> str:
    return ROLE.format(name=name)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "estate").mkdir()
    configuration = "apiVersion: idac/v1\nkind: Estate\nmetadata: {name: t}\nspec: {trustDomain: t.test}\n"
    (tmp_path / "estate" / "idac.yaml").write_text(configuration)
    return tmp_path / "estate"


def read(root: Path) -> Tree:
    return load(load_estate(root / "idac.yaml"))


def messages(tree: Tree) -> str:
    return "\n".join(f"{f.origin} {f.message}" for f in tree.findings)


def test_only_yaml_files_outside_dotfiles_and_plans_are_manifests(root: Path) -> None:
    for name in ("a.yaml", "b.yml", "sub/deep/c.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(role(Path(name).stem))
    for name in (".hidden.yaml", ".git/x.yaml", "plans/p.yaml", "notes.txt", "a.yaml.bak", "sub/.e/e.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("not: a manifest\n")
    tree = read(root)
    assert [m.name for m in tree.manifests] == ["a", "b", "c"]
    assert tree.findings == ()
    assert tree.absence_is_intent


@pytest.mark.parametrize("aside", ["d.yaml.bak", "d.yml.orig", "d.yaml~", "d.yaml.1", "d.yaml-old"])
def test_a_manifest_put_aside_is_said_to_make_a_leaver(root: Path, aside: str) -> None:
    (root / "a.yaml").write_text(role("a"))
    (root / aside).write_text(role("d"))
    tree = read(root)
    (found,) = tree.findings
    assert (found.code, found.severity, str(found.origin)) == ("M10", "warning", f"{aside}:1:1")
    assert "it is not read, and d.y" in found.message
    assert tree.absence_is_intent and not tree.errors


def test_an_empty_tree_is_no_order_to_remove_everybody(root: Path) -> None:
    tree = read(root)
    assert not tree.absence_is_intent
    assert "no manifests at all" in tree.why_not
    assert tree.errors


def test_a_missing_manifest_directory_is_no_order_to_remove_everybody(root: Path) -> None:
    text = (root / "idac.yaml").read_text().replace("t.test}", "t.test, manifests: [here, gone]}")
    (root / "idac.yaml").write_text(text)
    (root / "here").mkdir()
    (root / "here" / "a.yaml").write_text(role("a"))
    tree = read(root)
    assert not tree.absence_is_intent
    assert "gone is missing" in tree.why_not


def _directory(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _dangling_link(path: Path) -> None:
    path.symlink_to("nowhere.yaml")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _outside(path: Path) -> None:
    (path.parent.parent / "outside.yaml").write_text(role("outside"))
    path.symlink_to("../outside.yaml")


def _outside_directory(path: Path) -> None:
    (path.parent.parent / "elsewhere").mkdir()
    (path.parent.parent / "elsewhere" / "x.yaml").write_text(role("outside"))
    path.with_suffix("").symlink_to("../elsewhere")


def _parent(path: Path) -> None:
    path.with_suffix("").symlink_to(".")


def _twice(path: Path) -> None:
    path.symlink_to("a.yaml")
    path.with_name("w.yaml").symlink_to("a.yaml")


def _large(path: Path) -> None:
    path.write_bytes(b"#" * (16 * 1024 * 1024 + 1))


def _brackets(path: Path) -> None:
    path.write_text("[" * 100_000)


def _binary(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    "hinder",
    [_pipe, _dangling_link, _loop, _outside, _outside_directory, _parent, _twice, _large, _brackets, _binary],
)
def test_whatever_hides_a_manifest_is_a_finding_and_stops_removal_by_absence(
    root: Path, hinder: Callable[[Path], None]
) -> None:
    (root / "a.yaml").write_text(role("a"))
    hinder(root / "z.yaml")
    tree = read(root)
    assert "a" in {m.name for m in tree.manifests}
    assert "outside" not in {m.name for m in tree.manifests}
    assert tree.errors
    assert not tree.absence_is_intent
    assert tree.why_not


def test_a_link_inside_the_estate_is_followed_once(root: Path) -> None:
    (root / ".store").mkdir()
    (root / ".store" / "a").write_text(role("a"))
    (root / "a.yaml").symlink_to(".store/a")
    tree = read(root)
    assert [m.name for m in tree.manifests] == ["a"]
    assert tree.findings == ()


def test_a_directory_named_like_a_manifest_is_walked_like_any_other(root: Path) -> None:
    _directory(root / "team.yaml")
    (root / "team.yaml" / "a.yaml").write_text(role("a"))
    assert [m.name for m in read(root).manifests] == ["a"]


def test_an_invalid_manifest_freezes_its_subject_and_hides_nobody_else(root: Path) -> None:
    (root / "a.yaml").write_text(role("a"))
    (root / "b.yaml").write_text(role("b").replace("{}", "{unknown: 1}"))
    tree = read(root)
    assert tree.frozen == {SubjectRef("role", "b")}
    assert tree.absence_is_intent
    assert [f.subject for f in tree.errors] == ["role/b"]


@pytest.mark.parametrize("text", ["kind: Role\nspec: {}\n", role("NOT A NAME"), role("x").replace("Role", "Roll")])
def test_a_manifest_whose_subject_cannot_be_told_stops_removal_by_absence(root: Path, text: str) -> None:
    (root / "a.yaml").write_text(text)
    assert not read(root).absence_is_intent


def _estate_with_csr(tmp_path: Path) -> tuple[Path, Path]:
    write_estate(tmp_path, 1)
    return tmp_path, tmp_path / "csr" / "t00000-mtls.pem"


def test_the_files_that_manifests_refer_to_are_read_and_part_of_the_digest(tmp_path: Path) -> None:
    root, csr = _estate_with_csr(tmp_path)
    before = read(root)
    assert before.files == {"csr/t00000-mtls.pem": csr.read_text()}
    csr.write_text(csr.read_text() + "\n")
    assert read(root).digest != before.digest


def test_a_csr_outside_the_estate_is_not_read_however_the_path_leads_there(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    root, csr = _estate_with_csr(tmp_path / "inside")
    csr.rename(tmp_path / "outside.pem")
    csr.symlink_to(tmp_path / "outside.pem")
    tree = read(root)
    assert tree.files == {}
    assert "leads out" in tree.unread_files["csr/t00000-mtls.pem"]
    csr.unlink()
    (root / "csr").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "outside.pem").rename(tmp_path / "elsewhere" / csr.name)
    (root / "csr").symlink_to(tmp_path / "elsewhere")
    assert "leads out" in read(root).unread_files["csr/t00000-mtls.pem"]


def test_a_csr_that_is_large_or_no_text_is_not_read(tmp_path: Path) -> None:
    root, csr = _estate_with_csr(tmp_path)
    csr.write_bytes(b"-" * 100_000)
    assert "larger than" in read(root).unread_files["csr/t00000-mtls.pem"]
    csr.write_bytes(b"\x30\x82\xff")
    assert "not PEM" in read(root).unread_files["csr/t00000-mtls.pem"]


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----", "hvs.CAESIJ0123456789abcdefghijkl",
        "s.abcdefghijklmnopqrstuvwx", "AKIAIOSFODNN7EXAMPLE", "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["# {}\n", "labels", "name", "csr"])
def test_a_secret_anywhere_is_a_finding_that_does_not_show_it(tmp_path: Path, secret: str, place: str) -> None:
    root, csr = _estate_with_csr(tmp_path)
    manifest = root / "manifests" / "traders" / "t00000.yaml"
    text = manifest.read_text()
    match place:
        case "labels":
            manifest.write_text(text.replace("emea", f'"{secret}"'))
        case "name":
            manifest.write_text(text.replace("{name: t00000", f'{{name: "{secret}"'))
        case "csr":
            csr.write_text(csr.read_text() + secret + "\n")
        case comment:
            manifest.write_text(text + comment.format(secret))
    tree = read(root)
    assert "looks like a private key or an access token" in messages(tree)
    assert secret not in messages(tree) + tree.why_not + repr(tree.findings)
    assert secret not in tree.files.get("csr/t00000-mtls.pem", "")


def test_the_order_and_grouping_of_files_do_not_matter(tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    made = []
    for directory, groups in (("one", [names]), ("many", [[n] for n in reversed(names)])):
        root = tmp_path / directory
        root.mkdir()
        (root / "idac.yaml").write_text(
            "apiVersion: idac/v1\nkind: Estate\nmetadata: {name: t}\nspec: {trustDomain: t.test}\n"
        )
        for number, group in enumerate(groups):
            (root / f"{number}.yaml").write_text("---\n".join(role(n) for n in group))
        made.append({(m.kind, m.name, m.spec) for m in read(root).manifests})
    assert made[0] == made[1]


def test_every_field_of_a_manifest_can_be_found_again_in_its_file(root: Path) -> None:
    (root / "a.yaml").write_text(role("a") + "---\n" + role("b").replace("{}", "\n  owners: [x, y]"))
    second = read(root).manifests[1]
    assert str(second.origin) == "a.yaml:6:1"
    asked = [("metadata", "name"), ("spec", "owners", 1)]
    found = placed(Finding("X", "error", "m", None, second.at(*steps)) for steps in asked)
    assert [str(f.origin) for f in found] == ["a.yaml:8:18", "a.yaml:10:15"]


def test_a_file_is_read_once_more_for_all_the_findings_in_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        file = "---\n".join(role(f"{name}{n}").replace("{}", "{owners: [nobody]}") for n in range(50))
        (root / f"{name}.yaml").write_text(file)
    estate = load_estate(root / "idac.yaml")
    tree = load(estate)
    reads: list[bytes] = []
    honest = yaml12.read

    def counted(data: bytes) -> yaml12.Reading:
        reads.append(data)
        return honest(data)

    monkeypatch.setattr(yaml12, "read", counted)
    found = check(tree, estate, date(2026, 11, 24))
    unused = [f for f in found if f.code == "R12"]
    assert len(unused) == 100 and len(reads) == 2
    lines = [f.origin.line for f in unused if f.origin is not None and f.origin.path == "a.yaml"]
    assert lines == [3 + 5 * n for n in range(50)]
    assert not any(isinstance(f.origin, Unplaced) for f in found)


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_no_file_whatever_makes_loading_raise(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    root = tmp_path_factory.mktemp("estate")
    (root / "idac.yaml").write_text(
        "apiVersion: idac/v1\nkind: Estate\nmetadata: {name: t}\nspec: {trustDomain: t.test}\n"
    )
    (root / "a.yaml").write_bytes(data)
    assert not read(root).absence_is_intent


def test_a_file_name_that_is_not_utf_8_is_a_finding_and_hides_nobody(root: Path) -> None:
    (root / "a.yaml").write_text(role("a"))
    os.close(os.open(os.fsencode(str(root)) + b"/x\xff.yaml", os.O_CREAT | os.O_WRONLY))
    tree = read(root)
    assert [m.name for m in tree.manifests] == ["a"]
    assert not tree.absence_is_intent
    assert "x\\udcff.yaml:1:1 its name is not UTF-8" in messages(tree)


def test_of_an_invalid_manifest_no_more_roles_are_kept_than_a_subject_may_have(root: Path) -> None:
    for count in (MOST_ROLES, MOST_ROLES + 1):
        names = [f"r{n}" for n in range(count)]
        (root / "t.yaml").write_text(
            f"apiVersion: idac/v1\nkind: Trader\nmetadata: {{name: t}}\nspec: {{roles: {names}}}\n"
        )
        (invalid,) = read(root).invalid
        assert invalid.roles == (tuple(names) if count <= MOST_ROLES else ())
