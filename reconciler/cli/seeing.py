"""The front door's commands that look at one thing."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Name the commands."""
    app.command()(show)


def show(
    ctx: typer.Context,
    subject: Annotated[str, typer.Argument(metavar="KIND/NAME", help="Such as trader/jdoe, or role/rfq-trader")],
) -> None:
    """Everything about one subject or rule: desired and actual, why, and what would change."""
    from reconciler.cli import show as command

    raise typer.Exit(command.show(ctx.obj, subject=subject))
