"""Makes the subjects of this invented firm, and the keys' public halves; every private key is thrown away.

In a real estate people write the manifests, and each holder makes the key on their own token or TPM and hands over
the request alone. Run it from the repository with `.venv/bin/python identities/make.py`: manifests are written
anew, requests and public keys that are there already stay. Roles, tiers and profiles are written by hand.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

HERE = Path(__file__).parent
WIDTH = 100  # columns, before a value is broken over lines
P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("-newkey", "rsa:3072")
KEYS = {"desk-report": RSA}  # profiles that ask for another key than P-256
LEI = "254900MERIDIANMKT070"
DOMAIN = "meridian.example"

Spec = dict[str, Any]
# folder, kind, name, comment, metadata besides the name, spec
Document = tuple[str, str, str, str, Spec, Spec]


# ---- who works here -----------------------------------------------------------------------------------------

EMEA, US, APAC = "emea", "us", "apac"
HEADS = {"rates": "ines-duarte", "fx": "nadia-ferro"}
# name, number, desk, region, first day, roles, devices
TRADERS: tuple[tuple[str, int, str, str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("ines-duarte", 204001, "rates", EMEA, "2019-09-02", ("trade-approver",), ("ws-lis-0101", "mob-0301")),
    ("tomas-lind", 204017, "rates", EMEA, "2021-03-15", ("rfq-trader", "order-trader"), ("ws-sto-0117",)),
    ("aiko-brandt", 204023, "rates", EMEA, "2023-06-01", ("rfq-trader", "order-trader"), ("ws-fra-0123",)),
    ("sam-okafor", 204031, "rates", US, "2024-01-08", ("rfq-trader", "order-trader"), ("ws-nyc-0131",)),
    ("leah-roth", 204042, "rates", EMEA, "2022-11-14", ("rfq-trader",), ("ws-ldn-0142",)),
    ("jonas-weil", 204044, "rates", EMEA, "2023-02-06", ("rfq-trader",), ()),
    ("priya-nadar", 204047, "rates", APAC, "2024-05-13", ("rfq-trader",), ()),
    ("marek-holub", 204052, "rates", EMEA, "2020-10-01", ("rfq-trader",), ()),
    ("celine-aubry", 204058, "rates", EMEA, "2025-01-06", ("rfq-trader",), ()),
    ("oskar-nyman", 204061, "rates", EMEA, "2022-04-11", ("rfq-trader",), ()),
    ("ruth-adeyemi", 204066, "rates", US, "2025-09-01", ("rfq-trader",), ()),
    ("nadia-ferro", 205001, "fx", EMEA, "2018-03-19", ("trade-approver",), ("ws-mil-0203", "mob-0302")),
    ("hugo-bertin", 205012, "fx", EMEA, "2021-08-23", ("rfq-trader", "order-trader"), ("ws-par-0211",)),
    ("mina-sato", 205018, "fx", APAC, "2022-02-14", ("rfq-trader", "order-trader"), ("ws-tyo-0218",)),
    ("luca-moretti", 205024, "fx", EMEA, "2023-11-06", ("rfq-trader",), ()),
    ("eva-kralova", 205029, "fx", EMEA, "2024-03-04", ("rfq-trader",), ()),
    ("david-asante", 205033, "fx", EMEA, "2024-07-01", ("rfq-trader",), ()),
    ("yara-haddad", 205037, "fx", EMEA, "2025-02-17", ("rfq-trader",), ()),
    ("finn-larsen", 205041, "fx", EMEA, "2025-05-05", ("rfq-trader",), ()),
    ("anouk-visser", 205046, "fx", EMEA, "2020-06-15", ("rfq-trader",), ()),
    ("ravi-menon", 205051, "fx", APAC, "2019-01-07", ("rfq-trader",), ()),
    ("paula-reis", 205058, "fx", US, "2027-01-04", ("rfq-trader",), ()),
)
# What is said of one trader alone: the comment, and fields that are added or replaced.
REMARKS: Mapping[str, tuple[str, Spec]] = {
    "ines-duarte": ("Head of the rates desk: approves, and so does not trade.", {}),
    "nadia-ferro": ("Head of the FX desk: approves, and so does not trade.", {}),
    "leah-roth": (
        "On leave: everything she could use is contained, and comes back with `status: active`.",
        {"employment": {"start": "2022-11-14", "status": "suspended"}},
    ),
    "david-asante": (
        "On a fixed contract: no certificate outlives it.",
        {"employment": {"start": "2024-07-01", "end": "2029-06-29"}},
    ),
    "anouk-visser": ("She changed her name: the entity, its history and any hold go with it.", {}),
    "ravi-menon": (
        "Has left. The file stays, so that his short code is never given to anybody else.",
        {"employment": {"start": "2019-01-07", "end": "2026-08-31", "status": "left"}, "credentials": []},
    ),
    "paula-reis": ("Starts in the new year: nothing is granted before that day.", {}),
    "sam-okafor": ("", {"finra": {"crd": "7712345", "registrations": ["S7", "S57"]}}),
    "ruth-adeyemi": ("", {"finra": {"crd": "7712519", "registrations": ["S57"]}}),
}
PREVIOUSLY = {"anouk-visser": ["anouk-smit"]}
# venues, products, jurisdictions, currency, most per order, most per day
ACCESS: Mapping[tuple[str, str], tuple[list[str], list[str], list[str], str, int, int]] = {
    ("rates", EMEA): (["BMTF", "XEUR"], ["BOND", "FUTURE"], ["DE", "FR", "GB"], "EUR", 3_000_000, 25_000_000),
    ("rates", US): (["XNYS", "BTEC"], ["BOND"], ["US"], "USD", 4_000_000, 30_000_000),
    ("rates", APAC): (["XTKS"], ["BOND"], ["JP", "SG"], "JPY", 400_000_000, 3_000_000_000),
    ("fx", EMEA): (["XLON", "BMTF"], ["FXSPOT", "FXFWD"], ["GB", "DE"], "EUR", 10_000_000, 150_000_000),
    ("fx", US): (["XNYS"], ["FXSPOT"], ["US"], "USD", 8_000_000, 90_000_000),
    ("fx", APAC): (["XTKS"], ["FXSPOT", "FXFWD"], ["JP"], "JPY", 900_000_000, 9_000_000_000),
}
OWN_ACCESS: Mapping[str, tuple[list[str], list[str], list[str], str, int, int]] = {
    "tomas-lind": (["BMTF", "TREU"], ["BOND"], ["NO", "SE", "GB"], "EUR", 5_000_000, 40_000_000),
    "leah-roth": (["XLON"], ["BOND"], ["GB"], "GBP", 2_000_000, 15_000_000),
}
# name, number, function, first day, roles, MFA tier, comment
STAFF: tuple[tuple[str, int, str, str, tuple[str, ...], str, str], ...] = (
    ("arthur-blum", 201001, "risk", "2017-01-09", ("limit-admin",), "smartcard", "Chief risk officer."),
    ("greta-olsen", 201014, "risk", "2021-05-03", ("limit-admin",), "smartcard", ""),
    ("samir-haidari", 202003, "compliance", "2020-02-03", ("surveillance",), "hardware", "Head of compliance."),
    ("kofi-mensah", 203011, "operations", "2019-07-15", ("settlement-ops",), "otp", ""),
    ("lin-zhao", 203019, "operations", "2023-09-11", ("settlement-ops",), "otp", ""),
    (
        "elena-popova",
        200007,
        "administration",
        "2018-10-01",
        (),
        "smartcard",
        "Keeps HSMs and jump hosts; no desk.",
    ),
)


# Who signs in at the firm's identity provider too, besides a certificate.
SIGNING_IN = frozenset({
    "ines-duarte", "nadia-ferro", "tomas-lind", "aiko-brandt", "hugo-bertin", "leah-roth",
    "arthur-blum", "greta-olsen", "samir-haidari", "elena-popova",
})  # fmt: skip


def sign_in(name: str) -> Spec:
    """The provider's own identifier of a person, for those who sign in there."""
    return {"signIn": {"provider": "corp", "subject": f"00u{invented(name)[:17]}"}} if name in SIGNING_IN else {}


