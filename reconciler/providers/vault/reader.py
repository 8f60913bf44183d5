"""Sees entities, logins, policies and holds of one estate. Each collection is listed once, each object read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.errors import Rejected
from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding, SubjectRef
from reconciler.model.resource import Address, Hold, Observation, Resource, Value
from reconciler.providers.protocol import Client
from reconciler.providers.vault import holds, tiers
from reconciler.providers.vault.closure import entities_of, held_elsewhere, own_aliases
from reconciler.providers.vault.footing import empowered, of_the_tool, tier_probe_name, undermined
from reconciler.providers.vault.issuers import abandoned, logins, logins_beside
from reconciler.providers.vault.ownership import (
    HOLD_MARK,
    PERSON_MARK,
    Verdict,
    aliases,
    judge,
    login,
    taken_away,
)
from reconciler.providers.vault.policies import SUBJECT_KINDS, own_policies
from reconciler.providers.vault.resources import GRANT_ADDRESS
from reconciler.providers.vault.runners import POLICIES, PROBES
from reconciler.providers.vault.seen import Shared, entity_at, entity_fields, login_fields, policy_fields
from reconciler.providers.vault.unlaid import laid_part, unlaid


class VaultReader:
    """Implements `providers.protocol.Reader` for `vault.*`."""

    name = "vault"

    def __init__(self, client: Client, estate: Estate, *, bulk: bool = True) -> None:
        """`bulk` is false for a server known to lack OpenBao's bulk endpoints; they are probed otherwise."""
        self._client = client
        self._estate = estate
        self._bulk = bulk
        self._share = Shared()
        self._ids: Sequence[str] = ()  # of all entities
        self._engines: Collection[str] = ()  # mounts, without slashes
        self._tier_probe = ""  # the entity that every MFA tier holds to its code

    def observe(self) -> Observation:
        """Everything of this estate in the server. Raises a `TargetError` when any of it cannot be read."""
        target, workloads = self._target()
        entities, held, unmanaged, foreign = self._entities(self._read_entities())
        policies, others = self._policies()
        mfa, strangers = tiers.look(self._client, self._estate, entities, self._ids, self._tier_probe)
        book = holds.read(self._client, self._estate, bulk=self._bulk)
        standing = {h.subject: h for h in held} | {h.subject: h for h in book.standing}
        return Observation(
            resources=(
                *policies,
                *mfa,
                *entities,
                *self._logins(),
                *logins(self._client, self._estate, workloads, share=self._share),
            ),
            holds=tuple(standing[s] for s in sorted(standing)),
            unmanaged=tuple(sorted([*unmanaged, *others, *strangers, *abandoned(self._estate, workloads)])),
            foreign=(*foreign, *self._footing(target, workloads)),
            target=target,
            answered=book.answered,
            distrusted=book.distrusted,
            freeze=book.freeze,
        )

    def observe_subject(self, subject: SubjectRef) -> Observation:
        """One subject's entity, logins and hold, and whoever holds its alias."""
        target, workloads = self._target()
        own = f"{subject.principal}."
        names = self._client.keys_under(f"auth/{self._estate.mounts.cert}/certs", own)
        standing = [*self._logins(names), *logins(self._client, self._estate, workloads, own)]
        leading = own_aliases(self._estate, subject, standing)
        entities, marked, _, foreign = self._entities(entities_of(self._client, self._estate, subject, leading))
        book = holds.of(self._client, self._estate, subject)
        return Observation(
            resources=(
                *(r for r in entities if r.subject in (subject, None)),
                *held_elsewhere(entities, subject, leading),
                *standing,
            ),
            holds=tuple({h.subject: h for h in (*marked, *book.standing) if h.subject == subject}.values()),
            foreign=tuple(foreign),
            target=target,
            freeze=book.freeze,
        )

    def holds(self) -> tuple[Hold, ...]:
        """The holds alone, the estate's own too, as they stand now. Raises a `TargetError`."""
        book = holds.read(self._client, self._estate, bulk=self._bulk)
        return (*book.standing, *([book.freeze] if book.freeze is not None else []))

    def _footing(self, target: Mapping[str, Value], workloads: Mapping[str, str]) -> Iterator[Finding]:
        own = {(cert := self._estate.mounts.cert): target["mounts"][f"auth/{cert}"], **workloads}
        laid = laid_part(self._estate, self._engines, workloads)
        yield from (*unlaid(self._estate, laid), *undermined(self._client, self._estate, laid, own))
        yield from logins_beside(self._client, self._estate, workloads)

    def _target(self) -> tuple[dict[str, Value], dict[str, str]]:
        """What makes this server this server: cluster id, and the accessors of the estate's mounts.

        Apart from that the JWT mounts with this estate's prefix: one that is missing is a finding.
        """
        mounts = self._estate.mounts
        logins, engines = self._client.read("sys/auth").data, self._client.read("sys/mounts").data
        self._engines = {path.rstrip("/") for path in engines}
        wanted = {f"auth/{m}": logins.get(f"{m}/") for m in (mounts.cert, mounts.run)}
        wanted |= {m: engines.get(f"{m}/") for m in (mounts.root, mounts.pki, mounts.kv)}
        missing = sorted(path for path, mount in wanted.items() if mount is None)
        if missing:
            raise Rejected(
                f"the server has no {', '.join(missing)}", remedy="run `idac bootstrap` for this estate"
            )
        cluster = self._client.read("sys/health").body.get("cluster_id", "")
        accessors = {path: str(about.get("accessor", "")) for path, about in wanted.items() if about}
        prefix, there = mounts.workloads, {path.rstrip("/"): about for path, about in logins.items()}
        workloads = {m: str(about.get("accessor", "")) for m, about in there.items() if m.startswith(prefix)}
        named = self._estate.issuer_mounts.values()
        accessors |= {f"auth/{mount}": workloads[mount] for mount in named if mount in workloads}
        return {"cluster_id": cluster, "mounts": accessors}, workloads

    def _entities(
        self, shown: Iterable[Mapping[str, Any]]
    ) -> tuple[list[Resource], list[Hold], list[str], list[Finding]]:
        """Each entity of ours as a resource, the holds marked on them, and what is not ours."""
        best: dict[Address, tuple[int, Resource]] = {}
        strays: list[Resource] = []
        held: list[Hold] = []
        unmanaged: list[str] = []
        foreign: list[Finding] = []
        for entity in shown:
            if entity["name"] == tier_probe_name(self._estate):
                self._tier_probe = str(entity["id"])
            if of_the_tool(entity, self._estate):
                foreign += empowered(entity, self._estate)
                continue
            verdict = judge(entity, self._estate)
            match verdict.owner:
                case "foreign":
                    foreign.append(Finding("F01", "error", verdict.why))
                case "other":
                    unmanaged.append(f"entity {entity['name']}")
                case "ours":
                    resource = self._entity(entity, verdict)
                    held += _hold_mark(entity, verdict)
                    rank = best.get(resource.address)
                    if rank is not None and rank[0] >= verdict.votes:
                        resource = self._entity(entity, Verdict("ours"))
                    elif rank is not None:
                        strays.append(_stray(rank[1]))
                    best[resource.address] = (verdict.votes, resource)
        found = [r for one in [*(r for _, r in best.values()), *strays] for r in self._reachable(one)]
        return found, held, unmanaged, foreign

    def _reachable(self, entity: Resource) -> Iterator[Resource]:
        """The entity; or, where neither name nor mark makes it ours, only what it holds on our mount."""
        name, mounts = str(entity.fields["name"]), self._estate.mounts
        own = f"{mounts.cert}:"
        ours = name.startswith(self._estate.prefix) or entity.fields["estate"] == self._estate.name
        if ours or entity.subject is not None:
            yield entity
            return
        for alias, id_ in entity.facts["alias_ids"].items():
            if alias.startswith((own, mounts.workloads)):
                fields = {"alias": alias, "entity": entity.facts["id"], "holder": name}
                facts = {"id": entity.facts["id"], "alias_id": id_}
                yield Resource(f"vault.alias/{alias.removeprefix(own)}", None, fields, facts)

    def _read_entities(self) -> Iterator[Mapping[str, Any]]:
        """Every entity is read, because a mark shows only in the entity itself."""
        self._ids = ids = self._client.list("identity/entity/id").keys
        for path, answer in self._client.read_many(f"identity/entity/id/{id_}" for id_ in ids):
            entity = entity_at(path, answer)
            if entity is not None:  # deleted since it was listed
                yield entity

    def _entity(self, entity: Mapping[str, Any], verdict: Verdict) -> Resource:
        metadata = entity.get("metadata") or {}
        subject = verdict.subject
        facts: dict[str, Value] = {"id": entity["id"], "alias_ids": aliases(entity)}
        if HOLD_MARK in metadata:
            facts["hold"] = metadata[HOLD_MARK]
        if person := metadata.get(PERSON_MARK):
            facts["person"] = person
        if taken := taken_away(entity):
            facts["taken"] = taken
        if groups := entity.get("group_ids") or entity.get("direct_group_ids"):
            facts["groups"] = sorted(groups)
        address = f"vault.entity/{subject}" if subject else f"vault.entity/unmarked/{entity['id']}"
        return Resource(address, subject, entity_fields(entity, self._share), facts)

    def _logins(self, names: Sequence[str] | None = None) -> Iterator[Resource]:
        """The login roles of these names, or all there are."""
        base = f"auth/{self._estate.mounts.cert}/certs/"
        names = self._client.list(base.rstrip("/")).keys if names is None else names
        for path, answer in self._client.read_many(base + name for name in names):
            name = path.removeprefix(base)
            if answer.found and not _is_probe_login(name, answer.data):
                yield self._login(name, answer.data)

    def _login(self, name: str, role: Mapping[str, Any]) -> Resource:
        known = login(name)
        fields = login_fields(role, self._share)
        if known is None:
            return Resource(f"vault.login/unknown/{name}", None, fields)
        subject, credential = known
        return Resource(f"vault.login/{subject}/{credential}", subject, fields)

    def _policies(self) -> tuple[list[Resource], list[str]]:
        """Roles' policies, the grant login's, and the names of others'; only ours are read."""
        prefix = self._estate.prefix
        addresses = {f"{prefix}grant": GRANT_ADDRESS}
        runners = {f"{prefix}{suffix}" for suffixes in POLICIES.values() for suffix in suffixes}
        runners |= {name for kind in SUBJECT_KINDS for name in own_policies(self._estate, kind)}
        others: list[str] = []
        for name in self._client.list("sys/policies/acl").keys:
            if name.startswith(f"{prefix}role-"):
                addresses[name] = f"vault.policy/role/{name.removeprefix(f'{prefix}role-')}"
            elif name not in runners and name not in ("root", "default"):
                others.append(f"policy {name}")
        base = "sys/policies/acl/"
        resources = []
        for path, answer in self._client.read_many(base + name for name in addresses):
            name = path.removeprefix(base)
            if answer.found:
                resources.append(Resource(addresses[name], None, policy_fields(answer.data)))
        return resources, others


def _is_probe_login(name: str, role: Mapping[str, Any]) -> bool:
    return name in PROBES and role.get("allowed_common_names") == [name] and not role.get("token_policies")


def _stray(resource: Resource) -> Resource:
    """An entity that another one outvoted for the same subject."""
    return Resource(f"vault.entity/unmarked/{resource.facts['id']}", None, resource.fields, resource.facts)


def _hold_mark(entity: Mapping[str, Any], verdict: Verdict) -> Iterator[Hold]:
    reason = (entity.get("metadata") or {}).get(HOLD_MARK)
    if reason is not None and verdict.subject is not None:
        yield Hold(verdict.subject, reason, "", entity.get("last_update_time", ""))
