"""Guards: what may not be done however well it is meant. Each message gives subject, figure, limit, remedy."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.change import Change
from reconciler.model.estate import Estate
from reconciler.model.manifest import Finding, Tree
from reconciler.model.plan import Guard
from reconciler.model.resource import Actual, Desired
from reconciler.model.words import few
from reconciler.rules.budgets import holds, removals


def judge(
    changes: Sequence[Change],
    desired: Desired,
    actual: Actual,
    estate: Estate,
    tree: Tree,
    findings: Sequence[Finding],
) -> tuple[Guard, ...]:
    """The verdict of every guard on these changes, passed ones included."""
    others = (
        _whole_tree(tree),
        _valid_manifests(findings, actual),
        _barred_subjects(findings, changes, desired, actual),
        ownership(actual),
        _footing(actual),
        _issuance_cap(changes, estate),
        _routine_cap(changes, estate),
        _everything_seen(actual),
        _thawed(actual),
        *holds(changes, desired, actual, estate),
    )
    barred = {f.subject for f in findings if f.severity == "error" and f.subject is not None}
    granting = not any(g.status == "refused" and g.stops == "grants" for g in others)
    return (*removals(desired, actual, estate, barred, granting=granting), *others)


def _whole_tree(tree: Tree) -> Guard:
    if tree.absence_is_intent:
        invalid = f" and {len(tree.invalid)} invalid" if tree.invalid else ""
        return Guard("G02", "passed", f"the whole tree was read: {tree.read} manifests{invalid}")
    return Guard(
        "G02",
        "refused",
        f"a missing manifest does not mean that somebody left: {tree.why_not} — nothing is removed by deletion "
        "and nothing is granted until the tree is whole; contain a leaver with `status: left`",
    )


def _valid_manifests(findings: Sequence[Finding], actual: Actual) -> Guard:
    # Of what is foreign other guards speak: it is no fault of the manifests.
    invalid = [f for f in findings if f.severity == "error" and f.subject is None and f not in actual.foreign]
    if not invalid:
        return Guard("G03", "passed", "no error concerns the estate as a whole")
    first = invalid[0]
    where = f"{first.origin}: " if first.origin else ""
    return Guard(
        "G03",
        "refused",
        f"{len(invalid)} error{'s' * (len(invalid) > 1)} in the manifests, the first at {where}{first.message} — "
        "containment goes on, grants wait until they are mended",
    )


def _barred_subjects(
    findings: Sequence[Finding], changes: Sequence[Change], desired: Desired, actual: Actual
) -> Guard:
    blocked = sorted({f.subject for f in findings if f.severity == "error" and f.subject is not None})
    withheld = sum(1 for c in changes if c.phase != "contain" and str(c.subject) in blocked)
    if not blocked:
        return Guard("G04", "passed", "no subject is barred from grants")
    names = few(blocked, len(blocked), shown=5)
    count = f"; {withheld} change{'s' * (withheld != 1)} withheld" if withheld else ""
    message = f"{names} may be granted nothing: see the findings{count}"
    # Refused even when nothing is withheld now: what stands is not what such a manifest says.
    return Guard("G04", "refused", f"{message}{_kept(desired, actual)} — mend the findings", stops="nothing")


def _kept(desired: Desired, actual: Actual) -> str:
    """Rules without a manifest stay while somebody's own manifest is faulty: it may be one that names them."""
    kinds = ("vault.policy", "ca.profile")
    extra = sorted(a for a, r in actual.resources.items() if r.type in kinds and a not in desired.resources)
    if not extra or not desired.frozen:
        return ""
    return f"; {', '.join(extra)} stays until then, though no manifest explains it"


def _footing(actual: Actual) -> Guard:
    unlaid = [f.message for f in actual.foreign if f.code == "F04"]
    wrong = [f.message for f in actual.foreign if f.code == "F02"]
    if not wrong and not unlaid:
        return Guard("G10", "passed", "what bootstrap laid stands as it was laid")
    count = f"{len(wrong)} of the tool's own rules are not as bootstrap lays them: " if wrong else ""
    return Guard("G10", "refused", f"{count}{(wrong or unlaid)[0]} — nothing is granted until then")


def ownership(actual: Actual) -> Guard:
    """G05: what stands in our name space and belongs to another owner."""
    foreign = [f for f in actual.foreign if f.code not in ("F02", "F04")]
    if not foreign:
        return Guard("G05", "passed", "nothing in this estate's name space belongs to another")
    first = foreign[0].message
    return Guard(
        "G05",
        "refused",
        f"{len(foreign)} object{'s' * (len(foreign) > 1)} in this estate's name space belong to "
        f"another owner: {first} — settle who owns them; nothing of another owner is ever touched",
    )


def _issuance_cap(changes: Sequence[Change], estate: Estate) -> Guard:
    issued = sum(1 for c in changes if c.type == "ca.certificate" and c.action in ("create", "rotate"))
    cap = estate.spec.policy.issuance_cap
    message = f"{issued} certificates would be issued; the cap is {cap} a run"
    if issued <= cap:
        return Guard("G06", "passed", message)
    return Guard("G06", "refused", message + " — split the change, or have the policy's owners raise issuanceCap")


def _routine_cap(changes: Sequence[Change], estate: Estate) -> Guard:
    routine = [c for c in changes if c.routine]
    cap = estate.spec.policy.routine_cap
    message = f"{len(routine)} routine changes are due; the cap is {cap} a run"
    return Guard("G07", "passed", message + ("" if len(routine) <= cap else "; the rest waits for the next run"))


def _everything_seen(actual: Actual) -> Guard:
    if not actual.unavailable:
        return Guard("G08", "passed", "every system answered")
    silent = "; ".join(f"{name}: {why}" for name, why in sorted(actual.unavailable.items()))
    return Guard("G08", "refused", f"not every system answered ({silent}) — what can be contained is; grants wait")


def _thawed(actual: Actual) -> Guard:
    """G12: the estate's own hold."""
    if actual.freeze is None:
        return Guard("G12", "passed", "the estate is not frozen")
    by = f" by {actual.freeze.by}" if actual.freeze.by else ""
    message = f"the estate is frozen since {actual.freeze.at}{by}: {actual.freeze.reason}"
    return Guard("G12", "refused", f"{message} — nothing is granted until `idac thaw`; containment goes on")