def traders() -> Iterator[Document]:
    """Twenty-two people on two desks."""
    for name, number, desk, region, start, roles, devices in TRADERS:
        comment, changed = REMARKS.get(name, ("", {}))
        head = HEADS[desk] == name
        spec: Spec = {
            "personId": f"E{number}",
            "mifid": {"shortCode": number, "piiRef": f"vault://pii/persons/E{number}"},
            "entityLei": LEI,
            "desk": desk,
            **({} if head else {"supervisor": HEADS[desk]}),
            "employment": {"start": start},
            "roles": list(roles),
            "mfaTier": "smartcard" if head else "hardware",
            **sign_in(name),
            **({"devices": list(devices)} if devices else {}),
            **({} if head else {"marketAccess": [access(name, desk, region)]}),
            "credentials": [mtls(name, "trader-mtls"), *more_credentials(name, head=head)],
        }
        former = {"previously": PREVIOUSLY[name]} if name in PREVIOUSLY else {}
        metadata = {"labels": {"region": region}, **former}
        yield "traders", "Trader", name, comment, metadata, said(spec | changed)


def access(name: str, desk: str, region: str) -> Spec:
    """Where somebody may trade what, and up to how much."""
    venues, products, jurisdictions, currency, order, day = OWN_ACCESS.get(name) or ACCESS[desk, region]
    limits = {"ccy": currency, "perOrder": order, "perDay": day}
    said = {"venues": venues, "products": products, "jurisdictions": jurisdictions}
    return {**said, "limits": limits, "notAfter": "2031-03-31"}


