"""How frameworks print their steps: a file of patterns each, and how what they catch is read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .record import Column

FOLDER = Path(__file__).with_name("formats")
EVENTS_FILE = Path(__file__).with_name("events.toml")

COLUMNS = {
    "step": "number of the step",
    "steps": "steps of the whole run",
    "at": "time of the line [s since 1970]",
    "elapsed": "time since the start [s]",
    "seconds": "seconds of a step, as printed",
    "steps_per_s": "steps a second, as printed",
    "tokens_per_s_gpu": "tokens a second of one accelerator, as printed",
    "tokens_per_s": "tokens a second of all accelerators, as printed",
    "samples_per_s": "sequences a second of all accelerators, as printed",
    "step_tokens": "tokens of a step",
    "batch": "sequences of a step",
    "tokens": "tokens seen so far",
    "samples": "sequences seen so far",
    "tflops": "TFLOP/s of one accelerator, as printed",
    "mfu": "utilisation, as printed",
    "memory": "memory of one accelerator [B]",
    "loss": "loss",
    "skipped": "steps that were skipped, of those since the line before",
    "epoch": "passes over the data",
    "run_seconds": "seconds of the whole run, told at its end",
}
"""What a line may tell."""

PLACE = {name: place for place, name in enumerate(COLUMNS)}

# Every repetition has a bound, and none stands within another: a line costs its length at most.
TOKENS = {
    "NUM": r"([-+]?[0-9][0-9.]{0,31}(?:[eE][-+]?[0-9]{1,3})?|nan|NaN|inf)",
    "INT": r"([0-9]{1,15})",
    "GROUPED": r"([0-9][0-9,]{0,31}(?:\.[0-9]{1,12})?)",
    "SCALED": r"([-+]?[0-9][0-9.]{0,31}(?:e[-+]?[0-9]{1,3})?[KMGTB]?|nan)",
    "CLOCK": r"([0-9]{1,6}:[0-9]{2}(?::[0-9]{2})?)",
    "SPAN": r"((?:[0-9]{1,4} ?d(?:ays?)?,? )?(?:[0-9]{1,6}:[0-9]{2}(?::[0-9]{2})?|"
    r"(?:[0-9]{1,6}h )?(?:[0-9]{1,6}m )?[0-9]{1,6}s))",
    "ISO": r"([0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,6})?)",
    "USDATE": r"([0-9]{2}/[0-9]{2}/[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2})",
    "MONTHDAY": r"([0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})",
    "GLOG": r"[IWE]([0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{1,6})",
}
"""What patterns of the files may name."""

_NAMED = re.compile("|".join(TOKENS))
SCALES = {"K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}
LEAP_YEAR = "2000"
"""Year of lines that tell none; it has every day."""

SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
UNITS = re.compile(r"([0-9]+) ?([dhms])")

LEAST_BYTES = 1e6
"""A figure in GB is less; bytes are more."""


def _numbers(texts: Sequence[str]) -> Column:
    return np.array(list(map(float, texts)))


def _iso(texts: Sequence[str]) -> Column:
    """Return seconds since 1970; lines tell no zone, and only differences count."""
    plain = "\n".join(texts).replace(",", ".").split("\n")
    return np.array(plain, dtype="datetime64[ms]").astype(np.float64) / 1e3


def _glog(texts: Sequence[str]) -> Column:
    return _iso([f"{LEAP_YEAR}-{text[:2]}-{text[2:]}" for text in texts])


def _month_day(texts: Sequence[str]) -> Column:
    return _iso([f"{LEAP_YEAR}-{text[:2]}-{text[3:]}" for text in texts])


def _us(texts: Sequence[str]) -> Column:
    return _iso([f"{text[6:10]}-{text[:2]}-{text[3:5]}{text[10:]}" for text in texts])


def _clock(texts: Sequence[str]) -> Column:
    parts = [[int(part) for part in text.split(":")] for text in texts]
    return np.array(
        [sum(60**n * part for n, part in enumerate(each[::-1])) for each in parts], float
    )


def _span(texts: Sequence[str]) -> Column:
    """Return seconds of ``1 day, 2:03:04`` and of ``1d 2h 3m 4s``."""
    return np.array([_seconds(text) for text in texts])


def _seconds(text: str) -> float:
    if ":" not in text:
        return sum(float(n) * SECONDS[unit] for n, unit in UNITS.findall(text))
    days, _, rest = text.rpartition(" ")
    whole = float(days.split("d")[0]) if days else 0.0
    return whole * SECONDS["d"] + float(_clock([rest])[0])


def _scaled(texts: Sequence[str]) -> Column:
    scales = [SCALES.get(text[-1]) for text in texts]
    both = zip(texts, scales, strict=True)
    return np.array([float(t) if s is None else float(t[:-1]) * s for t, s in both])


def _grouped(texts: Sequence[str]) -> Column:
    return _numbers([text.replace(",", "") for text in texts])


def _gb_or_bytes(texts: Sequence[str]) -> Column:
    values = _numbers(texts)
    return np.where(values > LEAST_BYTES, values, values * 1e9)


FORMS: dict[str, Callable[[Sequence[str]], Column]] = {
    "number": _numbers,
    "scaled": _scaled,
    "grouped": _grouped,
    "clock": _clock,
    "span": _span,
    "iso": _iso,
    "us": _us,
    "glog": _glog,
    "month-day": _month_day,
    "gb-or-bytes": _gb_or_bytes,
}
"""How texts become numbers, by the form's name; each raises ValueError where one is none."""


