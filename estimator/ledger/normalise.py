"""A batch of any records as jobs: those that are used, and those that are not, with the reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from computebill.batches.columns import LONGEST, arrow_column
from computebill.batches.pieces import Batch

from .bills import read_bill
from .cells import NO_TIME, read_moments
from .draft import Draft, normalised, settle_devices, settle_hours, settle_times
from .formats import find_columns
from .nested import flattened
from .plan import Plan, is_nested
from .rows import Reading, Rows
from .rules import Places, Rules
from .slurm import read_sacct, read_sreport
from .tables import read_cluster, read_plain, read_sums
from .trackers import read_tracker

READERS: Mapping[str, Callable[[Rows], Draft]] = {
    "sacct": read_sacct,
    "sreport": read_sreport,
    "tracker": read_tracker,
    "bill": read_bill,
    "cluster": read_cluster,
    "sums": read_sums,
    "plain": read_plain,
}

LACKING = frozenset({"tracker"})
"""Records that need not tell hours: a scheduler's may, or FLOP alone are taken."""
LONGEST_TEXT = 2000
"""Letters of a rejected row that is told with the answer."""
MOST_TOLD = 20
"""Rejected rows of a batch that are told, besides their number."""

REJECTS = pa.schema(
    {"file": pa.string(), "line": pa.int64(), "reason": pa.string(), "text": pa.string()}
)


@dataclass
class Counts:
    """What came of rows, by number.

    Attributes:
        rows_in: rows, and lines that are no rows.
        rows_used: rows that were used, joined ones among them.
        trackers: jobs of trackers.
        jobs: rows of normalised jobs.
        start: first start [s since 1970].
        end: last end.
        reasons: rejected rows by reason.
        remarks: used rows by what to know of them.
        ids: first and last id, where ids are whole numbers each above the one before.
        joined: rows that only add to another, by how.
        rejects: the first rejected rows: line, reason, text.
    """

    rows_in: int = 0
    rows_used: int = 0
    trackers: int = 0
    jobs: int = 0
    start: int | None = None
    end: int | None = None
    ids: list[int] | None = None
    reasons: dict[str, int] = field(default_factory=dict)
    remarks: dict[str, int] = field(default_factory=dict)
    joined: dict[str, int] = field(default_factory=dict)
    rejects: list[list[Any]] = field(default_factory=list)

    def to_json(self) -> str:
        """Return the counts as a text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Counts:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass
class Made:
    """What came of a batch: jobs as `schema.JOBS` has them, rejects, and their counts."""

    jobs: pa.Table
    rejects: pa.Table
    counts: Counts


def normalise(
    batch: Batch, plan: Plan, place: int, rules: Rules, profiles: tuple[Path, ...]
) -> Made:
    """Return the jobs of a batch.

    Args:
        batch: rows of a file.
        plan: how it is read.
        place: of the file among all.
        rules: which accelerators places have; rates of currencies.
        profiles: folders of accelerator profiles of one's own.
    """
    numbers, raw = batch.numbers(), batch.table
    if is_nested(batch):
        batch.table = flattened(raw)
    columns = find_columns(plan.form, batch.table.column_names)
    places = Places(rules.accelerator)
    reading = Reading(
        plan.form, plan.name, columns, places, rules.rates, plan.is_effective, profiles
    )
    rows = Rows(batch, reading)
    draft = READERS[plan.form.reader](rows)
    if draft.source is None:
        draft.source = np.arange(draft.rows)
    _take_title(draft, plan)
    _take_places(draft, places)
    settle_times(draft)
    settle_hours(draft, may_lack=draft.record in LACKING)
    settle_devices(draft, profiles)
    _refuse_empty(draft)
    _with_their_jobs(draft)
    jobs = normalised(draft, place, numbers[draft.source])
    return _made(batch, raw, draft, jobs, numbers)


def _take_title(draft: Draft, plan: Plan) -> None:
    """Take the unit and the period that a report's title tells."""
    if plan.factor:
        column = plan.form.headings("gpu_time")
        assert column, "a report has a time"
        draft.numbers["gpu_hours"] = draft.number("gpu_hours") * plan.factor / 60.0
    elif plan.form.reader == "sreport":
        draft.remark(draft.reason == 0, "is of a report that tells no unit; minutes are taken")
    if plan.period is not None:
        start, end = read_moments(pa.array(plan.period))
        draft.moments["start"] = np.full(draft.rows, start)
        draft.moments["end"] = np.full(draft.rows, end)