def mtls(name: str, profile: str) -> Spec:
    """A key on the holder's own token; its request is in git."""
    return {"name": "mtls", "profile": profile, "key": {"csr": f"csr/{name}-mtls.pem"}}


def more_credentials(name: str, *, head: bool) -> list[Spec]:
    """The heads sign approvals with a key in the firm's HSM; one trader reports with a client of its own."""
    if head:
        return [{"name": "signing", "profile": "trade-signing", "key": {"hsm": "trade"}}]
    if name == "tomas-lind":
        key = {"csr": f"csr/{name}-report.pem"}
        return [{"name": "report", "profile": "desk-report", "key": key, "overlap": "2d"}]
    return []


def staff() -> Iterator[Document]:
    """Six people who watch, settle and administer."""
    for name, number, function, start, roles, tier, comment in STAFF:
        spec: Spec = {
            "personId": f"E{number}",
            "entityLei": LEI,
            "function": function,
            **({} if name == "arthur-blum" else {"supervisor": "arthur-blum"}),
            "employment": {"start": start},
            "roles": list(roles),
            "mfaTier": tier,
            **sign_in(name),
            "credentials": [mtls(name, "trader-mtls")],
        }
        if name == "arthur-blum":
            spec["credentials"] += [{"name": "signing", "profile": "trade-signing", "key": {"hsm": "trade"}}]
        yield "staff", "Staff", name, comment, {}, said(spec)


# ---- machines -----------------------------------------------------------------------------------------------

# name, class, owner, serial number, whether it has a key of its own
DEVICES: tuple[tuple[str, str, str, str, bool], ...] = (
    ("ws-lis-0101", "workstation", "ines-duarte", "5CG2101C3L", False),
    ("ws-sto-0117", "workstation", "tomas-lind", "5CG2117Q8S", False),
    ("ws-fra-0123", "workstation", "aiko-brandt", "5CG2123K2F", False),
    ("ws-nyc-0131", "workstation", "sam-okafor", "5CG2131N7Y", False),
    ("ws-ldn-0142", "workstation", "leah-roth", "5CG2142F6R", False),
    ("ws-mil-0203", "workstation", "nadia-ferro", "5CG2203M1L", False),
    ("ws-par-0211", "workstation", "hugo-bertin", "5CG2211P4R", False),
    ("ws-tyo-0218", "workstation", "mina-sato", "5CG2218T9K", False),
    ("ws-ldn-0098", "workstation", "kofi-mensah", "5CG2098D5H", False),
    ("mob-0301", "mobile-approver", "ines-duarte", "F2LX0301QK", False),
    ("mob-0302", "mobile-approver", "nadia-ferro", "F2LX0302QK", False),
    ("jump-ldn-01", "jump-host", "elena-popova", "CZ3101J4LD", True),
    ("jump-fra-01", "jump-host", "elena-popova", "CZ3102J4FR", True),
    ("hsm-ldn-01", "hsm-host", "elena-popova", "HS70010042", True),
)
# What is said of one device alone, as of one trader.
DEVICE_REMARKS: Mapping[str, tuple[str, Spec]] = {
    "ws-ldn-0098": ("Wiped and recycled: it ends as a leaver does.", {"status": "retired", "attestation": {}}),
    "mob-0301": ("Approves on the move, with a key in its enclave.", {}),
    "jump-ldn-01": ("The one way to production.", {}),
    "hsm-ldn-01": ("Carries the token `trade`.", {"hsmSlots": [0, 1]}),
}
SERVERS = "srv-2026q4"
MEASURED = {"workstation": "ws-2026q4", "mobile-approver": "mob-2026q4"}  # the state their registers should be in


