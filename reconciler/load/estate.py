"""`idac.yaml`: finding it and reading it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from reconciler import yaml12
from reconciler.canonical import digest
from reconciler.errors import InvalidInput
from reconciler.kinds import fields
from reconciler.kinds.fields import Name
from reconciler.load.files import Root, Unreadable
from reconciler.load.issuers import referred_by
from reconciler.load.secrets import WORDS, find_secrets, place
from reconciler.load.words import explain
from reconciler.model.estate import ADDRESS, DURATION, LABEL, OVERLAP, TRUST_DOMAIN, Estate, EstateSpec
from reconciler.model.issuers import AUDIENCE, ISSUER, NAME, POINTER, SUBJECTS, URL
from reconciler.model.manifest import Finding, Origin, Spec

FILE = "idac.yaml"
fields.WORDS[ADDRESS] = "the server's URL, such as https://vault.example:8200"
fields.WORDS[LABEL] = "a DNS label: lower-case letters, digits and inner hyphens, 63 at most"
fields.WORDS[NAME] = "lower-case letters, digits and inner hyphens, 32 at most"
fields.WORDS[TRUST_DOMAIN] = "lower-case letters, digits, `.`, `_` and `-`, 255 at most"
fields.WORDS[DURATION] = "a duration such as 90s, 15m, 12h or 30d"
fields.WORDS[OVERLAP] = "a duration such as 0s, 15m or 12h"
fields.WORDS[URL] = "an https URL"
fields.WORDS[AUDIENCE] = "the value of the claim aud"
fields.WORDS[ISSUER] = "the value of the claim iss"
fields.WORDS[POINTER] = "a JSON pointer into the token, such as /workload/image_digest"
fields.WORDS[SUBJECTS] = "a value of the claim sub, or its beginning and a final *"


class _Metadata(Spec):
    name: Name


class _Document(Spec):
    api_version: Literal["idac/v1"] = Field(alias="apiVersion")
    kind: Literal["Estate"]
    metadata: _Metadata
    spec: EstateSpec


def find_estate(start: Path) -> Path:
    """The `idac.yaml` that governs a directory: in it, in its parents, then in its `identities/`.

    Raises `InvalidInput` when there is none.
    """
    start = start.absolute()
    for directory in (start, *start.parents, start / "identities"):
        if (directory / FILE).is_file():
            return directory / FILE
    raise InvalidInput(
        f"no {FILE} here, above or in identities/",
        remedy="name it with --config, or begin with `idac init DIR`",
    )


def load_estate(path: Path) -> Estate:
    """The estate's configuration. Raises `InvalidInput` with every fault found."""
    given, path = path, path.absolute()
    try:
        data = Root(path.parent).read(path.name, 1024 * 1024)
    except Unreadable as error:
        raise InvalidInput(f"{given}: {error}", remedy="name an idac.yaml with --config") from None
    findings = list(_secrets(path.name, data))
    value = _value(path.name, data, findings)
    if findings:
        raise _invalid(path.name, findings)
    document = _Document.model_validate(value)
    name, spec = document.metadata.name, document.spec
    plain = spec.model_dump(mode="json", by_alias=True)
    keys, authorities, faults = referred_by(spec.token_issuers, Root(path.parent))
    files = {"keys": keys, "authorities": authorities} if keys or authorities else {}
    return Estate(
        name=name,
        root=str(path.parent),
        spec=spec,
        configuration_digest=digest({"name": name, "spec": plain, **files}),
        policy_digest=digest(plain["policy"]),
        issuer_keys=keys,
        issuer_authorities=authorities,
        issuer_faults=faults,
    )


def _value(name: str, data: bytes, findings: list[Finding]) -> Any:
    reading = yaml12.read(data)
    faults = [*(f for d in reading.documents for f in d.faults), *reading.faults]
    findings += [Finding("M02", "error", f.message, None, Origin(name, f.line, f.column)) for f in faults]
    if faults:
        return None
    if len(reading.documents) != 1:
        findings.append(Finding("M04", "error", "must hold exactly one document", None, Origin(name, 1, 1)))
        return None
    document = reading.documents[0]
    try:
        _Document.model_validate(document.value)
    except ValidationError as error:
        for where, message in explain(error, _Document):
            origin = Origin(name, *document.value_at(where))
            findings.append(Finding("M05", "error", message, None, origin))
    return document.value


def _secrets(name: str, data: bytes) -> list[Finding]:
    text = data.decode(errors="replace")
    return [
        Finding("M07", "error", WORDS, None, Origin(name, *place(text, offset))) for offset in find_secrets(text)
    ]


def _invalid(name: str, findings: list[Finding]) -> InvalidInput:
    lines = "".join(f"\n  {f.origin}: {f.message}" for f in findings)
    return InvalidInput(f"{name} is not valid:{lines}", findings=tuple(findings))
