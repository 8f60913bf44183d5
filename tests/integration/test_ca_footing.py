"""What no manifest names and every certificate stands on: changed behind the tool's back, every plan says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.providers.ca.bootstrap import bootstrap_ca
from reconciler.providers.ca.resources import PROBE_ROLE
from tests.integration.ca_world import World, a_world
from tests.openbao import Server

pytestmark = pytest.mark.openbao

CHANGED: dict[str, tuple[str, dict[str, Any]]] = {
    "no revocation lists": ("config/crl", {"disable": True}),
    "no OCSP": ("config/crl", {"ocsp_disable": True}),
    "lists that are not rebuilt": ("config/crl", {"auto_rebuild": False, "enable_delta": False}),
    "a list that lives for a year": ("config/crl", {"expiry": "8760h"}),
    "another OCSP server": ("config/urls", {"ocsp_servers": ["https://elsewhere.example/v1/pki/ocsp"]}),
    "a second place for lists": ("config/urls", {"crl_distribution_points": ["https://a.example/", "https://b.example/"]}),
    "no place for lists": ("config/urls", {"crl_distribution_points": []}),
    "URLs as templates": ("config/urls", {"enable_templating": True}),
    "whichever issuer came last": ("config/issuers", {"default_follows_latest_issuer": True}),
    "certificates that outlive the CA": ("issuer/default", {"leaf_not_after_behavior": "permit"}),
    "an issuer that signs no lists": ("issuer/default", {"usage": "issuing-certificates,read-only"}),
    "an issuer of another name": ("issuer/default", {"issuer_name": "renamed"}),
    "an issuer with URLs of its own": ("issuer/default", {"ocsp_servers": ["https://elsewhere.example/ocsp"]}),
    "a probe for every name": (f"roles/{PROBE_ROLE}", {"allow_any_name": True}),
}  # fmt: skip


@pytest.fixture(scope="module")
def world(shared_openbao: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(shared_openbao, tmp_path_factory.mktemp("ca-footing")) as made:
        made.settle()
        yield made


def test_what_bootstrap_laid_is_found_as_it_was_laid(world: World) -> None:
    assert world.reader().observe().foreign == ()


@pytest.mark.parametrize("change", CHANGED)
def test_what_is_changed_behind_the_tools_back_is_named_and_bootstrap_mends_it(world: World, change: str) -> None:
    path, body = CHANGED[change]
    full = f"{world.estate.mounts.pki}/{path}"
    there = world.client.read(full).data
    known = {
        n: v for n, v in there.items() if n not in ("certificate", "ca_chain", "issuer_id", "key_id", "revoked")
    }
    world.client.write(full, {**known, **body}, tolerate=("",))

    (finding,) = world.reader().observe().foreign

    assert finding.code == "F02"
    assert full in finding.message
    assert all(name in finding.message for name in body)
    bootstrap_ca(world.client, world.estate, world.server.address)
    assert world.reader().observe().foreign == ()
