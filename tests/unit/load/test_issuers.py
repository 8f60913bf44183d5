"""`workloadIssuers` of idac.yaml, and the files that they name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler import x509
from reconciler.errors import InvalidInput
from reconciler.load import load_estate
from reconciler.model.estate import Estate
from tests.workloads import WorkloadIssuer

ISSUER = WorkloadIssuer()
URL = "https://spire.meridian.test/keys"


def written(home: Path, *issuers: dict[str, Any]) -> Path:
    (home / "keys").mkdir(exist_ok=True)
    (home / "keys" / "spire.json").write_text(json.dumps(ISSUER.jwks))
    spec = {"trustDomain": "meridian.test", "workloadIssuers": list(issuers)}
    document = {"apiVersion": "idac/v1", "kind": "Estate", "metadata": {"name": "meridian"}, "spec": spec}
    file = home / "idac.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def loaded(home: Path, **changed: Any) -> Estate:
    entry = {n: v for n, v in ISSUER.configuration(**changed).items() if v is not None}
    return load_estate(written(home, entry))


def test_the_keys_of_a_file_are_read_and_are_part_of_the_configuration(tmp_path: Path) -> None:
    estate = loaded(tmp_path)
    assert estate.issuer_keys == {"spire": x509.read_jwks(json.dumps(ISSUER.jwks).encode())}
    (tmp_path / "keys" / "spire.json").write_text(json.dumps(WorkloadIssuer().jwks))
    assert load_estate(tmp_path / "idac.yaml").configuration_digest != estate.configuration_digest


def test_a_url_may_have_an_authority_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(x509.loopback_tls().authority)
    estate = loaded(tmp_path, jwksFile=None, jwksUrl=URL, caCert="ca.pem")
    assert "BEGIN CERTIFICATE" in estate.issuer_authorities["spire"]
    assert estate.issuer_keys == {}


def test_subjects_are_those_of_the_trust_domain_unless_others_are_named(tmp_path: Path) -> None:
    estate = loaded(tmp_path)
    assert estate.subjects_of(estate.spec.workload_issuers[0]) == ("spiffe://meridian.test/*",)
    estate = loaded(tmp_path, subjects=["system:serviceaccount:trading:*"])
    assert estate.subjects_of(estate.spec.workload_issuers[0]) == ("system:serviceaccount:trading:*",)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"jwksUrl": URL}, "exactly one of"),
        ({"jwksFile": None}, "exactly one of"),
        ({"jwksFile": None, "jwksUrl": "http://spire.meridian.test/keys"}, "must be an https URL"),
        ({"jwksFile": None, "jwksUrl": "https://user:pw@spire.meridian.test/keys"}, "must be an https URL"),
        ({"jwksFile": None, "jwksUrl": "https://spire.meridian.test/\x1b[31m"}, "must be an https URL"),
        ({"jwksFile": None, "discoveryUrl": "https://user@spire.meridian.test"}, "must be an https URL"),
        ({"jwksFile": None, "discoveryUrl": "https://spire.meridian.test/\u00a0"}, "must be an https URL"),
        ({"claims": {"environment": "/a", "image": "/a"}}, "two claims are at one JSON pointer"),
        ({"claims": {"environment": "/a", "image": "/b", "config": "/b"}}, "two claims are at one JSON pointer"),
        ({"caCert": "ca.pem"}, "caCert is for a URL"),
        ({"name": "Spire"}, "name"),
        ({"algorithms": ["HS256"]}, "must be"),
        ({"algorithms": ["none"]}, "must be"),
        ({"subjects": ["*"]}, "must be a value of the claim sub"),
        ({"subjects": ["spiffe://a/*/b"]}, "must be a value of the claim sub"),
        ({"claims": {"environment": "/env"}}, "image is missing"),
        ({"claims": {"environment": "env", "image": "/image"}}, "must be a JSON pointer"),
    ],
)
def test_what_cannot_be_held_to_is_refused(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        loaded(tmp_path, **changed)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"jwksFile": "keys/none.json"}, "keys/none.json: no such file"),
        ({"jwksFile": "../outside.json"}, "leads out"),
        ({"jwksFile": "nested.json"}, "not a JSON Web Key Set"),
        ({"jwksFile": "private.json"}, "holds a private key"),
        ({"jwksFile": None, "jwksUrl": URL, "caCert": "keys/spire.json"}, "not a PEM certificate"),
        ({"jwksFile": None, "jwksUrl": URL, "caCert": "beside.pem"}, "something else beside certificates"),
        ({"jwksFile": None, "jwksUrl": URL, "caCert": "before.pem"}, "something else beside certificates"),
    ],
)
def test_a_file_of_no_use_is_its_issuers_fault_and_the_estate_is_read(
    tmp_path: Path, changed: dict[str, Any], words: str
) -> None:
    (tmp_path.parent / "outside.json").write_text(json.dumps(ISSUER.jwks))
    (tmp_path / "nested.json").write_text("[" * 60_000)
    (tmp_path / "private.json").write_text(json.dumps({"keys": [{**ISSUER.jwk, "d": "AA"}]}))
    authority, key = x509.loopback_tls().authority, x509.new_key_and_csr("x")[0].reveal()
    (tmp_path / "beside.pem").write_text(f"{authority}{key}")
    (tmp_path / "before.pem").write_text(f"{key}{authority}")
    estate = loaded(tmp_path, **changed)
    assert words in estate.issuer_faults["spire"]
    assert not estate.issuer_keys and not estate.issuer_authorities


def test_two_issuers_of_one_name_are_refused(tmp_path: Path) -> None:
    entry = ISSUER.configuration()
    with pytest.raises(InvalidInput, match="two workloadIssuers have the same name"):
        load_estate(written(tmp_path, entry, {**entry, "issuer": "https://elsewhere.test"}))
