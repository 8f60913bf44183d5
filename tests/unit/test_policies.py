"""ACL documents: no name reaches further than itself, and no login holds what it must not."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import InvalidInput
from reconciler.providers.vault.bootstrap import refuse_ambiguous
from reconciler.providers.vault.policies import (
    entity_paths,
    exact,
    grant_document,
    policy_lists,
    rule,
    spell,
    starting,
    under,
)
from reconciler.providers.vault.resources import document
from reconciler.providers.vault.runners import POLICIES, documents
from tests.openbao import make_estate
from tests.workloads import WorkloadIssuer

ESTATE = make_estate(Path("/nowhere"), "prod")
LABEL = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?\Z")
WRITING = {"create", "update", "patch", "delete", "sudo"}


def covers(path: str, request: str) -> bool:
    """How an ACL path without `+` matches a request."""
    return request.startswith(path[:-1]) if path.endswith("*") else request == path


@pytest.mark.parametrize(
    "name",
    ["*", "a*", "+", "a/+/b", "..", ".", "", "a//b", "{{identity.entity.name}}", "a b", "a\n", "é", '"', "a?b=c"],
)
@pytest.mark.parametrize("build", [exact, under, starting])
def test_a_name_that_reaches_further_is_refused(build: object, name: str) -> None:
    with pytest.raises(InvalidInput, match="may not stand in an ACL path"):
        build("sys", name)  # type: ignore[operator]


@given(st.text(max_size=8))
def test_a_path_never_holds_a_wildcard_that_was_not_asked_for(name: str) -> None:
    try:
        assert exact("kv", name) == f"kv/{name}"
    except InvalidInput:
        return
    assert not set(name) & set("*+{}\"'% \n")


@given(st.lists(st.lists(LABEL, max_size=4), max_size=4))
def test_the_grant_policy_lists_every_subset_of_every_combination_and_nothing_else(roles: list[list[str]]) -> None:
    listed = policy_lists(ESTATE, roles)
    wanted = {""}
    for one in roles:
        for size in range(len(set(one)) + 1):
            wanted |= {
                ",".join(sorted(f"idac-prod-role-{r}" for r in part))
                for part in itertools.combinations(set(one), size)
            }
    assert set(listed) == wanted
    assert listed == sorted(listed)


def test_a_role_name_cannot_smuggle_a_second_policy_or_a_pattern_into_the_grant_policy() -> None:
    for name in ("a,root", "*", "a*", "a/../b"):
        with pytest.raises(InvalidInput):
            grant_document(ESTATE, {"trader": [[name]]})


def test_the_grant_policy_text_does_not_depend_on_the_order_of_its_input() -> None:
    first = document(grant_document(ESTATE, {"trader": [["a", "b"], ["c"]]}))
    assert first == document(grant_document(ESTATE, {"trader": [["c"], ["b", "a"]]}))
    json.loads(first)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (900, "900"),
        ([], ""),
        (["a", "b"], "a,b"),
        ((), ""),
        ("x", "x"),
        ([1, True], "1,true"),
    ],
)
def test_values_are_spelt_as_the_server_compares_them(value: object, text: str) -> None:
    assert spell(value) == text


def test_a_rule_says_nothing_that_it_was_not_told() -> None:
    assert rule("read") == {"capabilities": ["read"]}
    assert rule("update", only={}) == {"capabilities": ["update"], "allowed_parameters": {}}


@given(LABEL, LABEL, LABEL)
def test_no_entity_of_another_estate_is_within_reach(estate: str, kind: str, name: str) -> None:
    if estate != "prod":
        kind = kind.replace("-", "")
        assert not any(
            covers(path, f"identity/entity/name/idac-{estate}-{kind}.{name}") for path in entity_paths(ESTATE)
        )


@given(LABEL, st.sampled_from(["plan", "contain", "grant", "issue", "govern", "role-x"]))
def test_no_policy_of_another_estate_is_within_reach_of_govern(suffix: str, name: str) -> None:
    other = make_estate(Path("/nowhere"), f"prod-{suffix}")
    try:
        refuse_ambiguous(other)
    except InvalidInput:
        return
    rules = documents(ESTATE, accessors={ESTATE.mounts.cert: "a"}, authority="pem")["govern"]
    written = [path for path, one in rules.items() if WRITING & set(one["capabilities"])]
    assert not any(covers(path, f"sys/policies/acl/{other.prefix}{name}") for path in written)


def test_every_login_has_a_policy_and_the_planners_holds_no_writing_capability() -> None:
    made = documents(ESTATE, accessors={ESTATE.mounts.cert: "a"}, authority="pem")
    assert {*made, "grant"} == {suffix for suffixes in POLICIES.values() for suffix in suffixes}
    assert not any(WRITING & set(one["capabilities"]) for one in made["plan"].values())


def test_only_contain_reaches_the_paths_whose_reading_writes() -> None:
    made = documents(ESTATE, accessors={ESTATE.mounts.cert: "a"}, authority="pem")
    for which in ("rotate", "rotate-delta"):
        request = f"idac-prod-pki/crl/{which}"
        able = {suffix for suffix, rules in made.items() if any(covers(path, request) for path in rules)}
        assert able == {"contain"}


def test_each_kind_may_be_given_its_own_combinations_alone() -> None:
    made = grant_document(ESTATE, {"trader": [["a"]], "staff": [["b"]]})["path"]
    lists = {path.rpartition("-")[2]: rule["allowed_parameters"]["policies"] for path, rule in made.items()}
    assert lists == {
        "trader.*": ["", "idac-prod-role-a"],
        "staff.*": ["", "idac-prod-role-b"],
        "bot.*": [""],
        "device.*": [""],
    }


def test_only_bots_may_be_given_the_policy_to_fetch_their_own_certificates() -> None:
    estate = make_estate(Path("/nowhere"), "prod", **WorkloadIssuer().spec)
    made = grant_document(estate, {"trader": [["a"]], "bot": [["a"], []]})["path"]
    lists = {path.rpartition("-")[2]: rule["allowed_parameters"]["policies"] for path, rule in made.items()}
    both = "idac-prod-role-a,idac-prod-runtime"
    assert lists["bot.*"] == ["", "idac-prod-role-a", both, "idac-prod-runtime"]
    assert not any("runtime" in text for kind, texts in lists.items() if kind != "bot.*" for text in texts)


def test_more_combinations_than_the_server_keeps_of_a_policy_are_refused_with_the_figures() -> None:
    roles = [f"role{number:02}" for number in range(16)]
    every = list(itertools.combinations(roles, 8))[::100]
    with pytest.raises(
        InvalidInput, match=r"\d+ combinations have \d+ parts already: more than the 1032192 bytes"
    ):
        grant_document(ESTATE, {"trader": every})
    half = [c for n, c in enumerate(every) if n < 40]
    with pytest.raises(InvalidInput, match="roles that go together"):
        grant_document(ESTATE, {"trader": half, "staff": [tuple(f"x{r}" for r in c) for c in every]})


@given(st.lists(st.lists(LABEL, max_size=8), max_size=30))
@settings(max_examples=30)
def test_a_policy_that_is_made_fits_into_the_servers_storage(roles: list[list[str]]) -> None:
    text = document(grant_document(ESTATE, {"trader": roles, "bot": roles}))
    assert len(json.dumps(text)) < 1024 * 1024 - 4096
