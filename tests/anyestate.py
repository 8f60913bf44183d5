"""Estates drawn at random over all kinds, valid ones: what hypothesis is given to apply one after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from reconciler.x509 import new_key_and_csr
from tests import signing_in
from tests.firm import LEI, PROFILE, ROLE
from tests.workloads import AUDIENCE, CLAIMS, ISSUER, WorkloadIssuer

TRADERS, STAFF, DEVICES, BOTS = ("t0", "t1", "t2"), ("s0", "s1"), ("d0", "d1"), ("b0", "b1")
ROLES = ("r0", "r1", "r2")
KEEPER = "keeper"  # somebody who is always there, and owns what must have an owner
DIGESTS = tuple(f"sha256:{digit * 64}" for digit in "123")
VERSIONS = ("1.0", "1.1", "2.0")

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AnyEstate:
    """Documents by kind and name, without the estate's own configuration."""

    documents: Mapping[tuple[str, str], Document]

    @property
    def active(self) -> frozenset[str]:
        """The subjects that should have everything their manifests ask for, such as `trader/t0`."""
        return frozenset(
            f"{kind.lower()}/{name}"
            for (kind, name), spec in self.documents.items()
            if kind in ("Trader", "Staff", "Device", "Bot")
            and (spec.get("employment") or spec).get("status", "active") == "active"
        )

    def write(self, root: Path, *, order: int = 0) -> None:
        """Replace the manifests below `root`; `order` shuffles them over files and within one."""
        place = root / "manifests"
        place.mkdir(parents=True, exist_ok=True)
        for old in place.iterdir():
            old.unlink()
        texts = [document(*key, spec) for key, spec in sorted(self.documents.items())]
        if order:
            turned = texts[order % len(texts) :] + texts[: order % len(texts)]
            (place / "all.yaml").write_text("---\n".join(reversed(turned)))
            return
        for number, text in enumerate(texts):
            (place / f"{number}.yaml").write_text(text)