def _take_places(draft: Draft, places: Places) -> None:
    """Take the accelerators that rules say of partitions, hosts and types."""
    if not places.places:
        return
    which, per_node = places.found(draft.words, draft.rows)
    settle_devices(draft, ())
    known = draft.words["accelerator"]
    profiles = [place.profile for place in places.places]
    values = list(dict.fromkeys([*known.values, *profiles]))
    at = np.array([*(values.index(each) for each in profiles), -1], dtype=np.int32)
    draft.words["accelerator"] = known._replace(
        codes=np.where(which >= 0, at[which], known.codes).astype(np.int32), values=values
    )
    count, nodes = draft.number("accelerators"), draft.number("nodes")
    made = per_node * np.where(np.isnan(nodes), 1.0, nodes)
    lacks = np.isnan(count) & ~np.isnan(made)
    draft.remark(lacks, "its accelerators are its nodes times those of a node, as rules tell")
    draft.numbers["accelerators"] = np.where(lacks, made, count)


def _refuse_empty(draft: Draft) -> None:
    """Refuse tracked runs that tell neither time nor FLOP, as nothing could come of them."""
    hours, elapsed, flop = (draft.number(n) for n in ("gpu_hours", "elapsed_s", "flop"))
    nothing = np.isnan(hours) & np.isnan(elapsed) & np.isnan(flop)
    draft.reject(nothing, "tells no duration, and neither tokens nor FLOP")


def _with_their_jobs(draft: Draft) -> None:
    """Refuse steps whose job is refused."""
    if draft.joined is None or draft.owners is None:
        return
    steps = np.flatnonzero(draft.joined)
    # What is wrong with a step's own cells does not matter.
    draft.reason[steps] = draft.reason[draft.owners[steps]]


def _made(batch: Batch, raw: pa.Table, draft: Draft, jobs: pa.Table, numbers: np.ndarray) -> Made:
    """Return jobs with their counts, and the rows that are no jobs as they stand."""
    source = draft.source if draft.source is not None else np.arange(draft.rows)
    is_used = np.zeros(len(raw), dtype=bool)
    is_used[source[draft.reason == 0]] = True
    bad = np.flatnonzero(~is_used)
    first = np.full(len(raw), 0)
    first[source[::-1]] = draft.reason[::-1]
    reasons = [draft.reasons[code] for code in first[bad]]
    rejects = pa.table(
        {
            "file": pa.array([batch.file] * (len(bad) + len(batch.unread)), pa.string()),
            "line": pa.array([*map(int, numbers[bad]), *_unread(batch)], pa.int64()),
            "reason": pa.array([*reasons, *(reason for _, reason in batch.unread)], pa.string()),
            "text": pa.array([*_texts(raw, bad), *(text for text, _ in batch.unread)]),
        },
        schema=REJECTS,
    )
    counts = Counts(
        rows_in=len(raw) + len(batch.unread),
        rows_used=int(is_used.sum()),
        trackers=len(jobs) if draft.record == "tracker" else 0,
        jobs=len(jobs),
        reasons=dict(Counter(rejects["reason"].to_pylist())),
        remarks=dict(draft.remarks),
        rejects=[
            [row["line"], row["reason"], row["text"][:LONGEST_TEXT]]
            for row in rejects.slice(0, MOST_TOLD).to_pylist()
        ],
    )
    if draft.joined is not None:
        steps = int((draft.joined & (draft.reason == 0)).sum())
        counts.joined = {"steps of a job": steps} if steps else {}
    counts.start, counts.end = _ends(draft)
    counts.ids = _ascending(arrow_column(jobs["job"]))
    return Made(jobs, rejects, counts)


def _ascending(ids: pa.Array) -> list[int] | None:
    """Return the first and the last id, where all are numbers and each is above the one before."""
    if not len(ids) or ids.null_count:
        return None
    try:
        found = ids.cast(pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    return [int(found[0]), int(found[-1])] if (found[1:] > found[:-1]).all() else None


def _unread(batch: Batch) -> list[int]:
    """Return the numbers of the lines that are no rows."""
    return [place + batch.first for place in batch.unread_places]


def _ends(draft: Draft) -> tuple[int | None, int | None]:
    is_good = draft.reason == 0
    starts, ends = draft.moment("start")[is_good], draft.moment("end")[is_good]
    starts, ends = starts[starts != NO_TIME], ends[ends != NO_TIME]
    both = np.concatenate([starts, ends])
    return (int(both.min()), int(both.max())) if len(both) else (None, None)


def _texts(table: pa.Table, rows: np.ndarray) -> list[str]:
    """Return rows as they stand, cells with a bar between."""
    if not len(rows):
        return []
    chosen = table.take(pa.array(rows))
    cells = [arrow_column(column).cast(pa.string()).fill_null("") for column in chosen.columns]
    joined = pc.binary_join_element_wise(*cells, "|")
    return [text[:LONGEST] for text in joined.to_pylist()]
