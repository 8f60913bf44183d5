"""The door to `cryptography`: CSRs, certificates, CRLs, OCSP and signatures. We compose, we invent nothing.

Everything that is not what it must be raises `CryptoError`. PEM texts end in a newline (the PKI engine's do
not, and naive concatenation breaks PEM). Serials are lower-case hex with colons; SPKI and fingerprints are
lower-case hex SHA-256; times are RFC 3339 UTC with `Z`, whole seconds.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from reconciler.errors import CryptoError
from reconciler.model.secret import Secret

P256 = ec.ECDSA(hashes.SHA256())
LARGEST_PEM = 65_536  # characters; an RSA-8192 certificate with a long chain stays below

# RFC 5280 §4.2.1.3, by the names the PKI engine uses.
KEY_USAGES = {
    "DigitalSignature": "digital_signature",
    "ContentCommitment": "content_commitment",
    "KeyEncipherment": "key_encipherment",
    "DataEncipherment": "data_encipherment",
    "KeyAgreement": "key_agreement",
    "CertSign": "key_cert_sign",
    "CRLSign": "crl_sign",
}
EXT_KEY_USAGES = {
    "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string,
    "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH.dotted_string,
    "codeSigning": ExtendedKeyUsageOID.CODE_SIGNING.dotted_string,
    "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string,
    "timeStamping": ExtendedKeyUsageOID.TIME_STAMPING.dotted_string,
}
SUBJECT_NAMES = {
    "common_name": NameOID.COMMON_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "ou": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "country": NameOID.COUNTRY_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "street_address": NameOID.STREET_ADDRESS,
    "postal_code": NameOID.POSTAL_CODE,
}
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
class Csr:
    """A certificate signing request whose self-signature verified. Nothing else in it is trusted."""

    pem: str
    spki: str
    key_type: str  # "ec", "rsa", "ed25519"
    key_bits: int  # 256 for ed25519


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says of itself. Nothing here was verified."""

    serial: str
    fingerprint: str
    spki: str
    common_name: str
    uri_sans: tuple[str, ...]
    not_before: str
    not_after: str
    issuer: str  # RFC 4514
    subject: str  # RFC 4514


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


@dataclass(frozen=True, slots=True)
class Crl:
    """A revocation list whose signature was checked. `base` is the number a delta is relative to, else None."""

    number: int
    base: int | None
    this_update: str
    next_update: str
    serials: frozenset[str]


@dataclass(frozen=True, slots=True)
class OcspAnswer:
    """An OCSP answer whose signature was checked. RFC 6960 §2.2."""

    status: str  # "good", "revoked", "unknown"
    revoked_at: str
    this_update: str
    next_update: str


def rfc3339(moment: datetime) -> str:
    """An aware datetime as RFC 3339 UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def colons(serial: int) -> str:
    """A serial number as the PKI engine prints it: two hex digits an octet, without DER's sign octet."""
    text = f"{serial:x}"
    text = text.zfill(len(text) + len(text) % 2)
    return ":".join(text[i : i + 2] for i in range(0, len(text), 2))


def join_pem(*pems: str) -> str:
    """PEM texts one after the other, each ending in exactly one newline."""
    return "".join(f"{pem.strip()}\n" for pem in pems)


# ---- reading ------------------------------------------------------------------------------------------------


def read_csr(pem: str) -> Csr:
    """A CSR (RFC 2986). Its self-signature must verify: that is the proof of possession of the key."""
    if len(pem) > LARGEST_PEM or pem.count("-----BEGIN") != 1:
        raise CryptoError("the file is not exactly one PEM certificate request", remedy="give one CSR a file")
    try:
        csr = x509.load_pem_x509_csr(pem.encode())
        key = csr.public_key()
        valid = csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        raise CryptoError(
            "the file is not a readable PKCS#10 certificate request",
            remedy="make it with `openssl req -new` on the holder's own device",
        ) from None
    if not valid:
        raise CryptoError(
            "the request's signature does not verify", remedy="it was altered, or signed with another key"
        )
    key_type, bits = _key(key)
    return Csr(join_pem(pem), _spki(key), key_type, bits)


