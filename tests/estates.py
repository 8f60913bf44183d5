"""Makes estates of any size on disk, for tests and the bench. Each trader has a key of their own."""

from __future__ import annotations

import sys
from pathlib import Path

from stdnum.iso7064 import mod_97_10

from reconciler.x509 import new_key_and_csr

ROLES = ("rfq-trader", "order-entry")
CONFIGURATION = """\
apiVersion: idac/v1
kind: Estate
metadata: {{name: {name}}}
spec:
  manifests: [manifests]
  plans: plans
  trustDomain: {name}.test
  policy: {{autoApprove: true, removals: {{absolute: 50, percent: 100}}, issuanceCap: 100000}}
"""
PROFILE = """\
apiVersion: idac/v1
kind: CertificateProfile
metadata: {name: trader-mtls}
spec:
  key: {algorithm: ec-p256, origin: software}
  keyUsages: [digitalSignature]
  ekus: [clientAuth]
  subject: {organization: [Estate of the tests]}
  ttl: 24h
  renewBefore: 8h
  maxKeyAge: 365d
"""
ROLE = """\
apiVersion: idac/v1
kind: Role
metadata: {{name: {name}}}
spec:
  permissions: [{permission}]
  vaultPaths:
  - {{path: trading/data/{name}/*, capabilities: [read, list]}}
"""
TRADER = """\
apiVersion: idac/v1
kind: Trader
metadata: {{name: {name}, labels: {{region: emea}}}}
spec:
  personId: "E{number}"
  mifid: {{shortCode: {number}, piiRef: "vault://pii/persons/E{number}"}}
  entityLei: "{lei}"
  desk: fx-emea
  employment: {{start: "2024-02-01", status: {status}}}
  roles: [{roles}]
  marketAccess:
  - venues: [XLON]
    products: [BOND]
    jurisdictions: ["NO", GB]
    limits: {{ccy: EUR, perOrder: 5000000, perDay: 40000000}}
    notAfter: "2099-03-31"
  credentials:
  - {{name: mtls, profile: trader-mtls, key: {{csr: csr/{name}-mtls.pem}}}}
"""


def lei(stem: str = "213800TESTESTATE00") -> str:
    """An LEI with valid check digits from its first 18 characters (ISO 17442)."""
    return stem + mod_97_10.calc_check_digits(stem)


def trader_name(index: int) -> str:
    """The name of the trader with that index."""
    return f"t{index:05}"


def write_trader(
    root: Path, index: int, *, status: str = "active", roles: tuple[str, ...] = ROLES[:1], new_key: bool = True
) -> Path:
    """Write (or rewrite) one trader's manifest and, unless told otherwise, a CSR of a key nobody keeps."""
    name = trader_name(index)
    number = 1_000_000 + index
    text = TRADER.format(name=name, number=number, lei=lei(), status=status, roles=", ".join(roles))
    if new_key:
        (root / "csr" / f"{name}-mtls.pem").write_text(new_key_and_csr(name)[1])
    path = root / "manifests" / "traders" / f"{name}.yaml"
    path.write_text(text)
    return path


def write_estate(root: Path, traders: int, *, name: str = "testing") -> Path:
    """An estate of that many traders, two roles and one profile. Returns its `idac.yaml`."""
    for directory in ("csr", "manifests/traders", "plans"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    (root / "idac.yaml").write_text(CONFIGURATION.format(name=name))
    (root / "manifests" / "profile.yaml").write_text(PROFILE)
    for role in ROLES:
        (root / "manifests" / f"role-{role}.yaml").write_text(ROLE.format(name=role, permission="order.enter"))
    for index in range(traders):
        write_trader(root, index, roles=ROLES[: 1 + index % 2])
    return root / "idac.yaml"


if __name__ == "__main__":
    write_estate(Path(sys.argv[1]), int(sys.argv[2]))
