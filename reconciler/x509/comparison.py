"""A certificate held against its profile, extension by extension, before anyone is given it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtensionOID, NameOID

from reconciler.clock import rfc3339
from reconciler.x509.certificate import parse
from reconciler.x509.keys import spki
from reconciler.x509.words import KEY_USAGES, SUBJECT_NAMES

_ALLOWED_EXTENSIONS = {
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
    ExtensionOID.CRL_DISTRIBUTION_POINTS,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.CERTIFICATE_POLICIES,
    ExtensionOID.BASIC_CONSTRAINTS,
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a certificate must be, field by field; whatever it has besides is a deviation.

    `subject` maps the names of `SUBJECT_NAMES` (common_name excluded) to their values. `longest` bounds the
    whole validity in seconds, the back-dating of notBefore included. `not_after` is an RFC 3339 bound, or "".
    """

    spki: str
    common_name: str
    uri_san: str
    key_usages: tuple[str, ...]  # names of KEY_USAGES
    ext_key_usages: tuple[str, ...]  # dotted OIDs
    policy_oids: tuple[str, ...]
    longest: int
    subject: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_after: str = ""


def deviations(certificate_pem: str, issuer_pem: str, expected: Expected) -> tuple[str, ...]:
    """How an issued certificate differs from what its profile asks, extension by extension. Empty: not at all."""
    certificate, issuer = parse(certificate_pem), parse(issuer_pem)
    found: list[str] = []
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        found.append("it was not issued by the estate's issuer")
    if spki(certificate.public_key()) != expected.spki:
        found.append("its key is not the request's key")
    found += _subject_deviations(certificate, expected)
    found += _date_deviations(certificate, expected)
    try:
        found += _extension_deviations(certificate, expected)
    except ValueError:
        found.append("its extensions cannot be read")
    return tuple(found)


def _subject_deviations(certificate: x509.Certificate, expected: Expected) -> Iterable[str]:
    wanted: dict[x509.ObjectIdentifier, list[str]] = {NameOID.COMMON_NAME: [expected.common_name]}
    for name, values in expected.subject.items():
        if values:
            wanted[SUBJECT_NAMES[name]] = sorted(values)
    actual: dict[x509.ObjectIdentifier, list[str]] = {}
    for attribute in certificate.subject:
        actual.setdefault(attribute.oid, []).append(str(attribute.value))
    if {oid: sorted(v) for oid, v in actual.items()} != wanted:
        yield f"its subject is {certificate.subject.rfc4514_string()}"


def _date_deviations(certificate: x509.Certificate, expected: Expected) -> Iterable[str]:
    not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not_after - not_before > timedelta(seconds=expected.longest):
        length = int((not_after - not_before).total_seconds())
        yield f"it is valid for {length} s, longer than {expected.longest} s"
    if expected.not_after and not_after > datetime.fromisoformat(expected.not_after):
        yield f"it ends {rfc3339(not_after)}, after {expected.not_after}"


def _extension_deviations(certificate: x509.Certificate, expected: Expected) -> Iterable[str]:
    extensions = {e.oid: e for e in certificate.extensions}
    yield from (
        f"it has the unasked extension {oid.dotted_string}" for oid in extensions.keys() - _ALLOWED_EXTENSIONS
    )
    for oid, what in _values(expected).items():
        there = extensions.get(oid)
        if there is None:
            if what is not None:
                yield f"it lacks the extension {oid.dotted_string}"
        elif what is None or _value(there.value) != what:
            yield f"its extension {oid.dotted_string} is {_value(there.value)}, not {what}"
    usage = extensions.get(ExtensionOID.KEY_USAGE)
    if usage is not None and not usage.critical:
        yield "its key usage is not critical (RFC 5280 §4.2.1.3)"
    basic = extensions.get(ExtensionOID.BASIC_CONSTRAINTS)
    if basic is not None and basic.value.ca:
        yield "it is a CA certificate"


def _values(expected: Expected) -> dict[x509.ObjectIdentifier, list[str] | None]:
    return {
        ExtensionOID.KEY_USAGE: sorted(expected.key_usages) or None,
        ExtensionOID.EXTENDED_KEY_USAGE: sorted(expected.ext_key_usages) or None,
        ExtensionOID.CERTIFICATE_POLICIES: sorted(expected.policy_oids) or None,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME: [f"URI:{expected.uri_san}"],
    }


def _value(value: x509.ExtensionType) -> list[str]:
    """The comparable content of the extensions that `_values` names."""
    match value:
        case x509.KeyUsage():
            return sorted(name for name, attribute in KEY_USAGES.items() if getattr(value, attribute))
        case x509.ExtendedKeyUsage():
            return sorted(oid.dotted_string for oid in value)
        case x509.CertificatePolicies():
            return sorted(p.policy_identifier.dotted_string for p in value)
        case x509.SubjectAlternativeName():
            return sorted(
                f"URI:{n.value}"
                if isinstance(n, x509.UniformResourceIdentifier)
                else f"{type(n).__name__}:{n.value}"
                for n in value
            )
    return [type(value).__name__]
