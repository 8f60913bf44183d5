"""Checks of bots: who answers for them, and that each is one. Pure; one function a code."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.kinds.bot.spec import Bot
from reconciler.model.manifest import Finding
from reconciler.rules.view import View, dangling_person, finding, several, shared

FEWEST_SWITCHES = 2  # people who can stop an algo: one may be asleep


def _owners(view: View) -> Iterator[Finding]:
    """R40: a bot that nobody answers for, or that nobody can stop."""
    for manifest, spec in view.staying(Bot):
        switches = spec.kill_switch_owners
        what = "owner and kill-switch owner" if spec.owner in switches else "owner"
        yield from dangling_person(view, "R40", manifest, what, spec.owner, "spec", "owner")
        for index, name in enumerate(switches):
            if name != spec.owner:  # one person is one fault
                path = ("spec", "killSwitchOwners", index)
                yield from dangling_person(view, "R40", manifest, "kill-switch owner", name, *path)


def _kill_switches(view: View) -> Iterator[Finding]:
    """R41: an algo in production with fewer than two people who can stop it (RTS 6 art. 12)."""
    for manifest, spec in view.staying(Bot):
        number = len(spec.kill_switch_owners)
        if spec.bot_class == "algo" and spec.environment == "prod" and number < FEWEST_SWITCHES:
            message = f"an algo in production needs {FEWEST_SWITCHES} kill-switch owners, and it has {number}"
            yield finding("R41", "warning", message, manifest, "spec", "killSwitchOwners")


def _algo_ids(view: View) -> Iterator[Finding]:
    """R42: an algo id names one set of code, for ever (RTS 22 art. 8(3)): retired bots keep theirs."""
    for same in several((s.algo_id, m) for m, s in view.every(Bot) if s.algo_id is not None):
        yield from shared(same, "R42", "algoId", "spec", "algoId")


def _subjects(view: View) -> Iterator[Finding]:
    """R43: two bots that one token would log in as. The server does not tell capitals apart."""
    bound = [((s.binding.issuer, s.subject_claim.casefold()), m) for m, s in view.staying(Bot) if s.subject_claim]
    for same in several(bound):
        yield from shared(same, "R43", "token subject", "spec", "binding")


def _spiffe_ids(view: View) -> Iterator[Finding]:
    """R44: one SPIFFE ID, one bot."""
    for same in several((s.spiffe_id, m) for m, s in view.staying(Bot) if s.spiffe_id is not None):
        yield from shared(same, "R44", "spiffeId", "spec", "spiffeId")


def _approvers(view: View) -> Iterator[Finding]:
    """R45: a release that its own owner approved, or somebody whom the estate does not know (RTS 6 art. 5(2))."""
    for manifest, spec in view.staying(Bot):
        for index, release in enumerate(spec.releases):
            by = release.approval.by if release.approval is not None and not release.retired else None
            path = ("spec", "releases", index, "approval", "by")
            if by is not None and by == spec.owner:
                message = f"release {release.version} is approved by its own owner: another must look at it"
                yield finding("R45", "warning", message, manifest, *path)
            elif by is not None and by not in view.people:
                message = f"release {release.version} is approved by {by}, who is no Trader or Staff here"
                yield finding("R45", "warning", message, manifest, *path)


RULES: tuple[Callable[[View], Iterator[Finding]], ...] = (
    _owners,
    _kill_switches,
    _algo_ids,
    _subjects,
    _spiffe_ids,
    _approvers,
)
