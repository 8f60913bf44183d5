"""Manifests -> Desired, through the kinds. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import reconciler.providers.ca.resources as ca
import reconciler.providers.vault.resources as vault
from reconciler.errors import InvalidInput
from reconciler.kinds.expansion import World
from reconciler.kinds.registry import KINDS
from reconciler.kinds.subject import SubjectSpec
from reconciler.memory import uncollected
from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding, Lifecycle, Manifest, SubjectRef, Tree
from reconciler.model.resource import Address, Desired, Resource
from reconciler.model.words import few

# Frozen when its policy cannot be made: what stands stays, and is not taken for unexplained.
GRANTING = SubjectRef("runner", "grant")
_LESS: tuple[Lifecycle, ...] = ("active", "suspended", "left")


def expand(tree: Tree, estate: Estate, today: date) -> Desired:
    """Everything the manifests ask for on that day. Suspended and left subjects get a lifecycle and no more.

    `findings` are those that only expanding brings to light; an active subject that cannot be expanded in
    full is frozen. A leaver never is: what its manifest refers to, or what else is wrong with it, does not matter
    any more.
    """
    with uncollected():
        return _expand(tree, estate, today)


def _expand(tree: Tree, estate: Estate, today: date) -> Desired:
    lifecycles, reasons = _lifecycles(tree, today)
    declared = Counter(m.ref for m in tree.manifests)
    doubtful = tree.frozen | {ref for ref, count in declared.items() if count > 1}  # which one counts?
    frozen = {ref for ref in doubtful if lifecycles.get(ref, "active") == "active"}
    resources: dict[Address, Resource] = {}
    findings: list[Finding] = []
    for subjects in (False, True):  # rules first: what refers to a rule that does not hold up is not expanded
        manifests = {m.ref: m for m in tree.manifests if m.ref not in frozen}
        world = World(estate, manifests, tree.files, tree.unread_files)
        for ref, manifest in manifests.items():
            kind = KINDS[manifest.kind]
            if kind.subject is not subjects or lifecycles.get(ref, "active") != "active":
                continue
            made = kind.expand(manifest, world)
            findings += made.findings
            if made.complete:
                resources.update((r.address, r) for r in made.resources)
            else:
                frozen.add(ref)
    shared = _shared_keys(resources.values(), {m.ref: m for m in tree.manifests})
    resources["ca.crl"] = ca.crl()
    try:
        resources.update((r.address, r) for r in _grant_policy(tree, estate, lifecycles))
    except InvalidInput as error:
        findings.append(Finding("X04", "error", str(error)))
        frozen.add(GRANTING)
    return Desired(
        resources=resources,
        lifecycles=lifecycles,
        previously=_renames(tree),
        frozen=frozenset(frozen),
        absence_is_intent=tree.absence_is_intent,
        findings=(*findings, *shared),
        reasons=reasons,
    )


def _lifecycles(tree: Tree, today: date) -> tuple[dict[SubjectRef, Lifecycle], dict[SubjectRef, str]]:
    """Of several documents about one subject, invalid ones included, the one that takes least away counts."""
    said: defaultdict[SubjectRef, list[tuple[Lifecycle, str]]] = defaultdict(list)
    for manifest in tree.manifests:
        if isinstance(manifest.spec, SubjectSpec):
            said[manifest.ref].append(manifest.spec.lifecycle(today))
    for ref, life in tree.invalid:
        said[ref].append(life(today) if life is not None else ("active", ""))
    sure = {ref: min(lives, key=lambda life: _LESS.index(life[0])) for ref, lives in said.items()}
    valid = {m.ref for m in tree.manifests if isinstance(m.spec, SubjectSpec)}
    lifecycles = {ref: life for ref, (life, _) in sure.items() if ref in valid or life != "active"}
    return lifecycles, {ref: why for ref, (_, why) in sure.items() if why}


def _renames(tree: Tree) -> dict[SubjectRef, SubjectRef]:
    """New name -> last former name, where that name is free and one manifest alone claims it."""
    claims = [(m.ref, SubjectRef(m.ref.kind, m.previously[-1])) for m in tree.manifests if m.previously]
    claimed = Counter(old for _, old in claims)
    standing = {m.ref for m in tree.manifests} | tree.frozen
    return {new: old for new, old in claims if claimed[old] == 1 and old not in standing}


def _grant_policy(tree: Tree, estate: Estate, lifecycles: Mapping[SubjectRef, Lifecycle]) -> Iterator[Resource]:
    """The grant login's own policy. Raises `InvalidInput` when it cannot hold what the estate asks for.

    It lists the roles of suspended subjects too, so that coming back takes no change of the rules.
    """
    roles = {ref.name for ref in (*(m.ref for m in tree.manifests), *tree.frozen) if ref.kind == "role"}
    combinations: defaultdict[str, set[frozenset[str]]] = defaultdict(set)
    for manifest in tree.manifests:
        if isinstance(manifest.spec, SubjectSpec) and lifecycles[manifest.ref] != "left":
            combinations[manifest.ref.kind].add(frozenset(roles.intersection(manifest.spec.roles)))
    if combinations or roles:
        in_order = {kind: sorted(several, key=sorted) for kind, several in combinations.items()}
        yield vault.grant_policy(estate, in_order)


def _shared_keys(resources: Iterable[Resource], manifests: Mapping[SubjectRef, Manifest]) -> list[Finding]:
    """A key that two credentials share makes their holders one: neither may be granted anything."""
    holders: defaultdict[str, list[Resource]] = defaultdict(list)
    for resource in resources:
        if resource.type == "ca.certificate":
            holders[resource.fields["spki"]].append(resource)
    findings = []
    for sharing in holders.values():
        names = few(sorted(r.address.removeprefix("ca.certificate/") for r in sharing), len(sharing))
        for subject in sorted({r.subject for r in sharing if r.subject is not None}) if len(sharing) > 1 else ():
            message = f"one key stands behind several credentials: {names} — make a new key and CSR for each"
            where = manifests[subject].at("spec", "credentials")
            findings.append(Finding("X03", "error", message, str(subject), where))
    return findings
