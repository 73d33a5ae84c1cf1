"""Settings as files hold them: a key, a value, a line; whatever the syntax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .marks import CLOSE, GAP, HOLE, OPEN


@dataclass(frozen=True)
class Entry:
    """A setting.

    Attributes:
        key: dotted path, or a flag's name without dashes; with underscores.
        value: a number, a text, a switch, or a tuple of them.
        line: that it is on; None where that is not known.
        spelled: the key as the file has it.
        file: name of the script that it is in, where another one sources that; else empty.
    """

    key: str
    value: Any
    line: int | None
    spelled: str
    file: str = ""

    @property
    def unknown(self) -> str:
        """What its value hangs on that nobody knows: a variable, a command; empty: nothing."""
        return unknown_in(self.value)


@dataclass(frozen=True)
class Source:
    """A file as it was read.

    Attributes:
        file: its name.
        entries: its settings in their order.
        programs: words that are no settings: what is run, and how.
        notes: what was left alone.
        is_dump: whether it holds every setting of a framework, said or not.
        is_loose: whether it is what a script's variables hold, and none of its commands.
    """

    file: str
    entries: Sequence[Entry]
    programs: Sequence[str] = ()
    notes: Sequence[str] = field(default=())
    is_dump: bool = False
    is_loose: bool = False


def unknown_in(value: Any) -> str:
    """Return what a value hangs on that nobody knows; empty where it hangs on nothing."""
    texts = value if isinstance(value, tuple) else (value,)
    for text in texts:
        found = HOLE.search(text) if isinstance(text, str) else None
        if found:
            return found.group(1).replace(GAP, " ")
    return ""


def plain(value: Any) -> Any:
    """Return a value fit to be shown: what nobody knows by its name."""
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    if isinstance(value, str):
        return str(value).translate({ord(OPEN): "$", ord(CLOSE): "", ord(GAP): " "})
    return value
