"""`idac.yaml`: where it is looked for, what it may say, and what its digests cover."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import InvalidInput
from reconciler.load import find_estate, load_estate

TOKEN = "{name: trade, backend: transit}"
VALID = """\
apiVersion: idac/v1
kind: Estate
metadata: {name: meridian}
spec:
  trustDomain: meridian.test
  policy: {autoApprove: true}
"""


def write(path: Path, text: str = VALID) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refused(tmp_path: Path, text: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        load_estate(write(tmp_path / "idac.yaml", text))
    return caught.value


def test_the_estate_is_found_here_then_above_then_in_identities(tmp_path: Path) -> None:
    start = tmp_path / "repository" / "docs"
    start.mkdir(parents=True)
    inside = write(start / "identities" / "idac.yaml")
    assert find_estate(start) == inside
    above = write(tmp_path / "repository" / "idac.yaml")
    assert find_estate(start) == above
    here = write(start / "idac.yaml")
    assert find_estate(start) == here


def test_no_estate_anywhere_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="idac init"):
        find_estate(tmp_path)


def test_a_valid_configuration_is_read_with_its_defaults(tmp_path: Path) -> None:
    estate = load_estate(write(tmp_path / "idac.yaml"))
    assert (estate.name, estate.root) == ("meridian", str(tmp_path))
    assert estate.spec.policy.auto_approve
    assert estate.spec.policy.removals.absolute == 5


def test_digests_cover_what_is_said_and_not_how_it_is_written(tmp_path: Path) -> None:
    first = load_estate(write(tmp_path / "a" / "idac.yaml"))
    rewritten = "# a comment\n" + VALID.replace("{autoApprove: true}", "\n    autoApprove: true")
    same = load_estate(write(tmp_path / "b" / "idac.yaml", rewritten))
    policy = load_estate(write(tmp_path / "c" / "idac.yaml", VALID.replace("true", "false")))
    overlap = load_estate(write(tmp_path / "d" / "idac.yaml", VALID + "  overlap: 2h\n"))
    assert (first.configuration_digest, first.policy_digest) == (same.configuration_digest, same.policy_digest)
    assert first.policy_digest != policy.policy_digest
    assert first.policy_digest == overlap.policy_digest
    assert len({first.configuration_digest, policy.configuration_digest, overlap.configuration_digest}) == 3


def test_every_fault_is_told_at_its_place_and_in_one_run(tmp_path: Path) -> None:
    text = VALID.replace("autoApprove: true", "autoaprove: yes, issuanceCap: -1").replace("meridian}", "Meridian}")
    error = refused(tmp_path, text)
    assert len(error.findings) == 3
    assert "idac.yaml:3:18: metadata.name must be" in str(error)
    assert "did you mean `autoApprove`?" in str(error)
    assert "spec.policy.issuanceCap must be at least 0" in str(error)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "exactly one document"),
        (VALID + "---\n" + VALID, "exactly one document"),
        ("a: [", "not YAML"),
        (VALID + "kind: Estate\n", "stands here twice"),
        (VALID.replace("kind: Estate", "kind: Trader"), "kind must be 'Estate'"),
        (VALID.replace("meridian.test", '"spiffe://x/../y"'), "trustDomain"),
        (VALID.replace("  policy", "  manifests: x\n  policy"), "spec.manifests must be a list"),
        ("- a\n", "must be a mapping"),
        (VALID + "  target: {address: x}\n", "spec.target.address must be the server's URL"),
        (VALID + "  target: {logins: {plan: {method: jwt}}}\n", "a login by jwt needs role and token"),
        (VALID + "  target: {logins: {grant: {method: approle, roleId: {env: R}}}}\n", "approle needs secretId"),
        (VALID + f"  hsmTokens: [{TOKEN}, {TOKEN}]\n", "two hsmTokens have the same name"),
        (VALID + "  hsmTokens: [{name: trade, backend: pkcs11}]\n", "backend must be 'transit'"),
        (VALID + "  hsmTokens: [{name: Trade/x, backend: transit}]\n", "hsmTokens[0].name"),
        (VALID + "  target: {logins: {grant: {method: token}}}\n", "a login by token needs token"),
    ],
)
def test_a_configuration_that_cannot_be_used_says_why(tmp_path: Path, text: str, word: str) -> None:
    assert word in str(refused(tmp_path, text))


def test_a_token_in_the_configuration_is_refused_and_never_shown(tmp_path: Path) -> None:
    token = "hvs.CAESIJ0123456789abcdefghijkl"
    error = refused(tmp_path, VALID + f"  target: {{logins: {{plan: {{method: token, token: {token}}}}}}}\n")
    assert "access token" in str(error)
    assert token not in str(error) + repr(error.findings)


def test_a_configuration_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such file"):
        load_estate(tmp_path / "idac.yaml")