def devices() -> Iterator[Document]:
    """Fourteen machines: registered, enrolled or attested, as far as each has come."""
    for name, device_class, owner, serial, own_key in DEVICES:
        comment, more = DEVICE_REMARKS.get(name, ("", {}))
        keys = {"ekSha256": invented(f"ek {name}"), "akName": f"000b{invented(f'ak {name}')}"}
        spec: Spec = {
            "class": device_class,
            "owner": owner,
            "serial": serial,
            "tpm": {**keys, "pcrPolicy": MEASURED.get(device_class, SERVERS)},
            "attestation": {"source": "fleet management", "at": "2026-11-20", "maxAge": "1825d"},
            "credentials": [mtls(name, "device-mtls")] if own_key else [],
            **more,
        }
        yield "devices", "Device", name, comment, {}, said(spec)


def said(spec: Spec) -> Spec:
    """Without what is empty."""
    return {key: value for key, value in spec.items() if value not in ([], {})}


def invented(what: str) -> str:
    """A digest of nothing that exists."""
    return hashlib.sha256(f"meridian {what}".encode()).hexdigest()


# ---- programs -----------------------------------------------------------------------------------------------

HOURS = {"timezone": "Europe/London", "windows": ["Mon-Fri 07:00-17:30"]}
# name, class, algo id, strategy, owner, roles, versions
BOTS: tuple[tuple[str, str, str, str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("mm-bund", "algo", "MERMM00001", "bund-mm", "tomas-lind", ("market-maker",), ("3.0.2", "3.1.0")),
    ("mm-eurusd", "algo", "MERMM00002", "eurmm", "hugo-bertin", ("market-maker",), ("4.1.2", "4.2.0", "5.0.0-rc")),
    ("hedger-dv01", "algo", "MERHG00001", "dv01-hedge", "aiko-brandt", ("market-maker",), ("2.0.3", "2.1.0")),
    ("twap-fx", "algo", "MEREX00001", "fx-twap", "mina-sato", ("market-maker",), ("1.4.0",)),
    ("quote-feed", "service", "", "", "luca-moretti", ("reference-data",), ("7.3.1",)),
    ("trade-capture", "service", "", "", "kofi-mensah", ("reference-data", "settlement-ops"), ("2.9.0",)),
    ("settlement-bridge", "integration", "", "", "lin-zhao", ("settlement-ops",), ("1.1.4",)),
    ("drop-copy", "integration", "", "", "lin-zhao", (), ("0.9.8",)),
)  # fmt: skip
BOT_REMARKS: Mapping[str, tuple[str, Spec]] = {
    "mm-eurusd": ("4.2.0 takes over from 4.1.2: both may run. Nobody has approved the release candidate.", {}),
    "twap-fx": ("In its acceptance tests.", {"environment": "uat"}),
    "drop-copy": ("Retired when the venue closed its feed.", {"status": "retired"}),
}


def bots() -> Iterator[Document]:
    """Eight programs, each with the releases that may run."""
    for name, bot_class, algo, strategy, owner, roles, versions in BOTS:
        comment, more = BOT_REMARKS.get(name, ("", {}))
        spec: Spec = {
            "class": bot_class,
            **({"algoId": algo, "strategy": strategy} if algo else {}),
            "owner": owner,
            "killSwitchOwners": ["arthur-blum", "greta-olsen"],
            "environment": "prod",
            "spiffeId": f"spiffe://{DOMAIN}/bot/{name}",
            "binding": {"issuer": "spire", "audience": "idac-meridian"},
            "releases": [release(name, version, algo=bool(algo)) for version in versions],
            "schedule": HOURS if algo else {},
            "roles": list(roles),
            "credentials": [{"name": "runtime", "profile": "bot-mtls", "key": "runtime"}],
            **more,
        }
        yield "bots", "Bot", name, comment, {}, said(spec)


# What is said of one release besides.
RELEASES: Mapping[tuple[str, str], Spec] = {
    ("mm-bund", "3.0.2"): {"retired": True},
    ("hedger-dv01", "2.1.0"): {"activateFrom": "2031-01-06"},
}


def release(name: str, version: str, *, algo: bool) -> Spec:
    """One version by its digests, with its approval where somebody gave one."""
    digests = {"imageDigest": f"sha256:{invented(f'image {name} {version}')}"}
    if algo:
        digests["modelDigest"] = f"sha256:{invented(f'model {name} {version}')}"
    approval = {} if "-rc" in version else {"approval": {"by": "arthur-blum", "at": "2026-10-12"}}
    if name == "quote-feed":
        digests["configDigest"] = f"sha256:{invented(f'configuration {name} {version}')}"
    return {"version": version, **digests, **approval, **RELEASES.get((name, version), {})}


def documents() -> Iterator[Document]:
    """Every subject of the firm. Its roles, tiers and profiles are few, and written by hand."""
    yield from traders()
    yield from staff()
    yield from devices()
    yield from bots()


# ---- writing it down ----------------------------------------------------------------------------------------

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._*+/-]*|[A-Za-z]+( [A-Za-z]+)+|[0-9]+[smhd]")
MISREAD = {"no", "yes", "on", "off", "true", "false", "null", "y", "n"}  # by readers of YAML 1.1


