"""A relay that makes the real OpenBao answer as Vault's API does, where the two differ (docs/vault.md)."""

from __future__ import annotations

import json
import re
from typing import Any

from reconciler.providers.dialect import OPENBAO_ALONE
from tests.weather import Relay

UNSUPPORTED = json.dumps({"errors": ["1 error occurred:\n\t* unsupported path\n\n"]}).encode()
# Listings that Vault has not.
BULK = re.compile(r"/(detailed-metadata|certs/detailed|policies/detailed|cel/role)(/|\Z|\?)")
POLICY = ("expiration", "cas_required", "version", "modified", "data_size", "ttl",
          "allow_slashes_in_identity_templates", "allow_wildcards_in_identity_templates")  # fmt: skip
METADATA = ("current_metadata_version", "metadata_cas_required")  # of KV v2


class AsVault(Relay):
    """Leaves out what Vault has not, and says of parameters that it would not know that they were ignored."""

    def ask(self, body: bytes) -> tuple[int, bytes]:
        if BULK.search(self.path):
            return 404, UNSUPPORTED
        if self.command == "LIST":
            self.path = self.path.partition("?")[0]  # Vault reads no query of a LIST
        status, answer = super().ask(body)
        if not answer or not answer.lstrip().startswith(b"{"):
            return status, answer
        document = json.loads(answer)
        if isinstance(document.get("data"), dict):
            document["data"] = self._told(document["data"])
        strange = sorted(OPENBAO_ALONE.keys() & _sent(body))
        if strange and status == 200 and document.get("data") is not None:
            said = f"Endpoint ignored these unrecognized parameters: [{' '.join(strange)}]"
            document["warnings"] = [*(document.get("warnings") or ()), said]
        return status, json.dumps(document).encode()

    def _told(self, data: dict[str, Any]) -> dict[str, Any]:
        hidden = {*OPENBAO_ALONE, *METADATA}
        if "/sys/policies/" in self.path:
            hidden |= {*POLICY}
        return {name: value for name, value in data.items() if name not in hidden}


def _sent(body: bytes) -> set[str]:
    try:
        document = json.loads(body) if body else {}
    except ValueError:
        return set()
    return set(document) if isinstance(document, dict) else set()
