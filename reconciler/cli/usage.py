"""What was typed otherwise than the parser takes it: a global option behind the command; and where help is."""

from __future__ import annotations

from collections.abc import Sequence

import typer

WITH_VALUE = ("--config", "--format")
ANYWHERE = (*WITH_VALUE, "--no-color", "-q", "--quiet", "-v", "--verbose")


def rearranged(arguments: Sequence[str], error: typer.TyperException) -> list[str] | None:
    """The same with the option that the command did not know put before it; None where it is no global one.

    The last of that name is meant: one before it may be the value of another option.
    """
    name = str(getattr(error, "option_name", ""))
    if name not in ANYWHERE or not error.format_message().startswith("No such option"):
        return None
    places = [n for n, word in enumerate(arguments) if word == name or word.startswith(f"{name}=")]
    for at in reversed(places):
        length = 2 if name in WITH_VALUE and arguments[at] == name else 1
        if len(arguments) >= at + length:
            return [*arguments[at : at + length], *arguments[:at], *arguments[at + length :]]
    return None


def complaint(error: typer.TyperException) -> str:
    """What was wrong, and which help tells more."""
    said = error.format_message().rstrip(".")
    if getattr(error, "option_name", "") in WITH_VALUE and said.startswith("No such option"):
        said = f"{getattr(error, 'option_name', '')} is without its value"
    path = getattr(getattr(error, "ctx", None), "command_path", "idac")
    return f"{said} — see `{path} --help`"
