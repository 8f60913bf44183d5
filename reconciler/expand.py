"""Manifests -> Desired, through the kinds. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import date

import reconciler.providers.ca.resources as ca
import reconciler.providers.vault.resources as vault
from reconciler.errors import CryptoError, InvalidInput
from reconciler.kinds.expansion import World
from reconciler.kinds.registry import KINDS, kind_of
from reconciler.kinds.subject import SubjectSpec
from reconciler.memory import uncollected
from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding, Lifecycle, SubjectRef, Tree, placed
from reconciler.model.resource import Address, Core, Desired, Resource
from reconciler.model.words import few
from reconciler.providers.vault.policies import own_suffixes
from reconciler.x509 import read_csr

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


def no_manifests() -> Desired:
    """What is desired where no manifest is read: nothing of anybody, and revocation lists in step."""
    return Desired({"ca.crl": ca.crl()}, {}, absence_is_intent=False)


def _expand(tree: Tree, estate: Estate, today: date) -> Desired:
    lifecycles, reasons = _lifecycles(tree, today)
    declared = Counter(m.ref for m in tree.manifests)
    doubtful = tree.frozen | {ref for ref, count in declared.items() if count > 1}  # which one counts?
    frozen = {ref for ref in doubtful if lifecycles.get(ref, "active") == "active"}
    resources: dict[Address, Resource] = {}
    findings: list[Finding] = []
    for subjects in (False, True):  # rules first: what refers to a rule that does not hold up is not expanded
        manifests = {m.ref: m for m in tree.manifests if m.ref not in frozen}
        world = World(estate, manifests, tree.files, today, tree.unread_files)
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
    shared = _shared_keys(resources.values(), tree, lifecycles)
    findings += _unread(estate)
    resources["ca.crl"] = ca.crl()
    try:
        resources.update((r.address, r) for r in _grant_policy(tree, estate, lifecycles))
    except InvalidInput as error:
        findings.append(Finding("X09", "error", str(error)))
        frozen.add(GRANTING)
    return Desired(
        resources=resources,
        lifecycles=lifecycles,
        previously=_renames(tree),
        frozen=frozenset(frozen),
        absence_is_intent=tree.absence_is_intent,
        findings=placed((*findings, *shared)),
        reasons=reasons,
        former=_former(tree),
        persons={m.ref: m.spec.whose for m in tree.manifests if isinstance(m.spec, SubjectSpec)},
        cores=dict(_cores(tree, estate, frozen, today)),
    )


def _unread(estate: Estate) -> Iterator[Finding]:
    """Issuers whose files are of no use: said of each of whom they vouch for besides, and bars those alone."""
    for issuer in estate.spec.token_issuers:
        if issuer.name in estate.issuer_faults:
            message = f"{issuer.called} of idac.yaml: {estate.issuer_faults[issuer.name]}"
            code = "X05" if estate.workload_issuer(issuer.name) is not None else "X07"
            yield Finding(code, "warning", message)


def _cores(tree: Tree, estate: Estate, frozen: Set[SubjectRef], today: date) -> Iterator[tuple[SubjectRef, Core]]:
    """What frozen subjects' manifests say without doubt: of one document alone, and of roles that there are."""
    declared = Counter((*(m.ref for m in tree.manifests), *(i.ref for i in tree.invalid)))
    said: list[tuple[SubjectRef, Sequence[str], Core]] = []
    for m in tree.manifests:
        if m.ref in frozen and isinstance(m.spec, SubjectSpec):
            kind = KINDS[m.kind]
            core = Core(kind.entity(estate, m.ref, m.spec), m.spec.keeps(today), m.spec.ended(), kind.plain)
            said.append((m.ref, m.spec.roles, core))
    for i in tree.invalid:
        if i.ref in frozen and i.sure:
            its = kind_of(i.ref)
            # What else an invalid manifest gives is in doubt: whoever may use their own keys may go on.
            known = vault.entity(estate, i.ref, i.roles, own=own_suffixes(estate, i.ref.kind))
            said.append((i.ref, i.roles, Core(known, None, whole=its is None or its.plain)))
    for ref, roles, core in said:
        there = all(SubjectRef("role", role) in declared for role in roles)  # else it may be a slip of the pen
        if there and declared[ref] == 1:
            yield ref, core


