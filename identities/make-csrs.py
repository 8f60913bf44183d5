"""Makes the certificate requests of this invented firm, and throws every private key away.

In a real estate each holder makes the key on their own token or TPM and hands over the request alone. Run it
from the repository with `.venv/bin/python identities/make-csrs.py`; requests that are there already stay.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

HERE = Path(__file__).parent
P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("-newkey", "rsa:3072")
REQUESTS = {
    "ines-duarte-mtls": P256,
    "tomas-lind-mtls": P256,
    "tomas-lind-report": RSA,
    "aiko-brandt-mtls": P256,
    "sam-okafor-mtls": P256,
    "leah-roth-mtls": P256,
}


def make(name: str, key: tuple[str, ...]) -> None:
    """One request. The key goes to /dev/null: nobody can ever use what is issued for it."""
    out = HERE / "csr" / f"{name}.pem"
    if not out.exists():
        subject = f"/CN={name.rsplit('-', 1)[0]}"
        command = ["openssl", "req", "-new", *key, "-nodes", "-keyout", "/dev/null", "-subj", subject]
        subprocess.run([*command, "-out", str(out)], check=True, capture_output=True)  # noqa: S603


if __name__ == "__main__":
    for name, key in REQUESTS.items():
        make(name, key)
