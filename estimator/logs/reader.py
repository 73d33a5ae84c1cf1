"""A log read line by line, at once or as it grows; nothing of it is kept but its figures.

Lines are read in blocks. A line that has a format's marks is a step, or looks like one: what its
patterns do not find, or find twice, is counted and the first such line is told.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from computebill.base.errors import RequestError, shown

from .files import blocks
from .formats import COLUMNS, PLACE, Format, events, formats
from .kinds import PIECES, KindReader, Lines, Told, figures_read
from .record import Column, Event, Log, Unread
from .states import is_state, read_state

LONGEST_TAIL = 2**20
"""Letters without an end of a line, as progress bars print them, that are kept for the next."""

COUNTED = ("step", "samples")
"""Columns one of which a line of a step tells."""

MOST_SHOWN = 160
MOST_EVENTS = 10_000
COLOUR = re.compile(r"\x1b\[[0-9;?]{0,32}[A-Za-z]")


class LogReader:
    """A log, fed with its bytes as they come.

    Args:
        name: of its file.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines = 0
        self._decoder: codecs.IncrementalDecoder | None = None
        self._tail = ""
        self._format: Format | None = None
        self._kinds: list[KindReader] = []
        self._rows: list[Column] = []
        self._lines: list[NDArray[np.int64]] = []
        self._summary: dict[str, float] = {}
        self._header: dict[str, float] = {}
        self._unread = Unread()
        self._alike: dict[str, Unread] = {}
        self._events: list[Event] = []
        self._notes: dict[str, None] = {}

    @property
    def format(self) -> Format | None:
        """How it prints steps; None where no line did so far."""
        return self._format

    @property
    def rows(self) -> int:
        """Steps that were read so far."""
        return sum(map(len, self._lines))

    def feed(self, data: bytes) -> None:
        """Read what came since, up to the end of its last whole line."""
        if self._decoder is None and data:
            self._decoder = codecs.getincrementaldecoder(_encoding(data))("replace")
        text = self._tail + (self._decoder.decode(data) if self._decoder else "")
        whole, end, tail = text.rpartition("\n")
        if len(tail) > LONGEST_TAIL:  # bars without an end of a line
            kept = tail.rfind("\r") + 1
            whole, end, tail = f"{whole}{end}{tail[:kept]}", "", tail[kept:][-LONGEST_TAIL:]
        self._tail = tail
        if whole or end:
            self._read(whole)

    def close(self) -> None:
        """Read the last line, though it has no end."""
        if self._tail:
            self._read(self._tail)
            self._tail = ""

    def note(self, text: str) -> None:
        """Have a reader told something."""
        self._notes[text] = None

    def log(self) -> Log:
        """Return what was read so far.

        Raises:
            RequestError: where no line tells a step.
        """
        found = self._format
        if found is None or not self._rows:
            alike = max(self._alike.values(), key=lambda each: each.count, default=Unread())
            raise RequestError(self.name, "; ".join([_no_log(self.lines, alike), *self._notes]))
        rows = np.concatenate(self._rows)
        columns = {name: rows[:, place] for name, place in PLACE.items()}
        for name, value in self._header.items():
            columns[name][np.isnan(columns[name])] = value
        for name, value in self._summary.items():
            if not np.isfinite(columns[name]).any():
                columns[name][-1] = value
        if not np.isfinite(columns["step"]).any():
            columns["step"][:] = columns["samples"] / columns["batch"]
        is_numbered = not np.isfinite(columns["step"]).any()
        if is_numbered:
            columns["step"][:] = np.arange(1, len(rows) + 1)
        return Log(
            file=self.name,
            format=found.key,
            title=found.title,
            memory=found.memory,
            lines=self.lines,
            at_line=np.concatenate(self._lines),
            columns=columns,
            unread=self._unread,
            events=tuple(self._events),
            is_numbered=is_numbered,
            notes=tuple(self._notes),
            rounded=found.rounded,
        )

    def _read(self, text: str) -> None:
        read = _pieces(text, self.lines + 1)
        self.lines += text.count("\n") + 1
        if self._format is None:
            self._format = _format_of(read.texts)
            if self._format is None:
                self._note_alike(read)
                return
            self._unread = self._alike.get(self._format.key, Unread())
            self._kinds = [KindReader(kind, self._miss) for kind in self._format.kinds]
        told: list[tuple[int, Told]] = []
        for place, reader in enumerate(self._kinds):
            found = reader.read(read)
            if not len(found):
                continue
            if reader.kind.summary:
                self._summary.update(zip(COLUMNS, found.rows[-1].tolist(), strict=True))
            elif reader.kind.header:
                self._header.update(zip(COLUMNS, found.rows[-1].tolist(), strict=True))
            else:
                told.append((place, found))
        self._store(self._format, told, np.asarray(read.numbers))
        self._note_events(list(read.others()))

    def _note_alike(self, lines: Lines) -> None:
        """Count lines that look like steps of a format, while none of any can be read."""
        for form in formats():
            for number, line in lines.others():
                if any(kind.marks[0] in line and kind.looks_so(line) for kind in form.kinds):
                    before = self._alike.get(form.key, Unread())
                    self._alike[form.key] = _one_more(before, number, line)

    def _miss(self, line: int, text: str) -> None:
        self._unread = _one_more(self._unread, line, text)

    def _store(
        self, form: Format, told: Sequence[tuple[int, Told]], numbers: NDArray[np.int64]
    ) -> None:
        """Keep rows in the order of their lines; a line that joins tells more of the one before."""
        if not told:
            return
        places = np.concatenate([each.places for _, each in told])
        rows = np.concatenate([each.rows for _, each in told])
        joins = np.concatenate([np.full(len(each), form.kinds[n].joins) for n, each in told])
        if len(told) > 1:
            order = np.argsort(places, kind="stable")  # kinds of one line in the format's order
            places, rows, joins = places[order], rows[order], joins[order]
        if joins.any():
            kept = self._joined(form, rows, joins)
            places, rows = places[kept], rows[kept]
        if len(rows):
            self._lines.append(numbers[places // PIECES])
            self._rows.append(rows)

    def _joined(self, form: Format, rows: Column, joins: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Put what lines tell into the row before, and return which rows stay."""
        step = PLACE["step"]
        stays = ~joins
        last = self._rows[-1][-1] if self._rows else None
        for n, row in enumerate(rows):
            known = np.isfinite(row)
            if joins[n]:
                if last is not None and _fits(last, row, known):
                    last[known] = row[known]
                    continue
                if not known[step] and not form.is_numbered:
                    continue  # more of a step that nobody told, or that told it already
                stays[n] = True
            last = row
        return stays

    def _note_events(self, others: Sequence[tuple[int, str]]) -> None:
        if len(self._events) >= MOST_EVENTS:
            return
        text = "\n".join(line for _, line in others)
        for kind, texts in events().items():
            for each in texts:
                if each not in text:
                    continue
                self._events += [Event(number, kind) for number, line in others if each in line]
        self._events = sorted(set(self._events))[:MOST_EVENTS]


def read_log(path: str | Path) -> Log:
    """Read a log: the lines that a framework printed, or a trainer's ``trainer_state.json``.

    Args:
        path: its file, which gzip may have packed.

    Raises:
        RequestError: naming the file: not readable, or no log of a framework that is known.
    """
    file = Path(path)
    reader = LogReader(file.name)
    for block in blocks(file, reader.note):
        if not reader.lines and is_state(block):
            return read_state(file)
        reader.feed(block)
    reader.close()
    return reader.log()


def _encoding(data: bytes) -> str:
    """Return the encoding of a file by its first bytes: Windows' shell writes UTF-16."""
    return "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def _pieces(text: str, first: int) -> Lines:
    """Return lines with their numbers, without colours; those that bars overwrite, one each.

    Args:
        text: whole lines.
        first: number of the first.
    """
    lines = (COLOUR.sub("", text) if "\x1b" in text else text).split("\n")
    if "\r" not in text:
        return Lines(lines, range(first, first + len(lines)))
    found = [
        (number, piece)
        for number, line in enumerate(lines, first)
        for piece in (line.split("\r") if "\r" in line else (line,))
        if piece
    ]
    return Lines([piece for _, piece in found], [number for number, _ in found])


def _fits(last: Column, row: Column, known: NDArray[np.bool_]) -> bool:
    """Whether values tell more of a row: of the same step, and nothing that it tells already."""
    twice = known & np.isfinite(last)
    twice[PLACE["at"]] = False
    step = PLACE["step"]
    if twice[step] and row[step] == last[step]:
        twice[step] = False
    return not twice.any()


def _format_of(lines: Sequence[str]) -> Format | None:
    """Return the format in which lines tell the most; None where none tells a step."""
    counted = [(_figures_read(each, lines), each) for each in formats()]
    most, found = max(counted, key=lambda each: each[0])
    return found if most else None


def _figures_read(form: Format, lines: Sequence[str]) -> float:
    return sum(
        figures_read(kind, lines)
        for kind in form.kinds
        if form.is_numbered or any(value.column in COUNTED for value in kind.values)
    )


def _one_more(before: Unread, line: int, text: str) -> Unread:
    told = before.text or text.strip()[:MOST_SHOWN]
    return Unread(before.count + 1, before.line or line, told)


def _no_log(lines: int, unread: Unread) -> str:
    if unread.count:
        return (
            f"tells no whole step: {unread.count:,} lines look like one and cannot be read, the "
            f"first is line {unread.line}, {shown(unread.text)}"
        )
    if not lines:
        return "is empty; allowed: what a run printed"
    known = ", ".join(each.title for each in formats())
    return f"is no log that is known: none of its {lines:,} lines tells a step; looked for: {known}"