def _former(tree: Tree) -> dict[SubjectRef, tuple[SubjectRef, ...]]:
    """Every name that a manifest says was its subject's, whether or not it makes a rename: holds follow them."""
    renamed = (m for m in tree.manifests if m.previously)
    return {m.ref: tuple(SubjectRef(m.ref.kind, old) for old in m.previously) for m in renamed}


def _lifecycles(tree: Tree, today: date) -> tuple[dict[SubjectRef, Lifecycle], dict[SubjectRef, str]]:
    """Of several documents about one subject, invalid ones included, the one that takes least away counts."""
    said: defaultdict[SubjectRef, list[tuple[Lifecycle, str]]] = defaultdict(list)
    for manifest in tree.manifests:
        if isinstance(manifest.spec, SubjectSpec):
            said[manifest.ref].append(manifest.spec.lifecycle(today))
    for ref, life, *_ in tree.invalid:
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

    It lists the roles of suspended subjects too, so that coming back takes no change of the rules; and those of
    invalid manifests, so that a slip of the pen takes none either.
    """
    roles = {ref.name for ref in (*(m.ref for m in tree.manifests), *tree.frozen) if ref.kind == "role"}
    held = [(m.ref, m.spec.roles) for m in tree.manifests if isinstance(m.spec, SubjectSpec)]
    held += [(one.ref, one.roles) for one in tree.invalid if roles.intersection(one.roles)]
    combinations: defaultdict[str, set[frozenset[str]]] = defaultdict(set)
    for ref, names in held:
        if lifecycles.get(ref) != "left":
            combinations[ref.kind].add(frozenset(roles.intersection(names)))
    if combinations or roles:
        in_order = {kind: sorted(several, key=sorted) for kind, several in combinations.items()}
        yield vault.grant_policy(estate, in_order)


def _shared_keys(
    resources: Iterable[Resource], tree: Tree, lifecycles: Mapping[SubjectRef, Lifecycle]
) -> list[Finding]:
    """A key that two credentials share makes their holders one: neither may be granted anything.

    The keys of people who are suspended or have left count too: they may still have them in their hands.
    """
    holders: defaultdict[str, list[tuple[SubjectRef, str]]] = defaultdict(list)
    expanded: set[SubjectRef] = set()
    for resource in resources:
        if resource.type == "ca.certificate" and resource.subject is not None:
            expanded.add(resource.subject)
            if not resource.facts.get("key"):  # a token's key is nobody else's: its name says whose it is
                holders[resource.fields["spki"]].append((resource.subject, resource.address.rsplit("/", 1)[-1]))
    for manifest in tree.manifests:
        if isinstance(manifest.spec, SubjectSpec) and manifest.ref not in expanded:
            for name, spki in _keys(manifest.spec, tree):
                holders[spki].append((manifest.ref, name))
    manifests = {m.ref: m for m in tree.manifests}
    return [
        Finding("X03", "error", _shared(sharing), str(subject), manifests[subject].at("spec", "credentials"))
        for sharing in holders.values()
        if len(sharing) > 1
        for subject in sorted({s for s, _ in sharing if lifecycles.get(s) != "left"})
    ]


def _shared(sharing: Sequence[tuple[SubjectRef, str]]) -> str:
    names = few(sorted(f"{subject}/{credential}" for subject, credential in sharing), len(sharing))
    return f"one key stands behind several credentials: {names} — make a new key and CSR for each"


def _keys(spec: SubjectSpec, tree: Tree) -> Iterator[tuple[str, str]]:
    """The credentials of somebody who is not expanded, each with its key, where it can be told."""
    for credential in spec.credentials:
        text = tree.files.get(credential.key.csr or "")
        try:
            if text is not None:
                yield credential.name, read_csr(text).spki
        except CryptoError:
            continue  # it is said when somebody is to be granted something for it