def read_certificate(pem: str) -> Certificate:
    """A certificate (RFC 5280) in PEM."""
    certificate = _certificate(pem)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Certificate(
        serial=colons(certificate.serial_number),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        spki=_spki(certificate.public_key()),
        common_name=str(names[0].value) if len(names) == 1 else "",
        uri_sans=_uris(certificate),
        not_before=rfc3339(certificate.not_valid_before_utc),
        not_after=rfc3339(certificate.not_valid_after_utc),
        issuer=certificate.issuer.rfc4514_string(),
        subject=certificate.subject.rfc4514_string(),
    )


def _certificate(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise CryptoError("that is not a PEM certificate") from None


def _uris(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return tuple(names.get_values_for_type(x509.UniformResourceIdentifier))
    except x509.ExtensionNotFound:
        return ()
    except ValueError:
        raise CryptoError("the certificate's extensions cannot be read") from None


def _spki(key: CertificatePublicKeyTypes) -> str:
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _key(key: object) -> tuple[str, int]:
    if isinstance(key, ec.EllipticCurvePublicKey):
        # The curve itself, not its size: a P-256 profile must not take secp256k1 or a Brainpool curve.
        if not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1):
            return key.curve.name, key.key_size
        return "ec", key.key_size
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa", key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519", 256
    raise CryptoError(f"a key of type {type(key).__name__} is not supported", remedy="use P-256, P-384 or RSA")


# ---- comparing ----------------------------------------------------------------------------------------------


def deviations(certificate_pem: str, issuer_pem: str, expected: Expected) -> tuple[str, ...]:
    """How an issued certificate differs from what its profile asks, extension by extension. Empty: not at all."""
    certificate, issuer = _certificate(certificate_pem), _certificate(issuer_pem)
    found: list[str] = []
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        found.append("it was not issued by the estate's issuer")
    if _spki(certificate.public_key()) != expected.spki:
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
    if expected.not_after and not_after > datetime.fromisoformat(expected.not_after.replace("Z", "+00:00")):
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


# ---- revocation ---------------------------------------------------------------------------------------------


def read_crl(data: bytes, issuer_pem: str) -> Crl:
    """A complete or delta CRL (RFC 5280 §5), DER or PEM, signed by this issuer."""
    try:
        pem = data.lstrip().startswith(b"-----BEGIN")
        crl = x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)
        key = _certificate(issuer_pem).public_key()
        valid = isinstance(key, ec.EllipticCurvePublicKey) and crl.is_signature_valid(key)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound):
        raise CryptoError("that is not a readable CRL with a number") from None
    if not valid or crl.issuer != _certificate(issuer_pem).subject:
        raise CryptoError("the CRL is not signed by the estate's issuer")
    if crl.next_update_utc is None:
        raise CryptoError("the CRL has no nextUpdate (RFC 5280 §5.1.2.5)")
    base: int | None = None
    try:
        base = crl.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number
    except x509.ExtensionNotFound:
        base = None
    return Crl(
        number,
        base,
        rfc3339(crl.last_update_utc),
        rfc3339(crl.next_update_utc),
        frozenset(colons(revoked.serial_number) for revoked in crl),
    )


