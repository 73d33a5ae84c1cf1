"""Score catalogues: what every row took and cost, with intervals, and why some rows cannot be."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from computebill.base.errors import RequestError, shown
from computebill.base.notebook import Shown
from computebill.batches.columns import arrow_column, days_come_first
from computebill.batches.pieces import ROWS
from computebill.batches.working import in_order
from computebill.regulation.rules import one_rule_set
from computebill.uncertainty.draws import choose_device

from .assumptions import assumptions
from .batch import Counts, Settings, fields_of, score_table, with_style
from .headers import find_columns
from .rows import check_columns
from .summary import Summary

TOLD = 10
"""Largest runs that are told."""

ROW = "row of the frame"


@dataclass(repr=False)
class Score(Shown, Counts):
    """What came of a catalogue, besides its counts.

    Attributes:
        scored: rows with what was found of them; None where it went to a file.
        rejects: rows that could not be scored, with the reason; None where they went to a file.
        rejects_file: file that they were written to.
        unread_files: files that could not be read to their end, with the reason; where rows go
            to the parts of a folder, the others are scored all the same.
        summary: the largest runs; sums by year and organisation.
        seconds: time that it took [s].
    """

    scored: pd.DataFrame | None = None
    rejects: pd.DataFrame | None = None
    rejects_file: str | None = None
    unread_files: dict[str, str] = field(default_factory=dict)
    summary: Summary = field(default_factory=Summary)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract."""
        return {
            "rows_in": self.rows_in,
            "rows_scored": self.rows_scored,
            "rows_rejected": self.rows_rejected,
            "rejects_file": self.rejects_file,
            "unread_files": [
                {"file": file, "reason": reason} for file, reason in self.unread_files.items()
            ],
            "ways": {name: dict(counts.most_common()) for name, counts in self.ways.items()},
            "reasons": dict(self.reasons.most_common()),
            "remarks": dict(self.remarks.most_common()),
            "columns": {heading: name or None for heading, name in self.columns.items()},
            "largest": [
                {"model": row.model, "organization": row.organization, "flop": row.flop_p50}
                for row in self.summary.of_most_flop(TOLD).itertuples()
            ],
            **self.summary.to_dict(),
            "seconds": self.seconds,
            "assumptions": [each.to_dict() for each in assumptions()],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return the scored rows; none where they went to a file."""
        return pd.DataFrame() if self.scored is None else self.scored

    def take(self, counts: Counts, summary: Summary) -> None:
        """Take in a batch."""
        self.add(counts)
        self.summary.add(summary)


def score_catalogue(
    frame: pd.DataFrame,
    *,
    mapping: Mapping[str, str] | None = None,
    profiles: Sequence[Path] = (),
    device: str = "cpu",
    rules: str | Path | None = None,
) -> Score:
    """Score the rows of a frame.

    Args:
        frame: a catalogue; columns are found by their headings.
        mapping: headings by field, where they are other ones.
        profiles: folders of accelerator profiles of one's own.
        device: device that computes: auto, cpu, cuda or cuda:1.
        rules: rule set, by its name or file: adds the odds of exceeding each threshold.

    Returns:
        the frame's columns and what was found, in ``scored``; rows that tell too little, with the
        reason, in ``rejects``. Together they are all rows, each once, under their own index.

    Raises:
        RequestError: where no column is a field's or two have the same name, the mapping names
            what there is not, or there is no such device or rule set.
    """
    start = time.perf_counter()
    settings = Settings(
        dict(mapping or {}), tuple(profiles), choose_device(device), one_rule_set(rules)
    )
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RequestError("headings", f"has {shown(twice[0])} twice; allowed: each once")
    columns = find_columns(names, mapping)
    check_columns(columns, names)
    wanted = {column.heading for column in columns.values()}
    cells = {name: arrow_column(frame.iloc[:, names.index(name)]) for name in wanted}
    columns = with_style(columns, day_first=lambda heading: days_come_first([cells[heading]]))
    table = pa.table({**cells, ROW: pa.array(np.arange(len(frame)))})
    slices = (table.slice(first, ROWS) for first in range(0, max(1, len(table)), ROWS))
    scored, rejects, found = [], [], Score(columns=fields_of(names, columns))
    for part in in_order(lambda rows: score_table(rows, columns, settings, names), slices):
        scored.append(part.scored)
        rejects.append(part.rejects)
        found.take(part.counts, part.summary)
    found.scored, found.rejects = (_beside(frame, parts, wanted) for parts in (scored, rejects))
    found.seconds = time.perf_counter() - start
    return found


def _beside(frame: pd.DataFrame, parts: Sequence[pa.Table], read: set[str]) -> pd.DataFrame:
    """Return a frame's rows with new columns beside its own."""
    new = pa.concat_tables(parts, promote_options="default")
    rows = frame.iloc[new[ROW].to_numpy()]
    columns = new.drop_columns([name for name in (ROW, *read) if name in new.column_names])
    found: pd.DataFrame = pd.concat([rows, columns.to_pandas().set_axis(rows.index)], axis=1)
    return found
