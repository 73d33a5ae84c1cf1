"""What goes wrong, said so that the user can mend it."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 2000
LONGEST_FIELD = 500
"""Characters of a message and of its field: what they quote may be as long as a file."""
MOST_OTHERS = 30
"""Mistakes that are told beside the first."""


class RequestError(ValueError):
    """A request that cannot be met as given.

    Attributes:
        field: path of the field, as the user wrote it (``runs[2].mfu``, ``--tokens``), or the
            file's name.
        problem: what was given and what is allowed, in one sentence.
        others: further mistakes of the same request: the field and the problem of each.
    """

    def __init__(self, field: str, problem: str, others: Sequence[tuple[str, str]] = ()) -> None:
        self.field = field
        self.problem = problem
        self.others = tuple(others)
        lines = [_told(*each) for each in ((field, problem), *self.others[:MOST_OTHERS])]
        if len(self.others) > MOST_OTHERS:
            lines.append(f"and {len(self.others) - MOST_OTHERS} more")
        super().__init__("\n  ".join(lines))

    def within(self, parent: str) -> RequestError:
        """Return the same error with its fields placed inside ``parent``."""
        others = [(f"{parent}: {field}", problem) for field, problem in self.others]
        return RequestError(f"{parent}: {self.field}", self.problem, others)


def _told(field: str, problem: str) -> str:
    return f"{one_line(field, LONGEST_FIELD)}: {one_line(problem, LONGEST)}"


def one_line(text: str, limit: int) -> str:
    """Return ``text`` fit for a terminal: control characters escaped, cut at ``limit``."""
    text = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def shown(value: object, limit: int = 80) -> str:
    """Return ``value`` as a message quotes it: its repr on one line, cut at ``limit``."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested too deep; more digits than Python writes
        text = f"({type(value).__name__} too large to show)"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
