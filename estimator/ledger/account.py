"""``read_ledger``: records in, and what they tell of a lab's accelerators out."""

from __future__ import annotations

import datetime as dt
import math
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

from computebill.base.assumptions import GIVEN, Assumption
from computebill.base.errors import RequestError, shown
from computebill.base.writing import replacing
from computebill.batches.cluster import run_on_ray
from computebill.batches.pieces import find_files, named_pieces, state_of
from computebill.batches.working import in_order
from computebill.batches.writing import Parts, harmless
from computebill.hardware.accelerators import find_accelerator

from .chains import Runs
from .cube import NO_MONTH
from .gather import Gathered, Gathering, Late, Part
from .naming import Naming
from .normalise import REJECTS
from .plan import Asked, Plan, layout_of, plan_files
from .pricing import Priced, Prices, check_prices
from .result import FileRead, Ledger, Reject
from .rules import Rules, read_rules
from .schema import UNKNOWN
from .work import ROWS, Done, Reading, Store

Engine = Literal["local", "ray"]
Progress = Callable[[int], None]

MOST_REJECTS = 20
"""Rejected rows that are told, besides their number."""
MOST_NAMES = 1000
"""Persons and projects that are told, those of the most hours."""
LATE = "late.rejects.csv"

BY = ("kind", "state", "project", "user", "month", "size", "accelerator", "record")


@dataclass(frozen=True)
class Running:
    """How records are gone through.

    Attributes:
        keep: folder that gets the jobs, a part of it for each batch; None for none.
        resume: go on with a folder's parts; those that are there are not made again.
        engine: ``local``, or ``ray`` for a cluster of Ray; it needs a folder.
        address: address of the cluster.
        rows: rows of a batch.
        progress: told of bytes as they are done.
    """

    keep: Path | None = None
    resume: bool = False
    engine: Engine = "local"
    address: str | None = None
    rows: int = ROWS
    progress: Progress | None = None


@dataclass(frozen=True)
class Options:
    """What a user says besides records and rules.

    Attributes:
        asked: of the files' forms.
        prices: of dollars and accelerators.
        capacity: accelerator-hours, or accelerators, that the cluster had.
        capacity_is: ``hours`` or ``accelerators``.
        naming: hides names; None where they are told.
        rejects: file that rejected rows go to.
        has_groups: whether jobs that no rule names are told by groups of their names.
        running: how records are gone through.
    """

    asked: Asked = field(default_factory=Asked)
    prices: Prices = field(default_factory=Prices)
    capacity: float | None = None
    capacity_is: Literal["hours", "accelerators"] = "hours"
    naming: Naming | None = None
    rejects: Path | None = None
    has_groups: bool = False
    running: Running = field(default_factory=Running)


