"""From any estate to any other, over all kinds, on the real server: what stands is what the manifests say.

`make test` draws a few pairs; `make soak` draws new ones, as many as IDAC_SOAK_EXAMPLES says.
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from reconciler.load import load_estate
from reconciler.model.change import PHASES
from reconciler.observe import observe
from reconciler.providers.registry import open_connection
from tests.anyestate import AnyEstate, estates, found_estate
from tests.cli import idac
from tests.openbao import Server, a_desk

_NUMBERS = itertools.count(1)
DRAW = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking would take an apply a step
EXAMPLES = int(os.environ.get("IDAC_SOAK_EXAMPLES", "40"))


def begin(server: Server, root: Path) -> Path:
    """A bootstrapped estate without subjects. Returns its directory."""
    found_estate(root, f"any{next(_NUMBERS)}")
    assert idac(root, "-q", "bootstrap", environ=server.environ).code == 0
    return root


def environ(server: Server) -> dict[str, str]:
    return {"VAULT_ADDR": server.address, "VAULT_CACERT": str(server.ca_cert)}


def apply(server: Server, root: Path) -> dict[str, Any]:
    done = idac(root, "--format", "json", "apply", "--auto-approve", environ=environ(server))
    assert done.code == 0, done.out + done.err
    made: dict[str, Any] = done.json
    return made


def the_plan_is_empty(server: Server, root: Path) -> None:
    plan = idac(root, "--format", "json", "plan", environ=environ(server)).json
    assert plan["changes"] == []
    assert [f for f in plan["findings"] if f["severity"] == "error"] == []


def no_power_is_given_before_power_is_taken(root: Path, result: dict[str, Any]) -> None:
    """By the order in which the run's journal says that changes were begun."""
    journal = root / "plans" / "journal" / f"{result['runId']}.jsonl"
    begun = [
        int(line["change"])
        for line in map(json.loads, journal.read_text().splitlines())
        if line["kind"] == "intent"
    ]
    phases = [PHASES.index(result["outcomes"][n]["phase"]) for n in begun]
    assert phases == sorted(phases)


def standing(server: Server, root: Path, of: frozenset[str]) -> dict[str, Any]:
    """The managed fields of every rule and of these subjects, without what no two targets share."""
    estate = load_estate(root / "idac.yaml")
    with open_connection(estate, environ(server)) as connection:
        actual = observe(connection.readers())
    assert actual.unavailable == {}
    own = {str(r.facts["id"]): r.address for r in actual.resources.values() if r.type == "vault.entity"}
    own |= {str(r.facts["spki"]): r.address for r in actual.resources.values() if r.facts.get("spki")}
    own |= {
        str(actual.resources["ca.authority"].facts["sha256"]): "authority",
        estate.prefix: "idac-",
        estate.name: "",
    }
    found: dict[str, Any] = {}
    for address, resource in actual.resources.items():
        if resource.subject is None or str(resource.subject) in of:
            fields = dict(resource.fields)
            if resource.type == "vault.mfa":  # whoever is suspended stays under the tier
                fields["members"] = [member for member in fields["members"] if member in of]
            text = json.dumps(fields, sort_keys=True)
            for mine, common in own.items():
                text = text.replace(mine, common)
            found[address] = text
    return found


def go(server: Server, first: AnyEstate, second: AnyEstate, order: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        root, fresh = begin(server, Path(place) / "one"), begin(server, Path(place) / "two")
        for estate in (first, second):
            estate.write(root)
            no_power_is_given_before_power_is_taken(root, apply(server, root))
            the_plan_is_empty(server, root)
        second.write(root, order=order)
        the_plan_is_empty(server, root)
        second.write(fresh)
        apply(server, fresh)
        mine, theirs = (standing(server, estate, second.active) for estate in (root, fresh))
        differing = {
            a: (mine.get(a), theirs.get(a)) for a in mine.keys() | theirs.keys() if mine.get(a) != theirs.get(a)
        }
        assert differing == {}


@pytest.mark.long
@settings(max_examples=4, phases=DRAW)
@given(first=estates(), second=estates(), order=st.integers(1, 30))
def test_whatever_stood_before_an_apply_leaves_what_the_manifests_say(
    shared_openbao: Server, first: AnyEstate, second: AnyEstate, order: int
) -> None:
    a_desk(shared_openbao.raw())
    go(shared_openbao, first, second, order)


@pytest.mark.soak
@settings(settings.get_profile("soak"), max_examples=EXAMPLES, phases=DRAW)
@given(first=estates(), second=estates(), order=st.integers(1, 30))
def test_the_same_of_estates_that_nobody_chose(
    shared_openbao: Server, first: AnyEstate, second: AnyEstate, order: int
) -> None:
    go(shared_openbao, first, second, order)
