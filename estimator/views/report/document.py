"""What a page of results is made of: answers, figures, charts, tables, sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan
from typing import Any

from computebill.base.errors import RequestError, shown
from computebill.uncertainty.distribution import KEYS, Distribution

Result = Mapping[str, Any]

NOT_KNOWN = Distribution(nan, nan, nan, nan)


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column names the row.

    Attributes:
        title: caption.
        headings: of the columns.
        rows: cells as people read them.
        left: headings of columns of words; the others are figures, set to the right.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Sequence[str] = ()


@dataclass(frozen=True)
class Chart:
    """A picture, what it says in a sentence, and the table behind it.

    Attributes:
        title: heading.
        says: what is to be seen, and how to read it.
        picture: an Altair chart of one view, without a width.
        table: the same figures.
    """

    title: str
    says: str
    picture: Any
    table: Table


@dataclass(frozen=True)
class Section:
    """Charts and tables under one heading."""

    title: str
    parts: Sequence[Chart | Table]
    text: str = ""


@dataclass(frozen=True)
class Figure:
    """One number of the answer, with its interval."""

    label: str
    value: str
    interval: str = ""


@dataclass(frozen=True)
class Report:
    """One result, told.

    Attributes:
        title: what it is of.
        answer: in one sentence, with the interval.
        figures: beside the answer.
        sections: charts and tables.
        assumptions: name, value, source of every number that went in.
        sources: title, address, licence, note of what is cited.
        about: where the result comes from: command, versions, day, draws.
        notes: what a reader must know, said before the charts.
    """

    title: str
    answer: str
    figures: Sequence[Figure] = ()
    sections: Sequence[Section] = ()
    assumptions: Sequence[tuple[str, str, str]] = ()
    sources: Sequence[Mapping[str, str | None]] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def charts(self) -> list[Chart]:
        """Return all charts, in their order."""
        parts = (part for section in self.sections for part in section.parts)
        return [part for part in parts if isinstance(part, Chart)]

    def told(self, result: Result) -> Report:
        """Return the same with the assumptions, sources and provenance that its result has."""
        given = (*(result.get("inputs") or ()), *(result.get("assumptions") or ()))
        assumed = [(str(each["name"]), str(each["value"]), str(each["source"])) for each in given]
        return replace(
            self,
            notes=[str(each) for each in self.notes],
            assumptions=list(dict.fromkeys(assumed)),
            sources=[dict(each) for each in (result.get("sources") or {}).values()],
            about=about if isinstance(about := result.get("about"), dict) else {},
        )


def distribution(given: Mapping[str, Any] | float | None) -> Distribution:
    """Read a distribution, or one number, as JSON has it."""
    if given is None:
        return NOT_KNOWN
    if isinstance(given, Mapping):
        p5, p50, p95, mean = (float(given[key]) for key in KEYS)
        return Distribution(p5, p50, p95, mean)
    value = float(given)
    return Distribution(value, value, value, value)


def figure(label: str, text: str) -> Figure:
    """Return a figure from a text of value, interval and unit, ``32.1 k (21.9–46.4) MWh``."""
    value, _, rest = text.partition(" (")
    interval, _, unit = rest.partition(")")
    return Figure(label, value + unit, interval)


def signed(value: float) -> str:
    """Write a fraction with its sign: ``+1.2 %``, ``−0.2 %``."""
    return f"{value * 100:+.1f} %".replace("-", "−")


def sections(*found: Section | None) -> list[Section]:
    """Leave out what there is not."""
    return [each for each in found if each is not None and each.parts]


def parts(found: Iterable[Chart | Table | None]) -> list[Chart | Table]:
    """Leave out what there is not."""
    return [each for each in found if each is not None]


def refuse(field_name: str, problem: str, given: object) -> RequestError:
    """Return the error of a result that is not as a command writes it."""
    return RequestError(field_name, f"{problem}; got {shown(given)}")
