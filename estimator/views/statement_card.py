"""A statement as Markdown, for a model card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from . import statement_tables as parts
from .result import Result
from .statement_tables import Told

SHOWN = (parts.totals, parts.lines, parts.crossing, parts.modification, parts.methods, parts.energy)
"""Tables that a card has; the rest is in the page and in JSON."""


def markdown(sentence: str, result: Result) -> str:
    """Return a section of a model card: the answer, tables, assumptions, sources.

    Args:
        sentence: the answer's.
        result: as ``--json`` prints it.
    """
    return "\n".join(_lines(sentence, result)).rstrip() + "\n"


def _lines(sentence: str, result: Result) -> Iterator[str]:
    yield f"## Training compute of {_plain(result['model']['name'])}"
    yield ""
    yield _plain(sentence)
    yield ""
    for note in result["notes"]:
        yield f"- {_plain(note)}"
    for make in SHOWN:
        if (told := make(result)) is not None:
            yield ""
            yield from _table(told)
    yield ""
    assumed = [[each["name"], each["value"], each["source"]] for each in result["assumptions"]]
    yield from _table(Told("Assumptions", ("input", "value", "source"), assumed, ("source",)))
    yield ""
    yield "### Sources"
    yield ""
    yield from (f"- {_source(each)}" for each in result["sources"].values())
    yield ""
    versions = ", ".join(f"{name} {each}" for name, each in result["versions"].items())
    yield f"{versions}; seed {result['seed']}; inputs SHA-256 `{result['inputs_sha256']}`."


def _table(told: Told) -> Iterator[str]:
    yield f"### {_plain(told.title)}"
    yield ""
    yield _row(told.headings)
    marks = (
        "---" if place == 0 or heading in told.left else "---:"
        for place, heading in enumerate(told.headings)
    )
    yield _row(marks)
    yield from map(_row, told.rows)
    if told.note:
        yield ""
        yield _plain(told.note)


def _row(cells: Any) -> str:
    return f"| {' | '.join(_plain(each) for each in cells)} |"


def _plain(text: object) -> str:
    """Return a text that stays one cell, and no markup of its own."""
    kept = " ".join(str(text).split())
    for sign in ("\\", "|", "*", "`", "<"):
        kept = kept.replace(sign, f"\\{sign}")
    return kept


def _source(source: Mapping[str, Any]) -> str:
    address = f", {source['address']}" if source.get("address") else ""
    return f"{_plain(source['title'])}{address}"
