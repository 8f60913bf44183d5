"""Golden manifests: `tests/cases/<kind>/<case>/*.yaml`, and beside them in `expected.json` what comes of them.

`python -m tests.cases.golden` writes the expected files anew; read the difference before you commit it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from reconciler.expand import expand
from reconciler.load import load, load_estate
from reconciler.model.manifest import Finding
from reconciler.rules.estate import check

HERE = Path(__file__).parent
TODAY = date(2026, 11, 25)
CONFIGURATION = """\
apiVersion: idac/v1
kind: Estate
metadata: {name: golden}
spec:
  trustDomain: golden.test
  manifests: [manifests]
  workloadIssuers:
  - name: spire
    issuer: https://spire.golden.test
    jwksUrl: https://spire.golden.test/keys
    claims: {environment: /workload/environment, image: /workload/image, model: /workload/model}
  - name: kube
    issuer: https://kube.golden.test
    discoveryUrl: https://kube.golden.test
    subjects: ["system:serviceaccount:trading:*"]
    claims: {environment: /env, image: /image, model: /model, config: /config}
  identityProviders:
  - name: corp
    issuer: https://login.golden.test
    jwksUrl: https://login.golden.test/keys
    audience: idac-golden
    subjects: ["00u*"]
  - name: partner
    issuer: https://partner.golden.test
    discoveryUrl: https://partner.golden.test
    audience: idac-golden
    claims: {acr: /https_golden_test/acr, amr: /https_golden_test/amr}
"""


def cases() -> Iterator[Path]:
    """Every case's directory."""
    return (path.parent for path in sorted(HERE.glob("*/*/expected.json")))


def outcome(case: Path, root: Path) -> dict[str, Any]:
    """What loading, checking and expanding a case gives; `root` is an empty directory to do it in."""
    shutil.copytree(case, root / "manifests", ignore=shutil.ignore_patterns("expected.json", "idac.yaml"))
    shutil.copytree(HERE / "csr", root / "csr")
    own = case / "idac.yaml"  # of a case that is about the estate's configuration too
    (root / "idac.yaml").write_text(own.read_text() if own.exists() else CONFIGURATION)
    estate = load_estate(root / "idac.yaml")
    tree = load(estate)
    desired = expand(tree, estate, TODAY)
    findings = (*tree.findings, *check(tree, estate, TODAY), *desired.findings)
    return {
        "findings": [_line(f) for f in findings],
        "absenceIsIntent": tree.absence_is_intent,
        "frozen": sorted(map(str, desired.frozen)),
        "lifecycles": {str(s): state for s, state in sorted(desired.lifecycles.items())},
        "reasons": {str(s): why for s, why in sorted(desired.reasons.items())},
        "previously": {str(new): str(old) for new, old in sorted(desired.previously.items())},
        "desired": {a: _content(a, r.fields) for a, r in sorted(desired.resources.items())},
    }


def _content(address: str, fields: Any) -> Any:
    """The fields that manifests decide; what is pinned for all is the providers' own tests' matter."""
    names = {
        "vault.entity": ("policies", "aliases"),
        "vault.policy": ("name", "document"),
        "vault.login": ("allowed_common_names", "allowed_uri_sans"),
        "vault.login by token": ("bound_audiences", "bound_claims", "bound_subject"),
        "ca.issuer": ("allowed_domains", "allowed_uri_sans", "key_type", "key_bits", "key_usage", "client_flag",
                      "organization", "ou", "ttl"),
        "ca.certificate": ("profile", "common_name", "uri_san", "spki"),
        "ca.profile": ("key_type", "key_bits", "key_usage", "ext_key_usage_oids", "client_flag",
                       "policy_identifiers", "organization", "ou", "ttl"),
    }  # fmt: skip
    kind = "vault.login by token" if "bound_subject" in fields else address.split("/", maxsplit=1)[0]
    wanted = names.get(kind, tuple(fields))
    return {name: fields[name] for name in wanted}


def _line(finding: Finding) -> str:
    return f"{finding.severity} {finding.code} {finding.subject or '-'} {finding.origin}: {finding.message}"


def main() -> None:
    """Write every expected file anew, and one for each case that has none."""
    for case in sorted({path.parent for path in HERE.glob("*/*/*.y*ml")}):
        with tempfile.TemporaryDirectory() as root:
            made = outcome(case, Path(root))
        (case / "expected.json").write_text(json.dumps(made, indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
