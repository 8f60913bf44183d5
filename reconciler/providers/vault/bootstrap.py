"""Prepares a server for one estate, as its administrator: mounts, login methods, the four identities, the probe.

Idempotent: told twice, the second time it changes nothing. The CA is made before this, by its own provider.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.errors import InvalidInput, Rejected
from reconciler.model.estate import Estate
from reconciler.providers.dialect import shown
from reconciler.providers.protocol import Client
from reconciler.providers.vault.devfiles import write_private
from reconciler.providers.vault.footing import KV, footing, of_the_tool, plain, probe_name, tier_probe_name
from reconciler.providers.vault.issuers import laid
from reconciler.providers.vault.policies import grant_document
from reconciler.providers.vault.resources import TOKEN_LIFE, TOKEN_LOGIN_LIFE, TOKEN_TTL, document
from reconciler.providers.vault.runners import LIFE, POLICIES, PROBE, TIER_PROBE

_KV_READY_SECONDS = 10.0


class Bootstrap:
    """One estate on one server. `changed` lists what was made or mended, for people."""

    def __init__(self, admin: Client, estate: Estate, address: str) -> None:
        self._admin, self._estate, self._address = admin, estate, address
        self.changed: list[str] = []

    def run(self) -> tuple[str, ...]:
        """Do whatever is missing. Raises `TargetError`, or `InvalidInput` for a name that cannot be kept apart."""
        estate, mounts = self._estate, self._estate.mounts
        refuse_ambiguous(estate)
        self._mount("mounts", mounts.kv, "kv", {"options": {"version": "2"}})
        self._mount("auth", mounts.cert, "cert", {})
        self._mount("auth", mounts.run, "approle", {})
        for mount in estate.issuer_mounts.values():
            self._mount("auth", mount, "jwt", {})
            self._tune(f"auth/{mount}", TOKEN_TTL, TOKEN_LOGIN_LIFE)
        self._tune(f"auth/{mounts.cert}", TOKEN_TTL, TOKEN_LIFE)
        self._tune(f"auth/{mounts.run}", min(LIFE.values()), max(LIFE.values()))
        self._kv_config()
        accessors = {p.rstrip("/"): str(a["accessor"]) for p, a in self._admin.read("sys/auth").data.items()}
        authority = str(self._admin.read(f"{mounts.pki}/cert/ca").data["certificate"])
        self._footing(footing(estate, accessors=accessors, authority=authority))
        for identity in POLICIES:
            self._identity(identity)
        self._probe(accessors[mounts.cert], probe_name(estate), PROBE)
        self._probe(accessors[mounts.cert], tier_probe_name(estate), TIER_PROBE)
        self._disempower()
        faults = estate.issuer_faults
        for name, (path, wanted) in zip(estate.issuer_mounts, laid(estate).items(), strict=True):
            if name not in faults:
                self._ensure(path, wanted)  # last: the server asks issuers, who may be away
        for issuer in (one for one in estate.spec.token_issuers if one.name in faults):
            remedy = "give a file below the directory of idac.yaml: a JSON Web Key Set of public keys, or PEM"
            raise InvalidInput(f"{issuer.called}: {faults[issuer.name]}", remedy=remedy)
        return tuple(self.changed)

    def _mount(self, where: str, path: str, kind: str, extra: Mapping[str, Any]) -> None:
        found = self._admin.read(f"sys/{where}").data.get(f"{path}/")
        if found is None:
            body = {"type": kind, "description": f"idac {self._estate.name}", **extra}
            self._admin.write(f"sys/{where}/{path}", body)
            self.changed.append(f"{where}/{path}")
        elif found["type"] != kind:
            raise Rejected(
                f"{path}/ is a mount of type {found['type']}, not {kind}",
                remedy="rename the estate, or unmount it",
            )

    def _tune(self, mount: str, usual: int, longest: int) -> None:
        wanted = {"default_lease_ttl": usual, "max_lease_ttl": longest, "listing_visibility": "hidden"}
        self._ensure(f"sys/{mount}/tune", {**wanted, "token_type": "default-service"})

    def _kv_config(self) -> None:
        """A fresh KV v2 mount refuses everything for a moment, while it makes its keys."""
        deadline = time.monotonic() + _KV_READY_SECONDS
        while True:
            try:
                return self._ensure(f"{self._estate.mounts.kv}/config", KV)
            except Rejected:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _footing(self, standing: Mapping[str, Mapping[str, Any]]) -> None:
        for path, wanted in standing.items():
            self._ensure(path, wanted)
        grant = f"sys/policies/acl/{self._estate.prefix}grant"
        if not self._admin.read(grant).found:  # from then on it is the govern login's to keep
            self._ensure(grant, {"policy": document(grant_document(self._estate, {}))})

    def _identity(self, identity: str) -> None:
        mount = self._estate.mounts.run
        role = f"auth/{mount}/role/{identity}"
        self._ensure(
            role, _approle([f"{self._estate.prefix}{suffix}" for suffix in POLICIES[identity]], LIFE[identity])
        )
        role_id = str(self._admin.read(f"{role}/role-id").data["role_id"])
        file = Path(self._estate.root) / ".idac" / "logins" / f"{identity}.json"
        if self._stands(role, role_id, file):
            return
        secret_id = self._admin.write(f"{role}/secret-id", {}).data["secret_id"]
        file.parent.parent.mkdir(mode=0o700, exist_ok=True)
        file.parent.mkdir(mode=0o700, exist_ok=True)
        noted = {"address": self._address, "mount": mount, "role_id": role_id, "secret_id": secret_id}
        write_private(file, noted)
        self.changed.append(f"login {identity}")

    def _stands(self, role: str, role_id: str, file: Path) -> bool:
        """Whether the noted secret id still works, so that no further one is made."""
        try:
            noted = json.loads(file.read_text())
            if (noted["role_id"], noted["address"]) != (role_id, self._address):
                return False
            asked = next(
                iter(self._admin.ask_many(f"{role}/secret-id/lookup", [{"secret_id": noted["secret_id"]}]))
            )
        except (OSError, ValueError, LookupError, TypeError):
            return False
        return bool(asked.data)

    def _probe(self, accessor: str, entity_name: str, alias: str) -> None:
        """A principal that proofs log in as: it has no policy, and its tokens live for seconds."""
        name = f"identity/entity/name/{entity_name}"
        mark = {"idac_estate": self._estate.name, "idac_state": "probe"}
        self._ensure(name, {"metadata": mark, "policies": [], "disabled": False})
        entity = self._admin.read(name).data
        if not any(one["mount_accessor"] == accessor and one["name"] == alias for one in entity["aliases"] or ()):
            body = {"name": alias, "canonical_id": entity["id"], "mount_accessor": accessor}
            self._admin.write("identity/entity-alias", body)
            self.changed.append(f"alias {alias}")

    def _disempower(self) -> None:
        """Take from the runners' entities what nobody should have given them."""
        for id_ in self._admin.list("identity/entity/id").keys:
            entity = self._admin.read(f"identity/entity/id/{id_}").data
            if of_the_tool(entity, self._estate) and entity.get("policies"):
                self._ensure(f"identity/entity/id/{id_}", {"policies": []})

    def _ensure(self, path: str, wanted: Mapping[str, Any]) -> None:
        """Write when something differs, and read it back."""
        if _agrees(self._admin.read(path).data, wanted):
            return
        self._admin.write(path, wanted)
        if not _agrees(self._admin.read(path).data, wanted):
            raise Rejected(f"{path} does not say what was written", remedy="look at the server's log")
        self.changed.append(path)