def read_ledger(
    records: Sequence[str | Path],
    rules: Rules | str | Path | None = None,
    options: Options | None = None,
) -> Ledger:
    """Read what clusters, trackers and clouds recorded, and say what it was for and cost.

    Args:
        records: files, folders or globs, compressed or not: Slurm's ``sacct -P`` and ``sreport``,
            Weights & Biases, MLflow, ``trainer_state.json``, FOCUS and other bills, jobs of
            Kubernetes, Kueue and Ray, tables of jobs.
        rules: kinds of jobs, accelerators of partitions, prices, or a file of them; without,
            every job is unknown.
        options: forms, prices, capacity, names, and how files are gone through.

    Raises:
        RequestError: naming the file of no known form, where no other can be read, or the field
            that is wrong.
    """
    begun = time.perf_counter()
    rules = read_rules(Path(rules)) if isinstance(rules, str | Path) else rules or Rules()
    options = options or Options()
    check_prices(options.prices)
    running = options.running
    _check(running, options)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="computebill-")))
        found = Ledger()
        layout = layout_of(options.asked)
        files = find_files(records, layout)
        states = {path: state_of(path) for path in files}
        good, plans = plan_files(files, options.asked, found.unread_files)
        if not good:
            raise RequestError(*next(iter(found.unread_files.items())))
        folder = running.keep or scratch / "parts"
        kept = Parts(folder)
        kept.open(_made_from(good, states, rules, options, plans), resume=running.resume)
        store = Store(folder, is_kept=running.keep is not None)
        work = Reading(store, plans, rules, options.prices.profiles, running.rows)
        pieces = list(named_pieces(good, found.unread_files, running.rows, layout))
        done = list(_through(work, pieces, running))
        _count(found, done, good, plans)
        kept.close(found.unread_files)
        parts = [
            Part(each.part, _record(each, plans), each.counts.jobs, each.place, each.counts.ids)
            for each in done
            if each.part and each.counts.jobs
        ]
        gathering = Gathering(store, parts, rules, scratch, has_groups=options.has_groups)
        gathered = gathering.gather()
        _take(found, gathered, good)
        _write_rejects(found, folder, options, gathered.late, good)
        with ThreadPoolExecutor(1) as pool:
            # Neither waits for the other: restarts are found while sums are priced.
            runs = pool.submit(gathering.find_runs)
            priced = _price(found, gathered, rules, options)
        _take_runs(found, runs.result(), priced, options.prices)
    if options.naming is not None:
        options.naming.hide(found)
    found.seconds = time.perf_counter() - begun
    return found


def _check(running: Running, options: Options) -> None:
    if running.keep is None and running.resume:
        raise RequestError("--resume", "goes on with a folder's jobs; give --keep FOLDER")
    if running.keep is None and running.engine != "local":
        raise RequestError("--engine", f"got {running.engine}; give --keep FOLDER, that all see")
    if running.address is not None and running.engine != "ray":
        raise RequestError("--address", f"got {running.address}; give --engine ray too")
    if options.naming is not None and (running.keep or options.rejects):
        told = "hides names, which --keep and --rejects would write; give it without them"
        raise RequestError("--anonymise", told)
    if options.rejects is not None and options.rejects.suffix.lower() != ".csv":
        raise RequestError("--rejects", f"got {shown(str(options.rejects))}; allowed: .csv")


def _made_from(
    files: Sequence[Path],
    states: dict[Path, tuple[int, int]],
    rules: Rules,
    options: Options,
    plans: Sequence[Plan],
) -> dict[str, Any]:
    """Return what parts are of: other records or ways of reading are never mixed with them."""
    return {
        "version": metadata.version("computebill"),
        "files": [[str(path), *states[path]] for path in files],
        "forms": [[plan.name, plan.is_effective, plan.form.model_dump_json()] for plan in plans],
        "headings": list(options.asked.names),
        "accelerators": [place.model_dump_json() for place in rules.accelerator],
        "rates": dict(rules.rates),
        "profiles": [str(folder) for folder in options.prices.profiles],
        "rows": options.running.rows,
    }


def _through(work: Reading, pieces: Sequence[tuple[str, Any]], running: Running) -> Iterable[Done]:
    done: Iterable[Done]
    if running.engine == "ray":
        done = run_on_ray(pieces, work, running.address)
    else:
        done = in_order(lambda task: task(), work.tasks(pieces))
    for each in done:
        if running.progress is not None:
            running.progress(each.size)
        yield each


def _record(done: Done, plans: Sequence[Plan]) -> str:
    record = plans[done.place].form.record
    return "tracker" if done.counts.trackers else record


