"""What a page of results is made of: answers, figures, charts, tables, sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from computebill.base.errors import RequestError, shown
from computebill.views.answers.answer import Answer, Figure
from computebill.views.charts.picture import Picture
from computebill.views.result import Result

NOTHING_DRAWN = "there is nothing to draw"


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
    """A picture, and the table behind it.

    Attributes:
        picture: with its title, and what it says in a sentence.
        table: the same figures.
    """

    picture: Picture
    table: Table

    @property
    def title(self) -> str:
        """Heading."""
        return self.picture.title

    @property
    def says(self) -> str:
        """What is to be seen, and how to read it."""
        return self.picture.says


@dataclass(frozen=True)
class Section:
    """Charts and tables under one heading.

    Attributes:
        title: heading.
        parts: in their order.
        text: before them.
        is_main: whether one picture of the whole shows its charts.
    """

    title: str
    parts: Sequence[Chart | Table]
    text: str = ""
    is_main: bool = True


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
        undrawn: why there is no chart, where there is none.
        heading: of a picture that stands alone, where it has more to say than the title.
    """

    title: str
    answer: str
    figures: Sequence[Figure] = ()
    sections: Sequence[Section] = ()
    assumptions: Sequence[tuple[str, str, str]] = ()
    sources: Sequence[Mapping[str, str | None]] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    undrawn: str = NOTHING_DRAWN
    heading: str = ""

    @classmethod
    def of(
        cls, answer: Answer, result: Result, found: Sequence[Section], undrawn: str = NOTHING_DRAWN
    ) -> Report:
        """Return an answer with the sections below it, and what its result says went in.

        Args:
            answer: of the result.
            result: as ``--json`` prints it.
            found: sections.
            undrawn: why there is no chart, where there is none.
        """
        title, sentence, figures, notes = answer
        return cls(title, sentence, figures, found, notes=notes, undrawn=undrawn).told(result)

    def charts(self, mainly: bool = False) -> list[Chart]:
        """Return all charts in their order, or those of the main sections."""
        chosen = [section for section in self.sections if section.is_main or not mainly]
        parts = (part for section in chosen for part in section.parts)
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


def charted(
    picture: Picture | None,
    title: str,
    headings: Sequence[str],
    keys: Sequence[str],
    left: Sequence[str] = (),
) -> Chart | None:
    """Return a chart whose table has fields of its rows; None where there is no picture."""
    if picture is None:
        return None
    cells = [tuple(str(row[key]) for key in keys) for row in picture.rows]
    return Chart(picture, Table(title, headings, cells, left))


def sections(*found: Section | None) -> list[Section]:
    """Leave out what there is not."""
    return [each for each in found if each is not None and each.parts]


def parts(found: Iterable[Chart | Table | None]) -> list[Chart | Table]:
    """Leave out what there is not."""
    return [each for each in found if each is not None]


def refuse(field_name: str, problem: str, given: object) -> RequestError:
    """Return the error of a result that is not as a command writes it."""
    return RequestError(field_name, f"{problem}; got {shown(given)}")