class Value(NamedTuple):
    """A value of a line.

    Attributes:
        column: name of ``COLUMNS``.
        token: pattern of its text alone.
        search: finds it, from a place in the line on.
        read: makes numbers of such texts.
        factor: that makes the column's unit of it.
        is_needed: whether a line without it cannot be read.
    """

    column: str
    token: str
    search: Callable[..., re.Match[str] | None]
    read: Callable[[Sequence[str]], Column]
    factor: float
    is_needed: bool


@dataclass(frozen=True)
class Kind:
    """A kind of line.

    Attributes:
        marks: texts that each such line has.
        any: texts of which it has one; empty: none is asked for.
        none: texts of which it has none.
        alone: matches its beginning, where it stands for itself; None: it stands anywhere.
        values: what it tells, in the order in which it is printed.
        joins: whether it tells more of the step of a line before.
        summary: whether it tells of the whole run, at its end.
        header: whether what it tells is so in all rows.
    """

    marks: tuple[str, ...]
    any: tuple[str, ...]
    none: tuple[str, ...]
    alone: re.Pattern[str] | None
    values: tuple[Value, ...]
    joins: bool
    summary: bool
    header: bool

    def looks_so(self, line: str) -> bool:
        """Whether a line, which has the first mark, has all that tells the kind."""
        return (
            all(mark in line for mark in self.marks)
            and (not self.any or any(mark in line for mark in self.any))
            and not any(mark in line for mark in self.none)
            and (self.alone is None or self.alone.match(line) is not None)
        )


@dataclass(frozen=True)
class Format:
    """How a framework prints its steps.

    Attributes:
        key: name of its file.
        title: for people.
        frameworks: names of launch files' frameworks that print so.
        kinds: kinds of line.
        memory: what printed memory counts: reserved, allocated; empty: not told.
        is_numbered: whether lines may tell no step, and count as they come.
    """

    key: str
    title: str
    frameworks: tuple[str, ...]
    kinds: tuple[Kind, ...]
    memory: str = ""
    is_numbered: bool = False

    @property
    def rounded(self) -> frozenset[str]:
        """Columns that are printed to a few digits, as 75.8G is."""
        values = (value for kind in self.kinds for value in kind.values)
        return frozenset(each.column for each in values if each.read is _scaled)


def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern of the files, the names in it replaced."""
    return re.compile(_NAMED.sub(lambda found: TOKENS[found[0]], pattern), re.ASCII)


@cache
def formats() -> tuple[Format, ...]:
    """Return every format that is known, by the name of its file."""
    return tuple(_format(path) for path in sorted(FOLDER.glob("*.toml")))


@cache
def events() -> Mapping[str, tuple[str, ...]]:
    """Return what lines beside steps tell, by what happens."""
    table = tomllib.loads(EVENTS_FILE.read_text(encoding="utf-8"))
    return {name: tuple(texts) for name, texts in table.items()}


def _format(path: Path) -> Format:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return Format(
        key=path.stem,
        title=table["title"],
        frameworks=tuple(table["frameworks"]),
        kinds=tuple(_kind(row) for row in table["line"]),
        memory=table.get("memory", ""),
        is_numbered=table.get("is_numbered", False),
    )


def _kind(row: Mapping[str, Any]) -> Kind:
    needs = row.get("needs", ())
    return Kind(
        marks=tuple(row["marks"]),
        any=tuple(row.get("any", ())),
        none=tuple(row.get("none", ())),
        alone=compiled(row["alone"]) if "alone" in row else None,
        values=tuple(_value(name, given, needs) for name, given in row["values"].items()),
        joins=row.get("joins", False),
        summary=row.get("summary", False),
        header=row.get("header", False),
    )


def _value(column: str, given: Any, needs: tuple[str, ...]) -> Value:
    row = given if isinstance(given, dict) else {"pattern": given}
    return Value(
        column=column,
        token=TOKENS[found[0]] if (found := _NAMED.search(row["pattern"])) else "",
        search=compiled(row["pattern"]).search,
        read=FORMS[row.get("form", "number")],
        factor=row.get("factor", 1.0),
        is_needed=column in needs,
    )
