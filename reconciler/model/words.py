"""Names in messages, and words that a server takes."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from itertools import islice

from reconciler.model.manifest import SubjectRef


def few(names: Iterable[object], total: int, shown: int = 3) -> str:
    """The first few of `total` names, the others by number: no message grows with the estate."""
    told = [str(name) for name in islice(names, shown)]
    more = f" and {total - len(told):,} more" if total > len(told) else ""
    return ", ".join(told) + more


def alike(subject: SubjectRef, known: Iterable[SubjectRef], shown: int = 3) -> tuple[SubjectRef, ...]:
    """Whom somebody may have meant: the same name of another kind, and names of that kind that look like it."""
    others = sorted(set(known) - {subject})
    same = [one for one in others if one.name == subject.name]
    names = [one.name for one in others if one.kind == subject.kind]
    close = [SubjectRef(subject.kind, name) for name in difflib.get_close_matches(subject.name, names, shown, 0.6)]
    return tuple([*same, *close][:shown])


def did_you_mean(subject: SubjectRef, known: Iterable[SubjectRef]) -> str:
    """The question, with whom somebody may have meant; empty where nobody is like it."""
    near = " or ".join(f"`{one}`" for one in alike(subject, known))
    return f"did you mean {near}?" if near else ""


def printable(text: str) -> str:
    """The text on one line, of characters that KV metadata takes: any other one becomes a space.

    The server refuses what Go's `unicode.IsPrint` does: all but letters, marks, numbers, punctuation, symbols
    and the plain space.
    """
    return " ".join("".join(c if unicodedata.category(c)[0] in "LMNPS" else " " for c in text).split())
