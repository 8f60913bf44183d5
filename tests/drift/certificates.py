"""Certificates, and what KV says about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler import x509
from tests.drift.case import Case, Tamper
from tests.firm import Firm
from tests.openbao import Raw

NOBODY = "00000000-0000-0000-0000-000000000000"
PARTNER = "partner"  # the trader whose serial somebody puts into another's record


def record_path(firm: Firm, name: str) -> str:
    return f"{firm.estate.mounts.kv}/metadata/certificates/trader.{name}.mtls"


def record(firm: Firm, admin: Raw, name: str) -> dict[str, str]:
    found: dict[str, str] = admin.ok("GET", record_path(firm, name)).data["custom_metadata"]
    return found


def sign(firm: Firm, admin: Raw, name: str, uri: str = "") -> str:
    """A certificate for the trader's name that nobody asked for; its serial."""
    _, csr = x509.new_key_and_csr("whatever")
    body = {
        "csr": csr,
        "common_name": f"trader.{name}",
        "uri_sans": f"spiffe://meridian.test/trader/{uri or name}",
        "exclude_cn_from_sans": True,
    }
    made = admin.ok("POST", f"{firm.estate.mounts.pki}/sign/trader-mtls", body)
    return str(made.data["serial_number"])


def _said(shown: str | None = None, **changed: str | None) -> Tamper:
    """Change what the record says; `shown` is what the managed field then is, if not what was written."""

    def change(firm: Firm, admin: Raw, name: str) -> Any:
        said: dict[str, str | None] = {**record(firm, admin, name), **changed}
        kept = {field: value for field, value in said.items() if value is not None}
        admin.ok("POST", record_path(firm, name), {"custom_metadata": kept})
        return shown if shown is not None else next(iter(changed.values()))

    return change


def _names(serial: Callable[[Firm, Raw, str], str], shown: Callable[[x509.Certificate], str]) -> Tamper:
    """Let the record name another certificate."""

    def change(firm: Firm, admin: Raw, name: str) -> Any:
        named = serial(firm, admin, name)
        pem = admin.ok("GET", f"{firm.estate.mounts.pki}/cert/{named}").data["certificate"]
        _said(serial=named)(firm, admin, name)
        return shown(x509.read_certificate(pem))

    return change


def _set(**body: Any) -> Tamper:
    def change(firm: Firm, admin: Raw, name: str) -> Any:
        admin.ok("POST", record_path(firm, name), body)
        return "altered"

    return change


def _data(method: str, tree: str, body: dict[str, Any] | None = None) -> Tamper:
    def change(firm: Firm, admin: Raw, name: str) -> Any:
        admin.ok(method, record_path(firm, name).replace("/metadata/", f"/{tree}/"), body)
        return "altered"

    return change


RECORD = {
    "subject": "trader/somebody-else",
    "serial": "00:11",
    "fingerprint": "0" * 64,
    "spki": "0" * 64,
    "not_before": "2020-01-01T00:00:00Z",
    "not_after": "2099-01-01T00:00:00Z",
    "issued_at": "2020-01-01T00:00:00Z",
    "key_since": "2099-01-01T00:00:00Z",
    "previous": "00:22",
    "previous_until": "2099-01-01T00:00:00Z",
    "another": "whatever",
}
CERTIFICATE = [
    Case("ca.certificate", "profile", _said(profile="another")),
    Case("ca.certificate", "profile_digest", _said(profile_digest="0" * 64)),
    Case("ca.certificate", "entity", _said(entity=NOBODY)),
    Case("ca.certificate", "spki", _names(sign, lambda c: c.spki)),
    Case("ca.certificate", "uri_san", _names(lambda f, a, n: sign(f, a, n, "somebody"), lambda c: c.uri_sans[0])),
    Case(
        "ca.certificate",
        "common_name",
        _names(lambda f, a, n: record(f, a, PARTNER)["serial"], lambda c: c.common_name),
    ),
    Case("ca.certificate", "delivery", _data("POST", "data", {"data": {"certificate": "x", "chain": "y"}})),
    Case("ca.certificate", "delivery", _data("DELETE", "data"), "deleted"),
    Case("ca.certificate", "delivery", _data("PUT", "destroy", {"versions": [1]}), "destroyed"),
    Case("ca.certificate", "delivery", _set(delete_version_after="1h"), "vanishing"),
    Case("ca.certificate", "record", _set(max_versions=1), "max-versions"),
    Case("ca.certificate", "record", _set(cas_required=True), "cas"),
    Case("ca.certificate", "record", _set(metadata_cas_required=True), "metadata-cas"),
    *(
        Case("ca.certificate", "record", _said("altered", **{f: v}), f.replace("_", "-"))
        for f, v in RECORD.items()
    ),
    Case("ca.certificate", "record", _said("altered", key_since=None), "key-since-removed"),
    Case("ca.certificate", "record", _said("altered", key_since="junk", previous_until="junk"), "no-dates"),
]