def document(kind: str, name: str, spec: Document) -> str:
    """One manifest as text."""
    made = {"apiVersion": "idac/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    return yaml.safe_dump(made, sort_keys=False)


def configuration(name: str) -> str:
    """An estate with room for all kinds."""
    issuer = {"name": "spire", "issuer": ISSUER, "jwksFile": "keys/spire.json", "claims": CLAIMS}
    spec = {
        "trustDomain": "meridian.test",
        "manifests": ["manifests"],
        "plans": "plans",
        "policy": {"autoApprove": True, "removals": {"absolute": 100, "percent": 100}},
        "hsmTokens": [{"name": "trade", "backend": "transit"}],
        "workloadIssuers": [issuer],
        "identityProviders": [signing_in.configuration()],
    }
    return yaml.safe_dump({"apiVersion": "idac/v1", "kind": "Estate", "metadata": {"name": name}, "spec": spec})


def found_estate(root: Path, name: str) -> Path:
    """An estate's directory without manifests. Returns its `idac.yaml`."""
    for folder in ("csr", "keys", "manifests"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for request, text in requests().items():
        (root / "csr" / f"{request}.pem").write_text(text)
    for issuer in (WorkloadIssuer(), signing_in.corp()):
        (root / "keys" / f"{issuer.name}.json").write_text(json.dumps(issuer.jwks))
    (root / "idac.yaml").write_text(configuration(name))
    return root / "idac.yaml"


@cache
def requests() -> dict[str, str]:
    """Two keys' requests for everybody who may need one."""
    names = (*TRADERS, *STAFF, *DEVICES)
    return {f"{name}-{key}": new_key_and_csr(name)[1] for name in names for key in ("old", "new")}


# ---- drawing ------------------------------------------------------------------------------------------------


def _some(*values: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), unique=True).map(sorted)


def _standing(name: str, profile: str) -> st.SearchStrategy[Document]:
    keys = st.sampled_from(("old", "new"))
    return keys.map(lambda key: {"name": "mtls", "profile": profile, "key": {"csr": f"csr/{name}-{key}.pem"}})


SIGNING = {"name": "signing", "profile": "signing", "key": {"hsm": "trade"}}


def _credentials(name: str, profile: str) -> st.SearchStrategy[list[Document]]:
    more = st.sampled_from(([], [SIGNING]))
    return st.tuples(st.one_of(st.just([]), _standing(name, profile).map(lambda c: [c])), more).map(
        lambda p: p[0] + p[1]
    )


def _person(name: str, number: int) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries(
        {
            "personId": st.just(f"E{number}"),
            "entityLei": st.just(LEI),
            "employment": st.sampled_from(("active", "active", "active", "suspended", "left")).map(
                lambda status: {"start": "2024-02-01", "status": status}
            ),
            "roles": _some(*ROLES),
            "credentials": _credentials(name, "people"),
        },
        optional={"tier": _tier(name)},
    ).map(_with_tier)


def _with_tier(spec: Document) -> Document:
    return {**{n: v for n, v in spec.items() if n != "tier"}, **spec.get("tier", {})}


def _tier(name: str) -> st.SearchStrategy[Document]:
    """An MFA tier; under one that the identity provider enforces the person may sign in there."""
    subjects = st.sampled_from((None, f"00u{name}", f"00U{name}", f"00u{name}-new"))
    signing = subjects.map(lambda sub: {"signIn": {"provider": "corp", "subject": sub}} if sub else {})
    tiers = st.sampled_from(("otp", "hardware", "both"))
    return st.tuples(tiers, signing).map(lambda p: {"mfaTier": p[0], **(p[1] if p[0] != "otp" else {})})


def _trader(name: str, number: int) -> st.SearchStrategy[Document]:
    more = {"mifid": {"shortCode": number, "piiRef": f"vault://pii/persons/E{number}"}, "desk": "fx"}
    return _person(name, number).map(lambda spec: {**spec, **more})


def _staff(name: str, number: int) -> st.SearchStrategy[Document]:
    return _person(name, number).map(lambda spec: {**spec, "function": "operations"})


def _device(name: str) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries(
        {
            "class": st.just("jump-host"),
            "owner": st.just(KEEPER),
            "serial": st.just(f"S{name}"),
            "status": st.sampled_from(("active", "active", "suspended", "retired")),
            "credentials": st.one_of(st.just([]), _standing(name, "machines").map(lambda c: [c])),
        }
    )


def _release(version: str) -> st.SearchStrategy[Document]:
    approval = {"by": KEEPER, "at": "2026-01-05"}
    ways: tuple[Document, ...] = ({"approval": approval}, {}, {"approval": approval, "retired": True})
    digests, said = st.sampled_from(DIGESTS), st.sampled_from(ways)
    return st.tuples(digests, said).map(lambda p: {"version": version, "imageDigest": p[0], **p[1]})


def _bot(name: str) -> st.SearchStrategy[Document]:
    releases = (
        _some(*VERSIONS).filter(bool).flatmap(lambda versions: st.tuples(*map(_release, versions)).map(list))
    )
    runtime = [{"name": "runtime", "profile": "bots", "key": "runtime"}]
    return st.fixed_dictionaries(
        {
            "class": st.just("service"),
            "owner": st.just(KEEPER),
            "environment": st.sampled_from(("prod", "uat")),
            "status": st.sampled_from(("active", "active", "suspended", "retired")),
            "spiffeId": st.just(f"spiffe://meridian.test/prod/bot/{name}"),
            "binding": st.just({"issuer": "spire", "audience": AUDIENCE}),
            "releases": releases,
            "roles": _some(*ROLES),
            "credentials": st.sampled_from((runtime, [])),
        }
    )


def _role() -> st.SearchStrategy[Document]:
    paths = st.sampled_from(
        (ROLE["vaultPaths"], [{"path": "desk/data/rates/*", "capabilities": ["read", "list"]}], [])
    )
    return paths.map(lambda chosen: {"permissions": ["rfq.send"], "vaultPaths": chosen})


def _tiers() -> dict[tuple[str, str], st.SearchStrategy[Document]]:
    otp = st.sampled_from((6, 8)).map(
        lambda digits: {
            "aal": 2,
            "acr": "mfa",
            "methods": ["totp"],
            "totp": {"digits": digits},
            "enforcedBy": ["vault"],
        }
    )
    claims: tuple[Document, ...] = ({"acr": "phr"}, {"acr": "phrh"}, {"acr": "phr", "amr": ["hwk", "sc"]})
    says = st.sampled_from(claims)
    hardware = says.map(lambda said: {"aal": 2, **said, "methods": ["webauthn"], "enforcedBy": ["idp"]})
    both = says.map(lambda said: {"aal": 2, **said, "methods": ["totp"], "enforcedBy": ["vault", "idp"]})
    return {("MfaTier", "otp"): otp, ("MfaTier", "hardware"): hardware, ("MfaTier", "both"): both}


def _profile(more: Document, ttl: str) -> Document:
    return {**PROFILE, **more, "ttl": ttl}


def _profiles() -> dict[tuple[str, str], st.SearchStrategy[Document]]:
    ttl = st.sampled_from(("12h", "24h"))
    signing = {"ekus": ["1.3.6.1.4.1.55555.2.1"], "keyUsages": ["digitalSignature", "contentCommitment"]}
    more: dict[str, Document] = {
        "people": {"subjectKinds": ["Trader", "Staff"]},
        "machines": {"subjectKinds": ["Device"]},
        "signing": {"subjectKinds": ["Trader", "Staff"], **signing},
    }
    made = {("CertificateProfile", n): ttl.map(partial(_profile, m)) for n, m in more.items()}
    bots = {**PROFILE, "subjectKinds": ["Bot"], "ttl": "10m", "renewBefore": "3m"}
    return {**made, ("CertificateProfile", "bots"): st.just(bots)}


_PRESENT = st.sampled_from((True, True, False))


@st.composite
def estates(draw: st.DrawFn) -> AnyEstate:
    """A valid estate over all kinds: every rule is there, and each subject is or is not."""
    subjects: dict[tuple[str, str], st.SearchStrategy[Document]] = {
        **{("Trader", n): _trader(n, 1000 + i) for i, n in enumerate(TRADERS)},
        **{("Staff", n): _staff(n, 2000 + i) for i, n in enumerate(STAFF)},
        **{("Device", n): _device(n) for n in DEVICES},
        **{("Bot", n): _bot(n) for n in BOTS},
    }
    rules = {("Role", n): _role() for n in ROLES} | _tiers() | _profiles()
    keeper = _staff(KEEPER, 2999).map(
        lambda s: {**s, "roles": [], "credentials": [], "employment": {"start": "2024-02-01"}}
    )
    chosen = {key: draw(made) for key, made in subjects.items() if draw(_PRESENT)}
    return AnyEstate({**chosen, **{k: draw(m) for k, m in rules.items()}, ("Staff", KEEPER): draw(keeper)})
