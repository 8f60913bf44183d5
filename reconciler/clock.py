"""The one clock, and the one spelling of a moment: RFC 3339, UTC, whole seconds, `Z`."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """This machine's time: aware, UTC."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """An aware datetime as text. `datetime.fromisoformat` reads it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_moment(text: str) -> bool:
    """Whether a text is a moment, spelled in that way."""
    if len(text) != 20 or text[10] != "T" or text[-1] != "Z" or not text[5].isdigit():
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def stamp() -> str:
    """This machine's time as text."""
    return rfc3339(now())