def _count(
    found: Ledger, done: Sequence[Done], files: Sequence[Path], plans: Sequence[Plan]
) -> None:
    """Count rows of batches."""
    starts, ends = [], []
    rows = Counter(dict.fromkeys(range(len(files)), 0))
    rejected: Counter[int] = Counter()
    for each in done:
        if each.failed is not None:
            found.unread_files.update([each.failed])
        counts = each.counts
        found.rows_in += counts.rows_in
        found.rows_used += counts.rows_used
        rows[each.place] += counts.rows_in
        rejected[each.place] += counts.rows_in - counts.rows_used
        found.reasons.update(counts.reasons)
        found.remarks.update(counts.remarks)
        found.joined.update(counts.joined)
        starts += [counts.start] if counts.start is not None else []
        ends += [counts.end] if counts.end is not None else []
        for line, reason, text in counts.rejects[: MOST_REJECTS - len(found.rejects)]:
            found.rejects.append(Reject(str(files[each.place]), line, reason, text))
    if starts:
        first, last = min(starts), max(ends)
        found.period = (_moment(first), _moment(last))
    found.bill_costs = tuple(plan.told for plan in plans if plan.told)
    found.files = [
        FileRead(str(path), plan.name, rows[place], rejected[place], plan.columns)
        for place, (path, plan) in enumerate(zip(files, plans, strict=True))
    ]


def _moment(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).replace(tzinfo=None)


def _take(found: Ledger, gathered: Gathered, files: Sequence[Path]) -> None:
    """Take what all jobs are; rows that are of no use after all are rejected."""
    found.joined.update(gathered.joined)
    found.remarks.update(gathered.remarks)
    late: Counter[int] = Counter()
    for each in gathered.late:
        late[each.file] += 1
        found.reasons[each.reason] += 1
        if len(found.rejects) < MOST_REJECTS:
            found.rejects.append(Reject(str(files[each.file]), each.line, each.reason))
    found.rows_used -= len(gathered.late)
    found.files = [
        replace(told, rows_rejected=told.rows_rejected + late[place])
        for place, told in enumerate(found.files)
    ]
    if gathered.billed.rows:
        found.joined["charges of machines that jobs ran on"] += gathered.billed.rows
    if gathered.cube.is_cut:
        found.remarks["persons of few hours are taken together"] += 1
    found.trackers = gathered.trackers
    found.named = gathered.named
    found.groups = gathered.groups
    found.queue = gathered.cube.queue()


def _write_rejects(
    found: Ledger, folder: Path, options: Options, late: Sequence[Late], files: Sequence[Path]
) -> None:
    """Write rejected rows to a file, or leave them beside the parts."""
    rows = pa.table(
        {
            "file": [str(files[each.file]) for each in late],
            "line": [each.line for each in late],
            "reason": [each.reason for each in late],
            "text": [""] * len(late),
        },
        schema=REJECTS,
    )
    if options.running.keep is not None:
        (folder / LATE).unlink(missing_ok=True)
        if len(rows):
            with replacing(folder / LATE) as temporary:
                arrow_csv.write_csv(harmless(rows), temporary)
        found.rejects_file = str(folder) if found.rows_rejected else None
    if options.rejects is None:
        return
    with replacing(options.rejects) as temporary, temporary.open("wb") as file:
        file.write(b'"file","line","reason","text"\n')
        for path in sorted(folder.glob("part-*.rejects.csv")):
            with path.open("rb") as part:
                part.readline()
                shutil.copyfileobj(part, file)
        if len(rows):
            no_header = arrow_csv.WriteOptions(include_header=False)
            arrow_csv.write_csv(harmless(rows), file, no_header)
    found.rejects_file = str(options.rejects)


def _price(found: Ledger, gathered: Gathered, rules: Rules, options: Options) -> Priced:
    """Price all cells, and sum them by what they are of."""
    billed = gathered.billed
    priced = Priced(gathered.cube.cells(), options.prices, rules, billed.prices())
    found.cells = priced.frame()
    found.total = priced.amount()
    found.parts = {
        name: priced.by(name, MOST_NAMES if name in ("user", "project") else None) for name in BY
    }
    found.final_share = priced.final_share(of_research=False)
    found.final_share_of_research = priced.final_share(of_research=True)
    found.share_basis = priced.share_basis
    found.unpriced = priced.unpriced
    found.assumptions = (*priced.assumptions, *_told(found, priced, rules))
    _take_capacity(found, options)
    return priced


