"""What only OpenBao has: taken at what we pin it to, and never at more."""

from __future__ import annotations

import pytest

from reconciler.providers.ca.bootstrap import CRL, ISSUER
from reconciler.providers.ca.resources import probe_role
from reconciler.providers.dialect import OPENBAO_ALONE, harmless, shown
from reconciler.providers.vault.issuers import _PINNED as PINNED_ISSUER
from reconciler.providers.vault.resources import PINNED_LOGIN, PINNED_TOKEN_LOGIN

PINS = {**probe_role(), **CRL, **ISSUER, **PINNED_LOGIN, **PINNED_TOKEN_LOGIN, **PINNED_ISSUER}
SAID = "Endpoint ignored these unrecognized parameters: [{}]"


def test_each_field_stands_with_the_value_that_it_is_pinned_to() -> None:
    assert {name: PINS[name] for name in OPENBAO_ALONE} == OPENBAO_ALONE


def test_a_field_that_every_server_has_is_missed_where_it_is_left_out() -> None:
    assert shown({}, "allow_any_name") is None
    assert shown({}, "not_after_bound") == "forbid"
    assert shown({"not_after_bound": "permit"}, "not_after_bound") == "permit"


@pytest.mark.parametrize("names", ["not_after_bound", "not_before not_before_bound", "not_before, poll_interval"])
def test_a_server_that_knows_none_of_these_fields_is_believed(names: str) -> None:
    assert harmless(SAID.format(names))


@pytest.mark.parametrize(
    "warning",
    [
        SAID.format("token_no_default_policy"),
        SAID.format("not_before allowed_uri_sans"),
        SAID.format(""),
        SAID.format("not_before") + " and more",
        "Something else about not_before",
    ],
)
def test_any_other_warning_is_an_error_still(warning: str) -> None:
    assert not harmless(warning)
