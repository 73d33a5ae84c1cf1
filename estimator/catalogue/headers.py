"""Which field a column is, whatever its heading: other spellings, brackets, units."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from computebill.base.errors import RequestError, shown
from computebill.base.specfile import read_toml
from computebill.batches.pieces import Layout

from .cells import USUAL, Style

TEXTS = frozenset(
    {"model", "organization", "date", "domain", "confidence", "base_model", "hardware", "format"}
)
"""Fields that are no numbers."""


HOURS_PER_DAY = 24.0


class HeadingsError(RequestError):
    """A table whose headings say nothing of models, or not what they have to."""


class Column(NamedTuple):
    """A column of a file that is a field.

    Attributes:
        heading: heading of the column in the file.
        factor: one of its unit, in the field's.
        style: how its cells are written.
        is_mapped: whether it is the field because a mapping says so.
    """

    heading: str
    factor: float
    style: Style = USUAL
    is_mapped: bool = False


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Any]:
    text = resources.files(__package__).joinpath("headers.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def fields() -> tuple[str, ...]:
    """Return the names of all fields."""
    table = _table()
    return tuple(dict.fromkeys([*table["fields"], *table["apart"].values()]))


def plain(text: str) -> str:
    """Return a heading without case, signs and repeated spaces."""
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


@lru_cache(maxsize=1)
def _spellings() -> dict[str, str]:
    table = _table()["fields"]
    return {plain(spelling): name for name, spellings in table.items() for spelling in spellings}


def read_heading(heading: str) -> tuple[str, float] | None:
    """Return the field of a heading and its unit's factor; None where it is no field's."""
    table = _table()
    apart = {plain(text): name for text, name in table["apart"].items()}
    if plain(heading) in apart:
        return apart[plain(heading)], 1.0
    for name, spellings in table["days"].items():
        if plain(heading) in spellings:
            return name, HOURS_PER_DAY
    name = _spellings().get(plain(heading))
    if name is not None:
        return name, unit_of(name, heading) or 1.0
    base, _, rest = heading.partition("(")
    name = _spellings().get(plain(base))
    if name is None:
        return None
    factor = unit_of(name, heading)
    if factor is not None:
        return name, factor
    # ``(from Organization)`` and its like tell another column than the base.
    return (name, 1.0) if plain(rest) in table["words"]["ignored"] else None


def unit_of(name: str, heading: str) -> float | None:
    """Return the factor of the unit in a heading's brackets; None where it is no unit of a field's.

    An ``m`` is minutes of nobody: million parameters, but of a time it is not known.
    """
    units, rest = _table()["units"], heading.partition("(")[2]
    word = plain(rest.replace("%", " percent ")).removeprefix("in ")
    kinds = [kind for kind in ("flop", "time", "share") if name in units[f"of_{kind}"]]
    if kinds != ["time"]:
        kinds.append("number")
    elif name == "chip_hours" and len(word) > 1:
        kinds.append("number")  # million, and not m
    for kind in kinds:
        if word in units[kind]:
            return float(units[kind][word])
    return None


def find_columns(
    headings: Iterable[str], mapping: Mapping[str, str] | None = None
) -> dict[str, Column]:
    """Return the column of each field that a file has.

    Args:
        headings: headings of the file; the first of two for one field counts.
        mapping: headings by the field's name, going before what they look like; a unit may follow
            in brackets.

    Raises:
        RequestError: where the mapping names no field.
        HeadingsError: where it names a column that there is not.
    """
    found: dict[str, Column] = {}
    present = list(headings)
    for name, heading in (mapping or {}).items():
        if name not in fields():
            raise RequestError(f"mapping.{name}", f"is no field; allowed: {', '.join(fields())}")
        if heading not in present:
            raise HeadingsError(
                f"mapping.{name}", f"got {shown(heading)}; the file has no such column"
            )
        found[name] = Column(heading, unit_of(name, heading) or 1.0, is_mapped=True)
    for heading in present:
        known = read_heading(heading)
        if known is not None and heading not in {column.heading for column in found.values()}:
            found.setdefault(known[0], Column(heading, known[1]))
    return found


def is_in_tokens(columns: Mapping[str, Column]) -> bool:
    """Whether sizes of data are tokens: the heading says so, or a mapping to that field does.

    A dataset's size, as Epoch AI's headings have it, may be one of words, images or bytes.
    """
    column = columns.get("tokens")
    if column is None:
        return False
    known = read_heading(column.heading)
    is_only_mapped = column.is_mapped and (known is None or known[0] != "tokens")
    return "token" in plain(column.heading) or is_only_mapped


def read_mapping(path: Path) -> dict[str, str]:
    """Read a mapping file: TOML, ``params = "Model size (B)"`` a line.

    Raises:
        RequestError: where it cannot be read, or a value is no text.
    """
    data = read_toml(path)
    for name, heading in data.items():
        if not isinstance(heading, str):
            raise RequestError(f"{path}: {name}", f"got {shown(heading)}; allowed: a heading")
    return data


def is_heading(cell: str) -> bool:
    """Whether a cell names a field."""
    return read_heading(cell) is not None


LAYOUT = Layout(is_heading)
"""Of catalogues, whose headings may stand below a title."""
