"""The tree as the estate's checks want it, and what they share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from reconciler.kinds.person import Person
from reconciler.kinds.role.spec import Role
from reconciler.kinds.subject import SubjectSpec
from reconciler.model.manifest import Finding, Manifest, Severity, SubjectRef, Tree
from reconciler.model.words import few

PERSON_KINDS = ("trader", "staff")
S = TypeVar("S", bound=SubjectSpec)


@dataclass(slots=True)
class View:
    """The tree as the checks want it."""

    tree: Tree
    today: date
    subjects: list[tuple[Manifest, SubjectSpec]] = field(init=False)
    roles: dict[str, tuple[Manifest, Role]] = field(init=False)
    people: dict[str, Manifest] = field(init=False)  # by bare name, as supervisors and owners are named
    refs: frozenset[SubjectRef] = field(init=False)
    left: frozenset[SubjectRef] = field(init=False)
    frozen: frozenset[SubjectRef] = field(init=False)  # asked for every reference: the tree counts them afresh
    _stayers: list[tuple[Manifest, SubjectSpec]] = field(init=False)
    _near: dict[tuple[str, ...], dict[str, str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.subjects = [(m, m.spec) for m in self.tree.manifests if isinstance(m.spec, SubjectSpec)]
        self.roles = {m.name: (m, m.spec) for m in self.tree.manifests if isinstance(m.spec, Role)}
        self.people = {m.name: m for m, spec in self.subjects if isinstance(spec, Person)}
        self.refs = frozenset(m.ref for m in self.tree.manifests)
        self.frozen = self.tree.frozen
        self.left = frozenset(m.ref for m, s in self.subjects if s.lifecycle(self.today)[0] == "left")
        self._stayers = [(m, s) for m, s in self.subjects if m.ref not in self.left]

    def every(self, kind: type[S]) -> Iterator[tuple[Manifest, S]]:
        """The subjects of that kind, leavers too."""
        return ((m, spec) for m, spec in self.subjects if isinstance(spec, kind))

    def staying(self, kind: type[S]) -> Iterator[tuple[Manifest, S]]:
        """Those who have not left: what a leaver's manifest refers to does not matter any more."""
        return ((m, spec) for m, spec in self._stayers if isinstance(spec, kind))

    def hint(self, kinds: tuple[str, ...], name: str) -> str:
        """` — did you mean X?` for a name that is not there, and is one slip away from one that is."""
        if kinds not in self._near:
            near = self._near[kinds] = {}
            for known in sorted({ref.name for ref in self.refs if ref.kind in kinds}):
                for slip in _slips(known):
                    near.setdefault(slip, known)
        close = min((self._near[kinds][slip] for slip in _slips(name) if slip in self._near[kinds]), default="")
        return f" — did you mean `{close}`?" if close else ""


def _slips(name: str) -> set[str]:
    """The name, and all that is left of it when a letter is missing: names that share one are a slip apart."""
    return {name, *(name[:at] + name[at + 1 :] for at in range(len(name)))}


def finding(code: str, severity: Severity, message: str, manifest: Manifest, *path: str | int) -> Finding:
    """What is wrong with one manifest, at the field that says so."""
    return Finding(code, severity, message, str(manifest.ref), manifest.at(*path))


def dangling(
    view: View, code: str, manifest: Manifest, target: SubjectRef, kind: str, *path: str | int
) -> Iterator[Finding]:
    """A reference to something that is not there, or that is there and not valid."""
    if target in view.frozen:
        yield finding(code, "error", f"{kind} {target.name} is there but not valid", manifest, *path)
    elif target not in view.refs:
        hint = _unread(view) or view.hint((target.kind,), target.name)
        yield finding(code, "error", f"there is no {kind} {target.name}{hint}", manifest, *path)


def dangling_person(
    view: View, code: str, manifest: Manifest, what: str, name: str, *path: str | int
) -> Iterator[Finding]:
    """A person, named bare, who is not there, is there and not valid, or has left."""
    person = view.people.get(name)
    if person is not None:
        if person.ref in view.left:
            yield finding(code, "error", f"{what} {name} has left: name another", manifest, *path)
    elif any(SubjectRef(kind, name) in view.frozen for kind in PERSON_KINDS):
        yield finding(code, "error", f"{what} {name} is there but not valid", manifest, *path)
    else:
        hint = _unread(view) or view.hint(PERSON_KINDS, name)
        yield finding(code, "error", f"there is no Trader or Staff {name}{hint}", manifest, *path)


def _unread(view: View) -> str:
    return " (not every file was read)" if not view.tree.absence_is_intent else ""


def shared(same: list[Manifest], code: str, what: str, *path: str) -> Iterator[Finding]:
    """What may belong to one manifest alone, and belongs to several."""
    for manifest in same:
        others = few((m.ref for m in same if m is not manifest), len(same) - 1)
        yield finding(code, "error", f"its {what} is also that of {others}", manifest, *path)


def several(pairs: Iterable[tuple[Hashable, Manifest]]) -> Iterator[list[Manifest]]:
    """The manifests that have their key in common with others."""
    grouped: defaultdict[Hashable, list[Manifest]] = defaultdict(list)
    for key, manifest in pairs:
        grouped[key].append(manifest)
    return (same for same in grouped.values() if len(same) > 1)