def bootstrap(admin: Client, estate: Estate, address: str) -> tuple[str, ...]:
    """Everything of the estate but its CA, which must stand already; what was changed, in words.

    `address` is noted in the logins: they are good for that server alone.
    """
    return Bootstrap(admin, estate, address).run()


def refuse_ambiguous(estate: Estate) -> None:
    """Estate `prod` owns every policy `idac-prod-role-*`; so no estate may be called `prod-role-x`.

    Nor `prod-hsm-x` or `prod-jwt-x`: what is mounted at `idac-prod-hsm-*` is a token of `prod`, and at
    `idac-prod-jwt-*` a login of its workloads or people.
    """
    for word, what in (
        ("role", "its policies could not be told from another estate's Roles"),
        ("hsm", "its mounts could not be told from another estate's HSM tokens"),
        ("jwt", "its mounts could not be told from another estate's token issuers"),
    ):
        if word in estate.name.split("-")[1:]:
            raise InvalidInput(f"estate {estate.name}: {what}", remedy=f"choose a name without '-{word}'")


def _approle(policies: list[str], life: int) -> Mapping[str, Any]:
    return {
        "bind_secret_id": True,
        "secret_id_bound_cidrs": None,
        "secret_id_num_uses": 0,
        "secret_id_ttl": 0,
        "token_bound_cidrs": [],
        "token_explicit_max_ttl": life,
        "token_max_ttl": life,
        "token_no_default_policy": True,
        "token_num_uses": 0,
        "token_period": 0,
        "token_policies": policies,
        "token_strictly_bind_ip": False,
        "token_ttl": life,
        "token_type": "service",
    }


def _agrees(standing: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(plain(shown(standing, name)) == plain(value) for name, value in wanted.items())
