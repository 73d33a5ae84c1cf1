"""What the pages show: commands with their true output, run once however many pages show them.

For ``cog -I docs README.md docs/*.md`` (``make docs``), in the root of the tree. Commands run in
this process, so that torch is loaded once for all of them.
"""

from __future__ import annotations

import functools
import shlex
import subprocess
import sys
from collections.abc import Sequence

from click.testing import CliRunner

import computebill as cb
from computebill.cli import main

# Pages that need the same programme compute it once.
compare_spend = functools.cache(cb.compare_spend)


@functools.cache
def output(command: str) -> str:
    """What a command prints on standard output.

    Args:
        command: ``computebill …`` or ``python …``, as a reader would type it.

    Returns:
        Its output, without empty lines at either end.

    Raises:
        RuntimeError: The command ended with another status than 0.
    """
    program, *words = shlex.split(command)
    if program == "python":
        ended = subprocess.run([sys.executable, *words], capture_output=True, text=True)
        status, text, complaint = ended.returncode, ended.stdout, ended.stderr
    else:
        result = CliRunner().invoke(main, words, prog_name=program)
        status, text, complaint = result.exit_code, result.stdout, result.output
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise RuntimeError(f"{command}: {result.exception!r}") from result.exception
    if status:
        raise RuntimeError(f"{command}: exit status {status}\n{complaint}")
    return text.strip("\n").rstrip()


def cut(text: str, since: str | None, until: str | None, only: Sequence[str]) -> str:
    """A part of an output, with a line ``…`` where lines are left out.

    Args:
        text: The output.
        since: Text in the first line that is shown, else all from the first on.
        until: Text in the first line that is no longer shown, else all to the last.
        only: The first words of the lines to show of that part, in their order; else all of them.

    Returns:
        The part.

    Raises:
        LookupError: A marker is not in the output.
    """
    lines = text.splitlines()
    first, last = 0, len(lines)
    if since is not None:
        first = find(lines, 0, since)
    if until is not None:
        last = find(lines, first + 1, until)
    if not only:
        return "\n".join(elided(lines, range(first, last)))
    kept: list[int] = []
    for words in only:
        kept.append(find(lines[:last], kept[-1] + 1 if kept else first, words, starts=True))
    return "\n".join(elided(lines, kept))


def find(lines: Sequence[str], first: int, marker: str, *, starts: bool = False) -> int:
    """The place of the first line from ``first`` on that holds, or starts with, the marker."""
    for at in range(first, len(lines)):
        if lines[at].strip().startswith(marker) if starts else marker in lines[at]:
            return at
    raise LookupError(f"no line with {marker!r} from line {first + 1} on of\n" + "\n".join(lines))


def elided(lines: Sequence[str], kept: Sequence[int]) -> list[str]:
    """The kept lines, and ``…`` for each gap that holds more than empty lines and rules."""
    shown: list[str] = []
    before = -1
    for at in [*kept, len(lines)]:
        gap = lines[before + 1 : at]
        if any(line.strip(" ─") for line in gap):
            shown = [*without_empty_end(shown), "…"]
        elif at < len(lines):
            shown += gap
        if at < len(lines):
            shown.append(lines[at])
        before = at
    return without_empty_end(shown)


def without_empty_end(lines: list[str]) -> list[str]:
    """The lines without empty ones at their end."""
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def shell(
    command: str,
    *,
    since: str | None = None,
    until: str | None = None,
    only: Sequence[str] = (),
) -> None:
    """Show a command with its output, or with a part of it (see :func:`cut`).

    Args:
        command: As a reader would type it.
        since: Text in the first line that is shown.
        until: Text in the first line that is no longer shown.
        only: The first words of the lines to show.

    Raises:
        LookupError: A marker is not in the output: the command no longer prints it.
        RuntimeError: The command failed.
    """
    import cog  # put there by cog while it runs a page

    try:
        part = cut(output(command), since, until, only)
    except LookupError as error:
        raise LookupError(f"{command}: {error.args[0]}") from None
    cog.out(f"```console\n$ {command}\n{part}\n```\n")
