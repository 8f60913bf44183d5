"""The planner's token against every path of the server's own OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.attack import Field, field, picture, spec
from tests.openbao import Raw, fresh_estate, start_server

pytestmark = pytest.mark.openbao

WRITES = ("post", "put", "patch", "delete")
# What fills `{parameter}` of a path: names of things that exist, so that a hole would show.
FILLERS = {
    "issuer_ref": ("default",),
    "role": ("mtls",),
    "role_name": ("plan", "mtls"),
    "serial": ("crl",),
    "path": ("certificates/trader.jdoe.mtls", "lock", "holds/trader.jdoe"),
    "exported": ("internal",),
}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """A server of its own: some of its open doors (sys/unseal, sys/generate-root) are knocked at."""
    root = tmp_path_factory.mktemp("planner")
    server = start_server(root)
    made = field(server, fresh_estate(server, root, **spec()))
    yield made
    made.close()
    server.stop()


def specification(admin: Raw) -> dict[str, Any]:
    paths: dict[str, Any] = admin.ok("GET", "sys/internal/specs/openapi").body["paths"]
    return paths


def fill(path: str, made: Field) -> Iterator[str]:
    """The path with every parameter filled, in every way that fits."""
    found = re.search(r"\{(\w+)\}", path)
    if found is None:
        yield path
        return
    own = (f"{made.estate.prefix}grant", f"{made.estate.prefix}trader.jdoe")
    named = ("mtls", "idac-probe", "bot.mm.spire.1-0", "trader.jdoe.corp.sign-in", "idac", *own)
    values = FILLERS.get(found[1], (made.names["jdoe"],) if found[1].endswith("id") else named)
    for value in values:
        yield from fill(path.replace(found[0], value, 1), made)


BODIES: tuple[dict[str, Any], ...] = (
    {},
    {
        "policy": '{"path":{"*":{"capabilities":["sudo"]}}}', "policies": "default", "token_policies": "default",
        "type": "kv", "data": {"a": "b"}, "metadata": {"a": "b"}, "disabled": "false", "name": "x", "ttl": "1h",
        "custom_metadata": {"a": "b"}, "common_name": "trader.jdoe", "path": "sys", "key": "x", "value": "x",
    },
)  # fmt: skip


@pytest.mark.long
def test_no_write_of_the_openapi_succeeds_with_the_planners_token(attacked: Field) -> None:
    planner, nobody = attacked.logins["plan"], attacked.server.raw("")
    before = picture(attacked.admin)
    tried, unlocked, succeeded = 0, set(), []
    for template, methods in specification(attacked.admin).items():
        for path in fill(template.lstrip("/"), attacked):
            for method in WRITES:
                if method not in methods and method != "put":
                    continue
                for body in BODIES if method != "delete" else ({},):
                    tried += 1
                    reply = planner.call(method.upper(), path, body, content_type=_type(method))
                    if reply.status >= 400:
                        continue  # refused; whether before or after a look at the token, the picture will show
                    # Not refused: then it must be a door that is open to callers with no token at all.
                    same = nobody.call(method.upper(), path, body, content_type=_type(method)).status
                    if same < 400:
                        unlocked.add(f"{method} {template}")
                    else:
                        succeeded.append((method, path, reply))
    nobody.close()
    assert succeeded == []
    assert tried > 1000
    assert unlocked <= UNLOCKED
    assert picture(attacked.admin) == before


# What everybody may do without any token, and changes nothing: a question asked by POST, and a redirect.
UNLOCKED = {"post /sys/internal/specs/openapi", "put /sys/internal/specs/openapi", "put /sys/pprof"}


def _type(method: str) -> str:
    return "application/merge-patch+json" if method == "patch" else "application/json"


@pytest.mark.long
def test_no_read_of_the_openapi_changes_anything_with_the_planners_token(attacked: Field) -> None:
    planner = attacked.logins["plan"]
    before = picture(attacked.admin)
    allowed = set()
    for template, methods in specification(attacked.admin).items():
        if "get" not in methods:
            continue
        for path in fill(template.lstrip("/"), attacked):
            for method in ("GET", "LIST", "SCAN"):
                if planner.call(method, path).status != 403:
                    allowed.add(template)
    assert picture(attacked.admin) == before
    pki = f"/{attacked.estate.mounts.pki}"
    assert not allowed & {f"{pki}/crl/rotate", f"{pki}/crl/rotate-delta", f"{pki}/tidy-cancel"}


def test_the_planners_own_token_cannot_be_prolonged_or_multiplied(attacked: Field) -> None:
    planner = attacked.logins["plan"]
    for path in ("auth/token/renew-self", "auth/token/create", "auth/token/create-orphan", "sys/wrapping/wrap"):
        assert planner.call("POST", path, {"increment": "24h", "a": "b"}).status == 403
