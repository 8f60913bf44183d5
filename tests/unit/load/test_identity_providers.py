"""Where people sign in, as idac.yaml says it: what is read, and what would hold nobody to anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import InvalidInput
from reconciler.kinds.fields import matches
from reconciler.load import load_estate
from reconciler.model.estate import Estate
from reconciler.model.issuers import ANY_SUBJECT
from tests.signing_in import configuration, corp
from tests.workloads import WorkloadIssuer


def loaded(
    home: Path, *more: dict[str, Any], issuers: list[dict[str, Any]] | None = None, **changed: Any
) -> Estate:
    """An estate with one provider; None takes a field out of it."""
    (home / "keys").mkdir(exist_ok=True)
    for one in (corp(), WorkloadIssuer()):
        (home / "keys" / f"{one.name}.json").write_text(json.dumps(one.jwks))
    provider = {name: value for name, value in configuration(**changed).items() if value is not None}
    spec = {
        "trustDomain": "meridian.test",
        "identityProviders": [provider, *more],
        "workloadIssuers": issuers or [],
    }
    document = {"apiVersion": "idac/v1", "kind": "Estate", "metadata": {"name": "desk"}, "spec": spec}
    (home / "idac.yaml").write_text(yaml.safe_dump(document))
    return load_estate(home / "idac.yaml")


def test_a_providers_keys_are_read_and_it_has_a_mount_beside_those_of_workload_issuers(tmp_path: Path) -> None:
    estate = loaded(tmp_path, issuers=[WorkloadIssuer().configuration()])
    assert estate.issuer_keys.keys() == {"corp", "spire"}
    assert estate.issuer_mounts == {"spire": "idac-desk-jwt-spire", "corp": "idac-desk-jwt-corp"}
    (provider,) = estate.spec.identity_providers
    assert (provider.claims.acr, provider.claims.amr, provider.probe) == ("/acr", "/amr", None)
    assert provider.called == "identity provider corp"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"audience": None}, "audience is missing"),
        ({"audience": ""}, "must be the value of the claim aud"),
        ({"audience": "*"}, "must be the value of the claim aud"),
        ({"audience": "one,two"}, "must be the value of the claim aud"),
        ({"claims": {"acr": "/auth", "amr": "/auth"}}, "two claims are at one JSON pointer"),
        ({"claims": {"acr": "/amr"}}, "two claims are at one JSON pointer"),
        ({"claims": {"acr": "acr"}}, "must be a JSON pointer"),
        ({"subjects": ["*"]}, "must be a value of the claim sub"),
        ({"algorithms": ["HS256"]}, "must be"),
        ({"jwksUrl": "https://login.meridian.test/keys"}, "exactly one of"),
        ({"clientSecret": "x"}, "no field here"),
        ({"probe": "TEST_ACCOUNT"}, "probe"),
    ],
)
def test_what_would_hold_nobody_to_anything_is_refused(
    tmp_path: Path, changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        loaded(tmp_path, **changed)


def test_no_two_issuers_of_tokens_have_one_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="two identityProviders have the same name"):
        loaded(tmp_path, configuration())
    workloads = WorkloadIssuer("corp").configuration()
    with pytest.raises(InvalidInput, match="two of workloadIssuers and identityProviders have the same name"):
        loaded(tmp_path, issuers=[workloads])


def test_a_key_set_that_is_lost_is_its_providers_fault_and_stops_nothing(tmp_path: Path) -> None:
    estate = loaded(tmp_path, jwksFile="keys/none.json")
    assert "no such file" in estate.issuer_faults["corp"]


@given(st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9:/._@-]{0,255}\Z"))
def test_any_subject_that_a_manifest_may_name_is_covered_where_a_provider_names_none(subject: str) -> None:
    assert any(matches(subject, pattern) for pattern in ANY_SUBJECT)


def test_the_empty_subject_which_a_role_takes_for_anybody_never_is() -> None:
    assert not any(matches("", pattern) for pattern in ANY_SUBJECT)
