"""Policies in words stay readable however long the policy is."""

from __future__ import annotations

import json

from reconciler.render.policies import SHOWN, document_lines, role_words


def grant(*combinations: str) -> str:
    able = {"capabilities": ["update"], "allowed_parameters": {"policies": list(combinations), "metadata": []}}
    return json.dumps({"path": {"identity/entity/name/idac-t-trader.*": able}})


def test_of_a_thousand_new_combinations_a_few_are_named_and_the_rest_counted() -> None:
    many = [f"idac-t-role-r{number:04}" for number in range(1000)]
    lines = list(document_lines(grant("", "idac-t-role-old"), grant("", *many)))
    where = "identity/entity/name/idac-t-trader.*: policies may be "
    assert lines[0] == ("-", f"{where}old")
    assert lines[1 : 1 + SHOWN] == [("+", f"{where}r{number:04}") for number in range(SHOWN)]
    assert lines[1 + SHOWN :] == [("+", f"{where}{1000 - SHOWN} more (--format json names them)")]


def test_what_lets_people_use_what_is_their_own_is_said_in_words() -> None:
    assert role_words("idac-t-own-keys") == "the use of their own keys"
    assert role_words("idac-t-role-own-keys") == "role own-keys"


def test_a_value_that_differs_only_beyond_what_is_shown_is_a_difference() -> None:
    roles = ",".join(f"idac-t-role-{'long-name' * 4}-{n}" for n in range(4))
    ((sign, words),) = document_lines(grant(roles), grant(roles, f"{roles}-other"))
    assert sign == "+" and words.endswith("…")


def test_a_path_that_only_changes_its_capabilities_shows_both() -> None:
    before = json.dumps({"path": {"desk/a": {"capabilities": ["read"]}}})
    after = json.dumps({"path": {"desk/a": {"capabilities": ["read", "update"]}}})
    assert list(document_lines(before, after)) == [("-", "desk/a: read"), ("+", "desk/a: read, update")]
    assert list(document_lines(after, None)) == [("-", "desk/a: read, update")]
    assert list(document_lines(None, "{")) == [("+", "unreadable policy: {")]
