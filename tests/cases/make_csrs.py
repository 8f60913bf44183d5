"""Makes the certificate requests of the golden cases, good and bad ones; no key is kept.

`python -m tests.cases.make_csrs`. The expected files name the fingerprints of their keys, so run
`python -m tests.cases.golden` afterwards.
"""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

HERE = Path(__file__).parent / "csr"


def request(name: str, *key: str) -> Path:
    path = HERE / f"{name}.pem"
    command = [
        "openssl",
        "req",
        "-new",
        "-nodes",
        "-keyout",
        "/dev/null",
        "-subj",
        "/CN=anybody",
        "-out",
        str(path),
    ]
    subprocess.run([*command, *key], check=True, capture_output=True)
    return path


def curve(name: str) -> tuple[str, ...]:
    return "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{name}"


def pem(der: bytes) -> str:
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"


def main() -> None:
    HERE.mkdir(exist_ok=True)
    for number in range(1, 5):
        request(f"good-{number}", *curve("P-256"))
    request("p384", *curve("P-384"))
    request("koblitz", *curve("secp256k1"))
    request("rsa-2048", "-newkey", "rsa:2048")
    request("ed25519", "-newkey", "ed25519")
    broken = request("bad-signature", *curve("P-256"))
    body = bytearray(base64.b64decode("".join(broken.read_text().splitlines()[1:-1])))
    body[body.index(b"anybody")] ^= 0x01  # another name than the one that was signed
    broken.write_text(pem(bytes(body)))
    (HERE / "no-request.pem").write_text(pem(b"nonsense"))


if __name__ == "__main__":
    main()
