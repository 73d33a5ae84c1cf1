"""What each file of records is: its form, its unit, and which of a bill's costs is taken."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path

from computebill.base.errors import RequestError, shown
from computebill.batches.pieces import Batch, Layout, find_pieces
from computebill.batches.reading import BAR, first_lines, read_batches

from .bills import cost_of
from .cells import SECONDS
from .formats import Format, detect, find_columns, formats, plain
from .nested import flattened
from .rows import Reading, Rows
from .slurm import last_of_job

SEPARATORS = "|,;\t"
PEEKED = 2000
"""Rows that are looked at before a file is read."""

_UNIT = re.compile(r"(?:in|as) (?:TRES |CPU )?(Hours|Minutes|Seconds)", re.I)
_PERIOD = re.compile(r"(\d{4}-\d\d-\d\dT[\d:]{8}) - (\d{4}-\d\d-\d\dT[\d:]{8})")
_UNITS = {"hours": "h", "minutes": "min", "seconds": "s"}


@dataclass(frozen=True)
class Asked:
    """What a user says of files.

    Attributes:
        form: name of a form that all have; empty where each is looked at.
        mapping: a form of one's own.
        names: headings of files that have none.
        cost: of bills: ``auto``, ``billed`` or ``effective``.
    """

    form: str = ""
    mapping: Format | None = None
    names: tuple[str, ...] = ()
    cost: str = "auto"


@dataclass(frozen=True)
class Plan:
    """How a file is read.

    Attributes:
        file: its name.
        name: name of its form.
        form: that form.
        is_effective: whether a bill's amortised cost is taken.
        told: what to know of that.
        headings: of its first rows.
        factor: of times in its unit, to seconds, where its title tells; 0 where not.
        period: that its title tells.
    """

    file: str
    name: str
    form: Format
    is_effective: bool = True
    told: str = ""
    headings: tuple[str, ...] = ()
    factor: float = 0.0
    period: tuple[str, str] | None = None
    columns: dict[str, str] = field(default_factory=dict)


@cache
def _headings() -> frozenset[str]:
    return frozenset(
        plain(name)
        for form in formats().values()
        for told in form.fields
        for name in form.headings(told)
    )


def is_heading(cell: str) -> bool:
    """Whether a cell is a heading that some form has."""
    return plain(cell) in _headings()


def layout_of(asked: Asked) -> Layout:
    """Return how records' files are laid out."""
    return Layout(is_heading, "csv", SEPARATORS, asked.names, last_of_job, has_codes=True)


def is_nested(batch: Batch) -> bool:
    """Whether a file's records are nested: those of JSON are."""
    name = batch.file.lower()
    for ending in (".gz", ".bz2", ".zst", ".xz"):
        name = name.removesuffix(ending)
    return name.endswith((".json", ".jsonl", ".ndjson"))


def plan_file(path: Path, asked: Asked) -> Plan:
    """Look at the first rows of a file.

    Raises:
        RequestError: naming the file that cannot be read or is of no known form.
    """
    layout = layout_of(asked)
    pieces = find_pieces(path, PEEKED, layout)
    batches = read_batches(pieces[0], PEEKED) if pieces else iter(())
    batch = next(batches, None)
    if batch is None:
        raise RequestError(str(path), "has no rows")
    batch.table = flattened(batch.table) if is_nested(batch) else batch.table
    name, form = _form_of(batch, asked)
    columns = find_columns(form, batch.table.column_names)
    rows = Rows(batch, Reading(form, name, columns))
    cost = cost_of(rows, asked.cost) if form.reader == "bill" else None
    used = {column.heading: field_name for field_name, column in columns.items()}
    factor, period = _title(path) if form.reader == "sreport" else (0.0, None)
    return Plan(
        str(path),
        name,
        form,
        cost is None or cost.is_effective,
        "" if cost is None else cost.told,
        tuple(batch.table.column_names),
        factor,
        period,
        {heading: used.get(heading, "") for heading in islice(batch.table.column_names, 400)},
    )


def _form_of(batch: Batch, asked: Asked) -> tuple[str, Format]:
    headings = batch.table.column_names
    if asked.mapping is not None:
        form = asked.mapping
        known = {plain(name) for name in headings}
        if not any(plain(name) in known for told in form.fields for name in form.headings(told)):
            told = shown(", ".join(headings[:12]))
            raise RequestError(batch.file, f"has none of the mapping's headings; has: {told}")
        return "mapping", form
    if asked.form:
        if asked.form not in formats():
            allowed = ", ".join(formats())
            raise RequestError("--format", f"got {shown(asked.form)}; allowed: {allowed}")
        return asked.form, formats()[asked.form]
    return detect(headings, batch.file)


def _title(path: Path) -> tuple[float, tuple[str, str] | None]:
    """Return the unit [s] and the period that the lines before the headings tell."""
    text = "\n".join(" ".join(row) for _, row in first_lines(path, BAR)[:8])
    unit, period = _UNIT.search(text), _PERIOD.search(text)
    factor = SECONDS[_UNITS[unit[1].lower()]] if unit else 0.0
    return factor, (period[1], period[2]) if period else None


def plan_files(
    files: Sequence[Path], asked: Asked, unread: dict[str, str]
) -> tuple[list[Path], list[Plan]]:
    """Return the files that can be read, and how each is.

    Args:
        files: all of them.
        asked: what a user says of them.
        unread: told of the others, with the reason.
    """
    found, plans = [], []
    for path in files:
        try:
            plan = plan_file(path, asked)
        except RequestError as error:
            unread[str(path)] = error.problem
            continue
        found.append(path)
        plans.append(plan)
    return found, plans