def ocsp_request(certificate_pem: str, issuer_pem: str) -> bytes:
    """A DER OCSP request (RFC 6960 §4.1) for one certificate."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(
        _certificate(certificate_pem), _certificate(issuer_pem), hashes.SHA256()
    )
    return builder.build().public_bytes(serialization.Encoding.DER)


def read_ocsp(der: bytes, certificate_pem: str, issuer_pem: str) -> OcspAnswer:
    """An OCSP response (RFC 6960 §4.2) about this very certificate, signed by the issuer itself."""
    issuer = _certificate(issuer_pem)
    try:
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise CryptoError(f"OCSP answered {answer.response_status.name}")
        algorithm = answer.signature_hash_algorithm
        key = issuer.public_key()
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            raise CryptoError("the OCSP answer is signed with an algorithm the issuer does not have")
        serial = answer.serial_number
    except InvalidSignature:
        raise CryptoError("the OCSP answer is not signed by the estate's issuer") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CryptoError("that is not a readable OCSP answer") from None
    if serial != _certificate(certificate_pem).serial_number:
        raise CryptoError("the OCSP answer is about another certificate")
    return OcspAnswer(
        answer.certificate_status.name.lower(),
        rfc3339(answer.revocation_time_utc) if answer.revocation_time_utc else "",
        rfc3339(answer.this_update_utc),
        rfc3339(answer.next_update_utc) if answer.next_update_utc else "",
    )


# ---- keys of the tool's own ---------------------------------------------------------------------------------


def new_key_and_csr(common_name: str) -> tuple[Secret, str]:
    """A P-256 key (PKCS#8 PEM) and its CSR: for the probe, the demo and the tests; never for a subject."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return _pkcs8(key), csr.public_bytes(serialization.Encoding.PEM).decode()


def new_signing_key() -> Secret:
    """A P-256 key for signing records, as PKCS#8 PEM."""
    return _pkcs8(ec.generate_private_key(ec.SECP256R1()))


def _pkcs8(key: ec.EllipticCurvePrivateKey) -> Secret:
    form = serialization.PrivateFormat.PKCS8
    return Secret(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode())


class Signer:
    """Signs with ECDSA P-256 and SHA-256, DER signatures: what DSSE verifiers of other makes accept."""

    def __init__(self, key: Secret) -> None:
        try:
            loaded = serialization.load_pem_private_key(key.reveal().encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise CryptoError("the record key is not an unencrypted PKCS#8 PEM key") from None
        if not isinstance(loaded, ec.EllipticCurvePrivateKey) or not isinstance(loaded.curve, ec.SECP256R1):
            raise CryptoError("the record key is not a P-256 key", remedy="make one with `idac bootstrap`")
        self.__key = loaded
        public = loaded.public_key()
        self.key_id = _spki(public)
        self.public_pem = public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()

    def sign(self, data: bytes) -> bytes:
        """The signature over these bytes."""
        return self.__key.sign(data, P256)


def key_id(public_pem: str) -> str:
    """SHA-256 of the SPKI of a P-256 public key in PEM."""
    return _spki(_public(public_pem))


def verify(public_pem: str, signature: bytes, data: bytes) -> None:
    """Raise `CryptoError` unless this is the key's ECDSA P-256/SHA-256 signature over these bytes."""
    try:
        _public(public_pem).verify(signature, data, P256)
    except InvalidSignature:
        raise CryptoError("the signature does not verify") from None


def _public(public_pem: str) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_pem_public_key(public_pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise CryptoError("that is not a public key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CryptoError("that is not a P-256 public key")
    return key


@dataclass(frozen=True, slots=True)
class LoopbackTls:
    """A throw-away authority and a server certificate for 127.0.0.1, ::1 and localhost."""

    authority: str
    certificate: str
    key: Secret


def loopback_tls(days: int = 365) -> LoopbackTls:
    """TLS for the trial server on loopback. The authority's key is forgotten at once."""
    now = datetime.now(UTC) - timedelta(minutes=5)
    until = now + timedelta(days=days)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idac trial server authority")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    usage = {attribute: False for attribute in KEY_USAGES.values()} | {
        "encipher_only": False,
        "decipher_only": False,
    }
    identifier = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    root = (
        _builder(root_name, root_name, root_key.public_key(), now, until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**{**usage, "key_cert_sign": True}), critical=True)
        .add_extension(identifier, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    addresses = [x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "::1")]
    leaf = (
        _builder(name, root_name, key.public_key(), now, until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), *addresses]), critical=False)
        .add_extension(x509.KeyUsage(**{**usage, "digital_signature": True}), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return LoopbackTls(root.public_bytes(pem).decode(), leaf.public_bytes(pem).decode(), _pkcs8(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, since: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
    )


__all__ = [
    "EXT_KEY_USAGES",
    "KEY_USAGES",
    "Certificate",
    "Crl",
    "Csr",
    "Expected",
    "LoopbackTls",
    "OcspAnswer",
    "Signer",
    "colons",
    "deviations",
    "join_pem",
    "key_id",
    "loopback_tls",
    "new_key_and_csr",
    "new_signing_key",
    "ocsp_request",
    "read_certificate",
    "read_crl",
    "read_csr",
    "read_ocsp",
    "rfc3339",
    "verify",
]
