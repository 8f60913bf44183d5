"""Data to stdout, talk to stderr, bars when a person watches."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from reconciler.cli.context import Context
from reconciler.cli.streams import BROKEN_PIPE
from reconciler.errors import InvalidInput
from reconciler.model.manifest import SubjectRef
from reconciler.model.outcome import Outcome
from reconciler.model.resource import Observation
from reconciler.providers.protocol import Reader


def print_json(document: Any) -> None:
    """One JSON document to stdout."""
    print_text(json.dumps(document, indent=2) + "\n")


def print_text(text: str) -> None:
    """Text to stdout. Raises `InvalidInput` when it cannot be written, and ends a command nobody listens to."""
    try:
        sys.stdout.write(text)
    except BrokenPipeError:
        raise typer.Exit(BROKEN_PIPE) from None  # Typer would make it a plain 1
    except OSError as error:
        raise InvalidInput(f"the output could not be written: {error.strerror}") from None


@contextmanager
def applying(context: Context, total: int) -> Iterator[Callable[[Outcome], None]]:
    """A bar over the changes of a run. Without a watcher, nothing."""
    if not context.watched or total == 0:
        yield lambda outcome: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True, no_color=context.no_color or None)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("applying", total=total)

        def step(outcome: Outcome) -> None:
            # Addresses are made of validated names, but a stray object's name comes from the server.
            from rich.markup import escape

            from reconciler.render.safe import safe

            words = escape(safe(f"{outcome.change.action} {outcome.change.address}")[:44])
            progress.update(task, advance=1, description=words)

        yield step


@contextmanager
def looking(context: Context, readers: Sequence[Reader]) -> Iterator[Sequence[Reader]]:
    """A spinner that names the system being read. Without a watcher, nothing."""
    if not context.watched:
        yield readers
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, no_color=context.no_color or None)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield [_Watched(reader, progress) for reader in readers]


class _Watched:
    """A reader that shows while it reads."""

    def __init__(self, reader: Reader, progress: Any) -> None:
        self.name = reader.name
        self._reader = reader
        self._progress = progress

    def observe(self) -> Observation:
        """Read, with a spinner."""
        return self._spin(self._reader.observe)

    def observe_subject(self, subject: SubjectRef) -> Observation:
        """Read what is one subject's, with a spinner."""
        return self._spin(lambda: self._reader.observe_subject(subject))

    def _spin(self, read: Callable[[], Observation]) -> Observation:
        task = self._progress.add_task(f"reading {self.name}", total=None)
        try:
            return read()
        finally:
            self._progress.remove_task(task)
