"""A log as it was read: a row a step that was printed, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]


@dataclass(frozen=True)
class Unread:
    """Lines that look like steps and cannot be read.

    Attributes:
        count: of them.
        line: number of the first, from 1; 0 where there is none.
        text: of the first, cut.
    """

    count: int = 0
    line: int = 0
    text: str = ""


NOTHING_UNREAD = Unread()


class Event(NamedTuple):
    """What a line beside the steps tells.

    Attributes:
        line: its number, from 1.
        kind: checkpoint, evaluation, start or error.
    """

    line: int
    kind: str


@dataclass(frozen=True)
class Log:
    """What a log says.

    Attributes:
        file: its name.
        format: name of the format; see ``formats``.
        title: the same for people.
        memory: what printed memory counts: reserved, allocated; empty: not told.
        lines: of the file.
        at_line: number of each row's line; ``(rows,)``.
        columns: by the names of ``formats.COLUMNS``, NaN where a line does not tell; ``(rows,)``.
        unread: lines that looked like steps.
        events: what other lines tell, the first ``reader.MOST_EVENTS``.
        is_numbered: whether lines tell no step, and were counted as they came.
        notes: what a reader must know.
        rounded: columns that are printed to a few digits.
    """

    file: str
    format: str
    title: str
    memory: str
    lines: int
    at_line: NDArray[np.int64]
    columns: Mapping[str, Column]
    unread: Unread = NOTHING_UNREAD
    events: Sequence[Event] = ()
    is_numbered: bool = False
    notes: Sequence[str] = field(default=())
    rounded: frozenset[str] = frozenset()

    def __len__(self) -> int:
        """Rows."""
        return len(self.at_line)

    def has(self, name: str) -> bool:
        """Whether any row tells a column."""
        return bool(np.isfinite(self.columns[name]).any())

    def last(self, name: str) -> float | None:
        """Return the last value of a column; None where no row tells it."""
        known = self.columns[name][np.isfinite(self.columns[name])]
        return float(known[-1]) if len(known) else None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, without the rows."""
        return {
            "file": self.file,
            "format": self.format,
            "title": self.title,
            "lines": self.lines,
            "rows": len(self),
            "unread": asdict(self.unread),
        }