def text(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(text(v) for v in value) + "]"
    plain = isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in MISREAD
    return value if plain else json.dumps(value)


def lines(spec: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """A mapping, each value on one line where it fits."""
    for key, value in spec.items():
        short = f"{indent}{key}: {text(value)}"
        listed = isinstance(value, list) and value and isinstance(value[0], dict)
        if not isinstance(value, (dict, list)) or (len(short) <= WIDTH and not listed):
            yield short
        elif listed:
            yield f"{indent}{key}:"
            for item in value:
                yield from item_lines(item, indent)
        else:
            yield f"{indent}{key}:"
            yield from lines(value, f"{indent}  ")


def item_lines(item: Spec, indent: str) -> Iterator[str]:
    """A mapping in a list."""
    short = f"{indent}- {text(item)}"
    if len(short) <= WIDTH:
        yield short
        return
    first, *rest = lines(item, f"{indent}  ")
    yield f"{indent}- {first.strip()}"
    yield from rest


def manifest(kind: str, name: str, comment: str, metadata: Spec, spec: Spec) -> str:
    """One manifest file."""
    head = ["# yaml-language-server: $schema=../manifest.schema.json"]
    head += [f"# {comment}"] if comment else []
    head += ["apiVersion: idac/v1", f"kind: {kind}", f"metadata: {text({'name': name, **metadata})}", "spec:"]
    return "\n".join([*head, *lines(spec, "  ")]) + "\n"


def write(root: Path) -> None:
    """Write every manifest below `root`, and take away those of nobody."""
    made = {root / folder / f"{name}.yaml": (kind, name, *rest) for folder, kind, name, *rest in documents()}
    for path, parts in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(manifest(*parts))
    for folder in {path.parent for path in made}:
        for stale in set(folder.glob("*.yaml")) - made.keys():
            stale.unlink()


def requests() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every certificate request that a manifest names, with the kind of key."""
    for *_, spec in documents():
        for credential in spec.get("credentials", ()):
            if "csr" in credential["key"]:
                yield Path(credential["key"]["csr"]).stem, KEYS.get(credential["profile"], P256)


def make_request(name: str, key: tuple[str, ...]) -> None:
    """One request. The key goes to /dev/null: nobody can ever use what is issued for it."""
    out = HERE / "csr" / f"{name}.pem"
    if not out.exists():
        subject = f"/CN={name.rsplit('-', 1)[0]}"
        command = ["openssl", "req", "-new", *key, "-nodes", "-keyout", "/dev/null", "-subj", subject]
        subprocess.run([*command, "-out", str(out)], check=True, capture_output=True)  # noqa: S603 - names of this file alone


def make_jwks(issuer: str) -> None:
    """An issuer's public key (RFC 7517). Its private half is thrown away: nobody can issue a token."""
    out = HERE / "issuers" / f"{issuer}.jwks.json"
    if out.exists():
        return
    public = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = (base64.urlsafe_b64encode(n.to_bytes(32, "big")).rstrip(b"=").decode() for n in (public.x, public.y))
    jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256", "use": "sig", "kid": invented(x)[:16]}
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"keys": [jwk]}, indent=2) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
    if len(sys.argv) == 1:
        make_jwks("spire")
        make_jwks("corp")
        for request, key_kind in requests():
            make_request(request, key_kind)
