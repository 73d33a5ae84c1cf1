"""How an answer is written to standard output: first its sentence, then tables; a slide's block.

What leaves here suits where it goes: as wide as the terminal or as ``COLUMNS`` says, in letters
that the output has.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from computebill.views.answers.answer import Answer

PLAIN_WIDTH = 120
"""Letters of a line where the output is no terminal and nobody says."""

ROOM = 10
"""Letters fewer than that, for which tables give up no column."""

NARROWEST = 20
"""Letters below which ``COLUMNS`` is no width."""

PLAINER = {
    "–": "-", "—": "-", "−": "-", "‑": "-", "─": "-", "━": "-", "…": "...", "×": "x", "·": "*",
    "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "µ": "u", "≤": "<=", "≥": ">=", "→": "->",
    "\u2060": "", "\u00a0": " ",
}  # fmt: skip
"""What stands for a letter where an output does not have it."""


def _plainer(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write what an output has no letters for: a hyphen for a dash, else the letter's code."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    coded = (PLAINER.get(each, f"\\u{ord(each):04x}") for each in letters)
    return "".join(coded), error.end


PLAINLY = "computebill.plainly"
codecs.register_error(PLAINLY, _plainer)


def tell(answer: Answer | None, tables: Iterable[Any]) -> None:
    """Print an answer's sentence, then tables.

    Args:
        answer: of the result; None of a list, which is none.
        tables: below it.
    """
    print_tables([*([] if answer is None else [_first(answer)]), *tables])


def _first(answer: Answer) -> Any:
    from rich.text import Text

    return Text(f"{answer.sentence}\n", style="bold")


def print_line(text: str) -> None:
    """Print one line of any length."""
    _plainly()
    _write(text)


INTERVAL = re.compile(r"\([^()]*\d–[^()]*\d[^()]*\)")
"""Brackets that have the ends of an interval."""


def brief(answer: Answer) -> str:
    """Return an answer's sentence alone, with what its brackets are where it has intervals."""
    told = answer.sentence
    return f"{told} In brackets: 5th–95th percentile." if INTERVAL.search(told) else told


def markdown(answer: Answer, result: Mapping[str, Any]) -> str:
    """Return an answer as a slide has it: heading, sentence, figures, assumptions in a line.

    Args:
        answer: of the result.
        result: as ``--json`` prints it, for what was assumed and the command.
    """
    blocks = [f"## {_escaped(answer.title)}", _escaped(answer.sentence)]
    if answer.figures:
        rows = (f"| {_escaped(each.label)} | {_escaped(each.text)} |" for each in answer.figures)
        is_spread = any(re.search("–| to ", each.interval) for each in answer.figures)
        heading = "| | median (5th–95th percentile) |" if is_spread else "| | |"
        blocks.append("\n".join([heading, "|---|---:|", *rows]))
    blocks += [f"> {_escaped(note)}" for note in answer.notes]
    given = (*(result.get("inputs") or ()), *(result.get("assumptions") or ()))
    assumed = list(dict.fromkeys(f"{each['name']} {each['value']}" for each in given))
    if assumed:
        blocks.append(f"Assumed: {_escaped('; '.join(assumed))}.")
    command = (result.get("about") or {}).get("command")
    if command:
        blocks.append(f"`{str(command).replace('`', '')}`")
    return "\n\n".join(blocks)


def _escaped(text: object) -> str:
    """Return a text on one line, as Markdown shows it, whatever a name has in it."""
    return re.sub(r"([\\*_<>|\[\]])", r"\\\1", " ".join(str(text).split()))


def width() -> int:
    """Return letters of a line: the terminal's, ``COLUMNS``', or those of a text."""
    if sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    given = os.environ.get("COLUMNS", "")
    return max(int(given), NARROWEST) if given.isdecimal() and int(given) else PLAIN_WIDTH


def print_tables(tables: Iterable[Any]) -> None:
    """Print rich tables; where the output is no terminal, plain text without ends of lines."""
    from rich.console import Console

    _plainly()
    shown = (_fitted(table) for table in tables)
    if sys.stdout.isatty():
        console = Console(highlight=False, markup=False, emoji=False)
        for table in shown:
            console.print(table)
        return
    for table in shown:
        plain = Console(width=width(), color_system=None, markup=False, emoji=False)
        with plain.capture() as captured:
            plain.print(table)
        _write("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _fitted(part: Any) -> Any:
    """Return a table with the columns that there is room for, and anything else as it is."""
    from rich.table import Table

    from computebill.views.tables import narrowed

    is_wide = width() >= PLAIN_WIDTH - ROOM
    return part if is_wide or not isinstance(part, Table) else narrowed(part, width())


def _write(text: str) -> None:
    """Write lines to standard output as it is: click would write UTF-8 where it asks for ASCII."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _plainly() -> None:
    """Have an output that lacks letters get plainer ones; JSON has their codes, which it reads."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=PLAINLY)
