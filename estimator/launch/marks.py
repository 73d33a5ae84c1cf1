"""Texts of launch files with their lines, and what stands in them for what nobody knows."""

from __future__ import annotations

import re

OPEN, CLOSE = "\ue000", "\ue001"
"""Around what stands for a value that nobody knows: a variable's name, or a command."""

BREAK = "\ue002"
"""Stands for a line that a backslash joins to the next, so that lines can be counted."""

GAP = "\ue003"
"""Stands for a blank in such a value, which no word is cut at."""

HOLE = re.compile(f"{OPEN}([^{CLOSE}]*){CLOSE}")


class Text(str):
    """A text of a script, and the line that it is written on."""

    line: int

    def __new__(cls, text: str, line: int) -> Text:
        """Make one."""
        made = super().__new__(cls, text)
        made.line = line
        return made


def hole(what: str, line: int) -> Text:
    """Return what stands for a value that nobody knows."""
    plain = re.sub(rf"[\s{OPEN}{CLOSE}]", GAP, what[:200])
    return Text(f"{OPEN}{plain}{CLOSE}", line)