def _take_runs(found: Ledger, runs: Runs, priced: Priced, prices: Prices) -> None:
    """Take restarts, and the largest runs with what they cost and reached."""
    found.restarts, found.runs = runs.to_dict(), runs.largest
    if len(found.runs):
        costs, reached = _costs(found.runs, priced), _utilisations(found.runs, prices)
        found.runs = found.runs.assign(cost_usd=costs, mfu=reached)


def _told(found: Ledger, priced: Priced, rules: Rules) -> Iterable[Assumption]:
    """Yield what the answer rests on, besides prices."""
    unknown = found.parts["kind"].get(UNKNOWN)
    hours = found.total.gpu_hours
    if unknown is not None and hours > 0:
        share = f"{unknown.gpu_hours / hours:.1%} of the hours"
        how = "the share's low end: none is a final run; middle: as the known; high end: all of it"
        yield Assumption("jobs of unknown kind", share, how)
    if not rules.rule:
        yield Assumption("kinds", "none", "no rules: `computebill ledger init` proposes some")
    for place in np.flatnonzero(found.named == 0).tolist():
        how = "it matches none, or those before it match them all"
        yield Assumption(f"rule[{place}], {rules.rule[place].kind}", "no job", how)
    if priced.unpriced > 0:
        share = f"{priced.unpriced / hours:.1%} of the hours"
        how = "no price is known of their accelerator; the share is of hours"
        yield Assumption("hours without a price", share, how)
    for told in dict.fromkeys(found.bill_costs):
        yield Assumption("cost of bills", told, "the file's own columns")


def _take_capacity(found: Ledger, options: Options) -> None:
    """Take the cluster's accelerator-hours in the period.

    Raises:
        RequestError: where no record tells a time, or jobs took more.
    """
    if options.capacity is None:
        return
    capacity, source = options.capacity, GIVEN
    if options.capacity_is == "accelerators":
        if found.period is None:
            told = "is a number of accelerators, but no record tells a time"
            raise RequestError("--capacity", told)
        start, end = found.period
        capacity *= (end - start).total_seconds() / 3600.0
        source = f"{options.capacity:,.0f} accelerators, given, all of the records' period"
    found.capacity = capacity
    if found.idle_hours() < 0:
        used = f"jobs took {found.total.gpu_hours:,.0f}"
        told = f"is {capacity:,.0f} accelerator-hours, and {used}; allowed: as many, or more"
        raise RequestError("--capacity", told)
    found.assumptions += (Assumption("capacity", f"{capacity:,.0f} accelerator-hours", source),)


def _costs(runs: pd.DataFrame, priced: Priced) -> np.ndarray:
    """Return what each run cost [USD]: as billed, else at its accelerator's price in its month."""
    months = runs["start"].to_numpy().astype("datetime64[M]").astype(str)
    prices = [
        priced.price_of(name, NO_MONTH if month == "NaT" else month)
        for name, month in zip(runs["accelerator"], months.tolist(), strict=True)
    ]
    made = runs["gpu_hours"].to_numpy(float) * np.array(prices)
    return np.where(runs["usd"].isna(), made, runs["usd"])


def _utilisations(runs: pd.DataFrame, prices: Prices) -> np.ndarray:
    """Return the model FLOP utilisation of runs whose FLOP a tracker tells."""

    @cache
    def peak_of(name: object) -> float:
        if not isinstance(name, str):
            return math.nan
        found = find_accelerator(name, prices.profiles)
        return found.peak_flop_per_s(found.default_precision)

    peak = np.array([peak_of(name) for name in runs["accelerator"]])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(runs["flop"] / (runs["gpu_hours"] * 3600.0 * peak), dtype=float)
