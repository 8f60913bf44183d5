"""Changes policies, entities, login roles and tokens, one change at a time. Every write is read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.errors import Rejected
from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.resource import Fields, Resource
from reconciler.providers.protocol import Clients, Known, actual_of, desired_of
from reconciler.providers.vault.entities import CHANGED, REPLAN, EntityWriter
from reconciler.providers.vault.ownership import aliases
from reconciler.providers.vault.policies import spell
from reconciler.providers.vault.resources import login_name, login_path
from reconciler.providers.vault.seen import login_fields, policy_fields, token_login_fields
from reconciler.providers.vault.tierwriter import TierWriter
from reconciler.providers.vault.tokens import Tokens, Which


class VaultWriter:
    """Implements `providers.protocol.Writer` for `vault.*`. Reads as plan; who writes is in docs/contracts.md."""

    def __init__(self, clients: Clients, estate: Estate, run_id: str, clock: Callable[[], str]) -> None:
        self._clients, self._estate = clients, estate
        self._tokens = Tokens(clients)
        self._tiers = TierWriter(clients, estate)
        self._entities = EntityWriter(clients, estate, self._tokens, run_id, clock)

    def apply(self, change: Change, known: Known) -> Fields:
        """Do it, read it back, and say with which ids. Raises `IdacError`."""
        match change.type, change.action:
            case "vault.policy", "create" | "update" | "delete":
                return self._delete_policy(change) if change.action == "delete" else self._write_policy(change)
            case "vault.login", "create" | "update" | "delete":
                gone = change.action == "delete"
                return self._delete_login(change) if gone else self._write_login(change, known)
            case "vault.alias", "delete":
                return self._delete_alias(change)
            case "vault.mfa", "create" | "update" | "delete":
                done = self._tiers.apply(change, known)
                self._tokens.forget()  # a sweep before this may lack whoever logged in without the code meanwhile
                return done
            case "vault.token", "revoke":
                return self._tokens.revoke(_id_of(change), _tokens_of(change))
        return self._entities.apply(change)

    # -- policies --------------------------------------------------------------------------------------

    def _write_policy(self, change: Change) -> Fields:
        desired = desired_of(change)
        path = f"sys/policies/acl/{desired.fields['name']}"
        standing = self._clients("plan").read(path)
        there = policy_fields(standing.data) if standing.found else None
        if there not in (_fields(change.actual), desired.fields):
            raise Rejected(f"{path}: {CHANGED}", remedy=REPLAN)
        # Whatever is left out goes back to what PLAIN_POLICY says. A server without versions knows no `cas`.
        version = {"cas": standing.data["version"]} if "version" in standing.data else {}
        self._clients("govern").write(path, {"policy": desired.fields["document"], **version})
        if policy_fields(self._clients("plan").read(path).data) != desired.fields:
            raise Rejected(f"{path} does not say what was written", remedy=REPLAN)
        return {"policy": desired.fields["name"]}

    def _delete_policy(self, change: Change) -> Fields:
        fields = actual_of(change).fields
        name = fields["name"]
        path = f"sys/policies/acl/{name}"
        standing = self._clients("plan").read(path)
        if standing.found and policy_fields(standing.data) != fields:
            raise Rejected(f"{path}: {CHANGED}", remedy=REPLAN)
        self._clients("govern").delete(path)
        if self._clients("plan").read(path).found:
            raise Rejected(f"{path} is still there after its deletion", remedy=REPLAN)
        return {"policy": name}

    # -- aliases that an entity of another owner holds on our mount ---------------------------------------

    def _delete_alias(self, change: Change) -> Fields:
        actual = actual_of(change)
        self._clients("contain").delete(f"identity/entity-alias/id/{actual.facts['alias_id']}")
        holder = self._clients("plan").read(f"identity/entity/id/{actual.facts['id']}")
        if actual.fields["alias"] in aliases(holder.data):
            raise Rejected(f"alias {actual.fields['alias']} is still there after its deletion", remedy=REPLAN)
        return {"alias": actual.fields["alias"]}

    # -- login roles -----------------------------------------------------------------------------------

    def _write_login(self, change: Change, known: Known) -> Fields:
        desired = desired_of(change)
        path = login_path(self._estate, change.address)
        if "trusted" not in desired.fields:
            return self._write_token_login(change, path, known)
        standing = self._clients("plan").read(path)
        wanted = dict(desired.fields)
        issuer = known.get("ca.authority")
        if issuer is None:
            raise Rejected(f"{path}: the CA was not seen, so whom to trust is not known", remedy=REPLAN)
        authority = str(issuer["certificate"])
        wanted["trusted"] = issuer["sha256"]
        if standing.found and login_fields(standing.data) not in (_fields(change.actual), wanted):
            raise Rejected(f"{path}: {CHANGED}", remedy=REPLAN)
        self._require_tier(change, known)
        # Every field is sent, as text: a field left out is kept as it was, and ACLs compare text alone.
        body = {name: spell(value) for name, value in wanted.items() if name != "trusted"}
        self._clients("grant").write(path, body | {"certificate": authority.strip()})
        shown = login_fields(self._clients("plan").read(path).data)
        wrong = sorted(n for n, value in wanted.items() if shown.get(n) != value)
        if wrong:
            raise Rejected(f"{path} does not say what was written: {', '.join(wrong)}", remedy=REPLAN)
        return {"role": path}

    def _require_tier(self, change: Change, known: Known) -> None:
        """No login is made for whom the server does not hold to the MFA tier that it is to enforce."""
        facts = desired_of(change).facts
        if "tier" in facts and change.action == "create":
            self._tiers.require(str(facts["tier"]), _entity_of(change, known))

    def _delete_login(self, change: Change) -> Fields:
        path = login_path(self._estate, change.address)
        self._clients("contain").delete(path)
        if self._clients("plan").read(path).found:
            raise Rejected(f"{path} is still there after its deletion", remedy=REPLAN)
        return {"role": path}

    def _write_token_login(self, change: Change, path: str, known: Known) -> Fields:
        """A JWT-auth role. Its claims are a mapping, which no ACL compares: the others go as text, all of them."""
        wanted = desired_of(change).fields
        standing = self._clients("plan").read(path)
        there = token_login_fields(standing.data) if standing.found else None
        if there not in (None, _fields(change.actual), wanted):
            raise Rejected(f"{path}: {CHANGED}", remedy=REPLAN)
        self._require_tier(change, known)
        body = {name: value if isinstance(value, Mapping) else spell(value) for name, value in wanted.items()}
        self._clients("grant").write(path, body)
        shown = token_login_fields(self._clients("plan").read(path).data)
        wrong = sorted(n for n, value in wanted.items() if shown.get(n) != value)
        if wrong:
            raise Rejected(f"{path} does not say what was written: {', '.join(wrong)}", remedy=REPLAN)
        return {"role": path}


def _fields(resource: Resource | None) -> Fields | None:
    return resource.fields if resource is not None else None


def _entity_of(change: Change, known: Known) -> str:
    """The entity whose login the change makes, whom its MFA tier must hold."""
    about = known.get(f"vault.entity/{change.subject}", {})
    if "id" not in about:
        raise Rejected(f"{change.address}: its entity is not known", remedy=REPLAN)
    return str(about["id"])


def _id_of(change: Change) -> str:
    return str((change.before or {}).get("entity") or actual_of(change).facts["id"])


def _tokens_of(change: Change) -> Which | None:
    """Which tokens of the entity the change means: all, or those got with a credential that is gone."""
    before = change.before or {}
    if change.whole:
        return None
    credential = before.get("credential")
    login = login_name(change.subject, str(credential)) if credential and change.subject is not None else ""
    return Which(login, frozenset(before.get("serials") or ()))
