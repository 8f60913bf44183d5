"""What was reviewed is what is applied, or nothing is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from reconciler.errors import InvalidInput, Refused, Stale
from reconciler.model.manifest import SubjectRef
from reconciler.model.plan import Plan, PlanTicket

SKEW = timedelta(minutes=1)  # between the clocks of whoever plans and whoever applies
REPLAN = "run `idac plan --out` again and have the new plan reviewed"

Document = Mapping[str, Any]  # a plan as `plan --out` writes it


def require_same(reviewed: Document, fresh: Document, now: datetime, longest: timedelta) -> PlanTicket:
    """The reviewed plan's ticket, if that plan is unexpired and exactly what would happen now.

    Anybody may have altered the reviewed document since it was written, so nothing in it is believed: all that
    a reviewer relies on is held against the fresh plan's document. `longest` is the policy's `planExpiry`.
    Raises `Stale` with the difference otherwise. Single use is not decided here but by the server, when the
    plan is noted as used.
    """
    if reviewed["estate"] != fresh["estate"]:
        raise Stale(f"the plan is for estate {reviewed['estate']!r}, not {fresh['estate']!r}", remedy=REPLAN)
    _require_young(reviewed, now, longest)
    same = reviewed["digest"] == fresh["digest"]
    lines = list(_altered(reviewed, fresh) if same else difference(reviewed, fresh))
    if lines or not same:
        text = "\n".join(f"  {line}" for line in lines)
        raise Stale(f"the reviewed plan is not what would happen now:\n{text}\n", remedy=REPLAN)
    return PlanTicket(reviewed["planId"], reviewed["createdAt"], reviewed["expiresAt"])


def release_scope(subject: SubjectRef, reason: str) -> dict[str, Any]:
    """The scope of a plan that lifts one hold and does nothing else."""
    return {"release": {"subject": str(subject), "reason": reason}}


def release_of(reviewed: Document) -> tuple[SubjectRef, str] | None:
    """Whose hold a reviewed plan lifts, and why; None for a plan of the whole estate. Raises `InvalidInput`."""
    scope = reviewed.get("scope")
    said = scope.get("release") if isinstance(scope, Mapping) else None
    if said is None:
        return None
    subject, reason = (said.get(n) if isinstance(said, Mapping) else None for n in ("subject", "reason"))
    kind, _, name = str(subject).partition("/")
    if not isinstance(reason, str) or not kind or not name:
        raise InvalidInput("the plan's scope names no release", remedy="make the plan anew with `idac release`")
    return SubjectRef(kind, name), reason


def require_allowed(fresh: Plan) -> None:
    """Raises `Refused` when guards stop the whole plan: where it is stopped by name, all that it would contain."""
    by_name = [g for g in fresh.refused if g.stops == "everything" or g.subjects]
    if by_name and all(fresh.stopped(c) for c in (*fresh.changes, *fresh.routine)):
        raise Refused(
            f"{by_name[0].code}: {by_name[0].message}",
            remedy="plan again once that is settled; nothing was changed",
        )


def since_review(reviewed: Document, fresh: Plan) -> tuple[str, ...]:
    """Routine changes that run with a reviewed plan and were not in it: they came due since, as policy allows."""
    said = reviewed.get("routine")
    listed = [c for c in said if isinstance(c, Mapping)] if isinstance(said, list) else []
    shown = {(str(c.get("address")), str(c.get("action"))) for c in listed}
    due = [(c.address, c.action) for c in fresh.routine]
    return tuple(f"{action} {address}" for address, action in due if (address, action) not in shown)


def difference(reviewed: Document, fresh: Document) -> Iterator[str]:
    """Lines that say in what a stored plan and a fresh one differ."""
    yield from _steps_apart(reviewed, fresh)
    for name in ("policy", "target", "scope"):
        if _plain(reviewed.get(name)) != _plain(fresh[name]):
            yield f"the {name} is another"
    then, now = _steps(reviewed), _steps(fresh)
    if then.keys() == now.keys():
        yield "what was observed at these addresses, or the configuration, has changed since the review"


def _require_young(reviewed: Document, now: datetime, longest: timedelta) -> None:
    created, expires = _moment(reviewed, "createdAt"), _moment(reviewed, "expiresAt")
    if now >= expires:
        raise Stale(f"the plan expired {reviewed['expiresAt']}", remedy=REPLAN)
    if created > now + SKEW:
        raise Stale(f"the plan says it was made {reviewed['createdAt']}, which is yet to come", remedy=REPLAN)
    if expires - created > longest:
        said = f"made {reviewed['createdAt']}, good until {reviewed['expiresAt']}"
        most = f"planExpiry is {int(longest.total_seconds())} seconds"
        raise Stale(f"the plan claims a longer life than the policy gives one ({said}; {most})", remedy=REPLAN)


def _moment(reviewed: Document, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(reviewed[name])
        zoned = moment.tzinfo is not None
    except (KeyError, ValueError, TypeError):
        zoned = False
    if not zoned:
        raise Stale(f"the plan's {name} is not a time with a zone", remedy=REPLAN)
    return moment


def _altered(reviewed: Document, fresh: Document) -> Iterator[str]:
    """What the document says otherwise than the fresh plan, though both carry the same digest.

    Routine changes, the commit, guards that passed and what is not ours may have moved on since the review:
    they are no part of it.
    """
    for name in ("target", "scope", "policy", "summary"):
        if _plain(reviewed.get(name)) != _plain(fresh[name]):
            yield f"the {name} was altered after the plan was made"
    if _plain(reviewed["changes"]) != _plain(fresh["changes"]):
        yield "the changes were altered after the plan was made"
        yield from _steps_apart(reviewed, fresh)
    yield from _unreviewed(reviewed.get("findings"), fresh)


def _unreviewed(said: Any, fresh: Document) -> Iterator[str]:
    """Errors and warnings about the plan's subjects, or about the estate, that its reviewers were not shown."""
    shown = {_told(f) for f in said if isinstance(f, Mapping)} if isinstance(said, list) else set()
    touched = {None, *(change["subject"] for change in fresh["changes"])}
    for finding in fresh["findings"]:
        if finding["severity"] != "info" and finding["subject"] in touched and _told(finding) not in shown:
            yield f"a finding that was not reviewed: {finding['code']}: {finding['message']}"


def _told(finding: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(finding.get(name)) for name in ("code", "severity", "subject", "message"))


def _steps_apart(reviewed: Document, fresh: Document) -> Iterator[str]:
    """A line for each step that only one of the two has, or that says something else in the other."""
    then, now = _steps(reviewed), _steps(fresh)
    for key in sorted(then.keys() - now.keys()):
        yield f"no longer needed: {key[1]} {key[0]} ({key[2]})"
    for key in sorted(now.keys() - then.keys()):
        yield f"new: {key[1]} {key[0]} ({key[2]})"
    for key in sorted(then.keys() & now.keys()):
        if then[key] != now[key]:
            yield f"differs: {key[1]} {key[0]} ({key[2]})"


def _steps(document: Document) -> dict[tuple[str, str, str], list[Any]]:
    """Changes by address, action and phase: an entity is disabled and sealed under the same three."""
    found: dict[tuple[str, str, str], list[Any]] = {}
    for c in document["changes"]:
        if not isinstance(c, Mapping):
            continue
        key = str(c.get("address")), str(c.get("action")), str(c.get("phase"))
        found.setdefault(key, []).append(_plain(dict(c)))
    return found


def _plain(value: Any) -> Any:
    """Tuples and lists alike, so that a stored value compares with a live one."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value
