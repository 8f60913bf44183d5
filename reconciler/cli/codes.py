"""Exit codes, and why they are not 0: one rule for `plan`, `apply` and `release` (docs/exit-codes.md)."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from reconciler.model.manifest import Finding, Tree
from reconciler.model.plan import Plan
from reconciler.model.record import RunResult
from reconciler.render.safe import safe
from reconciler.render.standing import against, unseen

DONE, INVALID, PENDING, REFUSED, PARTIAL = 0, 1, 2, 3, 5


def plan_code(fresh: Plan, tree: Tree, *, detailed: bool) -> int:
    """1 for invalid manifests, 5 for a system that was not seen, 3 for a refusal, 2 for pending changes.

    Whatever the code, there is a plan: what it holds may be applied.
    """
    if tree.errors:
        return INVALID
    if fresh.pending:
        return PARTIAL
    if fresh.refused:
        return REFUSED
    return PENDING if detailed and not fresh.empty else DONE


def apply_code(result: RunResult, tree: Tree) -> int:
    """0 for `complete` and `noop`; 5 where another run may do more; otherwise 1 for invalid manifests, and 3.

    Where everything in the plan was done, only people can go on: what is refused is not in it.
    """
    if result.status in ("complete", "noop"):
        return DONE
    if result.status == "denied" or _all_done(result):
        return INVALID if tree.errors else REFUSED
    return PARTIAL


def _all_done(result: RunResult) -> bool:
    """Whether nothing of the plan is left, and nothing was kept from being in it but by a refusal."""
    applied = all(outcome.status == "applied" for outcome in result.outcomes)
    proved = not any(proof.status == "failed" for proof in result.proofs)
    return applied and proved and not result.plan.pending


def explain_plan(code: int, fresh: Plan, out: str, *, shown: bool) -> None:
    """On stderr, why `plan` exits as it does; nothing when all is well. `shown`: the plan was printed as text."""
    if code in (DONE, PENDING):
        return
    lines = [*_standing(fresh, shown=shown)]
    if out and not fresh.empty:
        lines.append(f"the plan was written all the same: `idac apply --plan {out}` carries out what it may")
    _say(code, lines)


def explain_apply(code: int, result: RunResult, *, shown: bool) -> None:
    """On stderr, why a run exits as it does; nothing when all is well. `shown`: its plan was printed as text."""
    if code == DONE:
        return
    count = len(result.outcomes)
    applied = sum(1 for o in result.outcomes if o.status == "applied")
    failed = sum(1 for p in result.proofs if p.status == "failed")
    lines = [f"{applied} of {count} changes in the plan were applied" if count else "there was nothing to apply"]
    lines += [f"{failed} proofs failed: the next run asks again"] * bool(failed)
    _say(code, [*lines, *_standing(result.plan, shown=shown)])


def explain_finding(code: int, finding: Finding) -> None:
    """On stderr, last of all, the one thing that was found wrong when everything was done."""
    sys.stderr.write(f"idac: exit {code}: {safe(finding.message)}\n")


def _standing(fresh: Plan, *, shown: bool) -> Iterator[str]:
    """What stands against the plan, or against what is not in it. What is on the page already is only named."""
    if shown:
        yield from (f"{line}: see above" for line in against(fresh))
        yield from unseen(fresh)
        return
    errors = [f for f in fresh.findings if f.severity == "error"]
    if errors:
        first = f"{errors[0].origin}: " if errors[0].origin else ""
        yield f"{len(errors)} error{'s' * (len(errors) > 1)} found, the first: {first}{errors[0].message}"
    yield from (f"{guard.code}: {guard.message}" for guard in fresh.refused)
    if not any(g.code == "G08" for g in fresh.refused):
        yield from unseen(fresh)


def _say(code: int, lines: list[str]) -> None:
    sys.stderr.write(f"idac: exit {code}: {_WORDS[code]}\n" + "".join(f"  {safe(line)}\n" for line in lines))


_WORDS = {
    INVALID: "the manifests are invalid",
    REFUSED: "something is refused by a rule or guard",
    PARTIAL: "not everything was seen or done",
}
