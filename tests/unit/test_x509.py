"""The door to cryptography, judged by openssl."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reconciler import x509
from reconciler.errors import CryptoError
from reconciler.model.secret import Secret

SPIFFE = "spiffe://meridian.test/trader/anna"


def openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def authority(tmp: Path, name: str = "ca") -> tuple[Path, Path]:
    key, certificate = tmp / f"{name}.key", tmp / f"{name}.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    where = ("-keyout", str(key), "-out", str(certificate))
    openssl("req", "-x509", *curve, "-subj", f"/CN={name}", "-days", "30", *where,
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    return key, certificate


def issue(tmp: Path, csr: str, extensions: str, subject: str = "/CN=trader.anna", days: int = 1) -> str:
    key, certificate = tmp / "ca.key", tmp / "ca.pem"
    config = tmp / "ext.cnf"
    config.write_text(extensions)
    return openssl(
        "x509", "-req", "-CA", str(certificate), "-CAkey", str(key), "-subj", subject, "-days", str(days),
        "-extfile", str(config), "-sha256", stdin=csr.encode(),
    ).decode()  # fmt: skip


GOOD = (
    "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n"
    f"subjectAltName=URI:{SPIFFE}\ncertificatePolicies=1.3.6.1.4.1.55555.1.1\n"
)


def expected(csr: x509.Csr, **changed: Any) -> x509.Expected:
    fields: dict[str, Any] = {
        "spki": csr.spki,
        "common_name": "trader.anna",
        "uri_san": SPIFFE,
        "key_usages": ("DigitalSignature",),
        "ext_key_usages": ("1.3.6.1.5.5.7.3.2",),  # clientAuth
        "policy_oids": ("1.3.6.1.4.1.55555.1.1",),
        "longest": 90000,
        **changed,
    }
    return x509.Expected(**fields)


def test_a_csr_of_openssl_is_read_and_its_spki_agrees(tmp_path: Path) -> None:
    key = tmp_path / "k.pem"
    key.write_bytes(openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"))
    csr = x509.read_csr(openssl("req", "-new", "-key", str(key), "-subj", "/CN=x").decode())
    der = openssl("pkey", "-in", str(key), "-pubout", "-outform", "DER")
    assert (csr.key_type, csr.key_bits, csr.spki) == ("ec", 256, hashlib.sha256(der).hexdigest())


def test_a_csr_whose_signature_was_altered_is_refused() -> None:
    _, pem = x509.new_key_and_csr("x")
    der = bytearray(openssl("req", "-outform", "DER", stdin=pem.encode()))
    der[-1] ^= 1
    altered = openssl("req", "-inform", "DER", "-outform", "PEM", stdin=bytes(der)).decode()
    with pytest.raises(CryptoError, match="signature does not verify"):
        x509.read_csr(altered)


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", "A" * 70000, "\x00"])
def test_what_is_no_csr_is_refused(text: str) -> None:
    with pytest.raises(CryptoError):
        x509.read_csr(text)


def test_two_requests_in_one_file_are_refused() -> None:
    _, pem = x509.new_key_and_csr("x")
    with pytest.raises(CryptoError, match="exactly one"):
        x509.read_csr(pem + pem)


def test_a_foreign_curve_of_the_right_size_is_not_taken_for_p256(tmp_path: Path) -> None:
    key = tmp_path / "k.pem"
    key.write_bytes(openssl("ecparam", "-name", "secp256k1", "-genkey", "-noout"))
    csr = x509.read_csr(openssl("req", "-new", "-key", str(key), "-subj", "/CN=x").decode())
    assert csr.key_type == "secp256k1"


def test_a_certificate_exactly_as_asked_has_no_deviations(tmp_path: Path) -> None:
    _, ca = authority(tmp_path)
    _, pem = x509.new_key_and_csr("ignored")
    certificate = issue(tmp_path, pem, GOOD)
    assert x509.deviations(certificate, ca.read_text(), expected(x509.read_csr(pem))) == ()
    read = x509.read_certificate(certificate)
    assert (read.common_name, read.uri_sans) == ("trader.anna", (SPIFFE,))
    printed = openssl("x509", "-noout", "-serial", stdin=certificate.encode()).decode().strip().split("=")[1]
    assert read.serial.replace(":", "").upper() == printed


@pytest.mark.parametrize(
    ("extensions", "subject", "days", "word"),
    [
        (GOOD.replace("digitalSignature", "digitalSignature,keyEncipherment"), "/CN=trader.anna", 1, "2.5.29.15"),
        (GOOD.replace("critical,", ""), "/CN=trader.anna", 1, "not critical"),
        (GOOD.replace("clientAuth", "clientAuth,serverAuth"), "/CN=trader.anna", 1, "2.5.29.37"),
        (GOOD.replace(f"URI:{SPIFFE}", f"URI:{SPIFFE},URI:spiffe://x/y"), "/CN=trader.anna", 1, "2.5.29.17"),
        (GOOD.replace(f"URI:{SPIFFE}", f"URI:{SPIFFE},DNS:bank.example"), "/CN=trader.anna", 1, "2.5.29.17"),
        (GOOD.replace("55555.1.1", "55555.1.2"), "/CN=trader.anna", 1, "2.5.29.32"),
        (GOOD.replace("keyUsage=critical,digitalSignature\n", ""), "/CN=trader.anna", 1, "lacks"),
        (GOOD + "basicConstraints=critical,CA:TRUE\n", "/CN=trader.anna", 1, "CA certificate"),
        (GOOD + "nsComment=hello\n", "/CN=trader.anna", 1, "unasked"),
        (GOOD, "/CN=trader.bob", 1, "subject"),
        (GOOD, "/CN=trader.anna/CN=trader.bob", 1, "subject"),
        (GOOD, "/O=Evil/CN=trader.anna", 1, "subject"),
        (GOOD, "/CN=trader.anna", 2, "longer"),
    ],
)
def test_every_deviation_from_the_profile_is_named(
    tmp_path: Path, extensions: str, subject: str, days: int, word: str
) -> None:
    _, ca = authority(tmp_path)
    _, pem = x509.new_key_and_csr("x")
    found = x509.deviations(
        issue(tmp_path, pem, extensions, subject, days), ca.read_text(), expected(x509.read_csr(pem))
    )
    assert any(word in line for line in found), found


def test_another_key_another_issuer_and_a_later_end_are_deviations(tmp_path: Path) -> None:
    _, ca = authority(tmp_path)
    _, pem = x509.new_key_and_csr("x")
    _, other = x509.new_key_and_csr("x")
    certificate = issue(tmp_path, pem, GOOD)
    csr = x509.read_csr(pem)
    assert x509.deviations(certificate, ca.read_text(), expected(x509.read_csr(other)))
    assert x509.deviations(certificate, ca.read_text(), expected(csr, not_after="2020-01-01T00:00:00Z"))
    _, foreign = authority(tmp_path, "foreign")
    assert x509.deviations(certificate, foreign.read_text(), expected(csr))


def test_openssl_verifies_what_a_signer_signed(tmp_path: Path) -> None:
    signer = x509.Signer(x509.new_signing_key())
    (tmp_path / "key.pem").write_text(signer.public_pem)
    (tmp_path / "sig").write_bytes(signer.sign(b"data"))
    key, sig = str(tmp_path / "key.pem"), str(tmp_path / "sig")
    assert openssl("dgst", "-sha256", "-verify", key, "-signature", sig, stdin=b"data") == b"Verified OK\n"
    assert x509.key_id(signer.public_pem) == signer.key_id
    x509.verify(signer.public_pem, signer.sign(b"data"), b"data")
    with pytest.raises(CryptoError):
        x509.verify(signer.public_pem, signer.sign(b"data"), b"datA")


@pytest.mark.parametrize("key", ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_bad_record_key_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(CryptoError, match="record key"):
        x509.Signer(Secret(key))


def test_the_trial_servers_tls_verifies_for_loopback_alone(tmp_path: Path) -> None:
    tls = x509.loopback_tls()
    (tmp_path / "ca.pem").write_text(tls.authority)
    (tmp_path / "leaf.pem").write_text(tls.certificate)
    ca, leaf = str(tmp_path / "ca.pem"), str(tmp_path / "leaf.pem")
    common = ("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", ca)
    openssl(*common, "-verify_ip", "127.0.0.1", leaf)
    openssl(*common, "-verify_hostname", "localhost", leaf)
    other = subprocess.run(["openssl", *common, "-verify_ip", "10.0.0.1", leaf], capture_output=True, check=False)
    assert other.returncode != 0


def test_serials_are_printed_as_the_pki_engine_does() -> None:
    assert (x509.colons(0x0A), x509.colons(0xABC), x509.colons(0x80)) == ("0a", "0a:bc", "80")


def test_pem_texts_are_joined_with_exactly_one_newline() -> None:
    assert x509.join_pem("a", "b\n", "\nc\n\n") == "a\nb\nc\n"
