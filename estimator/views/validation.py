"""Tables of predictions against measured steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from computebill.accuracy.validation import Metrics, Validation

from . import tables
from .text import digits

WORST = 20

GROUPS = (("lab", "lab"), ("source", "source"), ("gpu", "accelerator"))
"""What rows are told by: the field of a row, and what it is called."""


def full(found: Validation) -> Iterator[RenderableType]:
    """Rows beside fits without their lab; by lab, source and accelerator; few rows; the worst."""
    told = found.to_dict()
    if found.judged is not None:
        yield Text(headline(told["left_out"]))
    for key, name in GROUPS:
        yield _by(found, key, name)
    if told["few"]:
        yield _few(told["few"])
    yield _worst(found)
    if found.skipped:
        yield _skipped(found)


def brief(found: Validation) -> str:
    """Return how far off all rows are, in one line."""
    each = found.metrics()
    return (
        f"{each.rows:,} rows; Error of a step's time: median {_percent(each.median_ape)}, "
        f"mean {_percent(each.mape)}, bias {_percent(each.bias)}"
    )


def headline(left_out: Mapping[str, Any]) -> str:
    """Return how far off fits are that had no part of what they predict.

    Args:
        left_out: of the JSON form.
    """
    text = (
        f"{left_out['unit'].capitalize()} left out: median {_percent(left_out['median_ape'])}, "
        f"mean {_percent(left_out['mape'])}, median of labs' medians "
        f"{_percent(left_out['median_of_labs'])}; {left_out['coverage_90']:.0%} in the 90 % "
        f"interval, whose ends lie a factor {left_out['interval_width']:.2f} away at the median"
    )
    others = left_out["coverage_by_others"]
    return f"{text} ({others:.0%} with ends set by other labs)" if others is not None else text


def _by(found: Validation, key: str, name: str) -> Table:
    """Rows as the profile predicts them and, apart from that, as fits without their lab do."""
    title = f"Error of a step's time, by {name}; one line: FLOP / (peak x utilisation)"
    if found.judged is not None:
        title += f"; out: of fits without the row's {found.unit}"
        title = title.replace("without the row's row", "without the row")
    table = tables.table(title)
    headings = ["rows", "median", "mean", "bias", "one line"]
    if found.judged is None:
        headings.append("in 90 %")
    else:
        headings += ["out: median", "out: mean", "out: one line", "out: in 90 %"]
    table.add_column(name)
    for heading in headings:
        table.add_column(heading, justify="right")
    own = {"all": found.metrics(), **found.by(key)}
    out = {"all": found.metrics(left_out=True), **found.by(key, left_out=True)}
    for group, each in own.items():
        left = None if found.judged is None else out[group]
        table.add_row(group, f"{each.rows:,}", *_cells(each, left))
    return table


def _cells(own: Metrics, out: Metrics | None) -> list[str]:
    values = [own.median_ape, own.mape, own.bias, own.baseline_median_ape]
    if out is not None:
        values += [out.median_ape, out.mape, out.baseline_median_ape]
    covered = (out or own).coverage_90
    return [*map(_percent, values), "" if covered is None else f"{covered:.0%}"]


def _few(few: Mapping[str, Mapping[str, Any]]) -> Table:
    """Rows of labs of which so many others updated the other labs' fit."""
    table = tables.table("Error of a lab's other rows, by rows of its own that were measured")
    for heading in ("own rows", "rows", "median", "mean", "bias", "median of labs", "in 90 %"):
        table.add_column(heading, justify="right")
    for count, each in few.items():
        errors = (each["median_ape"], each["mape"], each["bias"], each["median_of_labs"])
        covered = f"{each['coverage_90']:.0%}"
        table.add_row(count, f"{each['rows']:,}", *map(_percent, errors), covered)
    return table


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _worst(found: Validation) -> Table:
    table = tables.table(f"The {WORST} rows furthest off")
    for heading in ("row", "source", "model", "gpu", "layout", "measured s", "predicted s", "off"):
        table.add_column(heading, justify="left" if heading in ("source", "model") else "right")
    frame = found.to_frame()
    order = frame["error"].abs().sort_values(ascending=False).index[:WORST]
    for row in frame.loc[order].itertuples():
        layout = f"tp {row.tp}, pp {row.pp}, dp {row.dp}"
        table.add_row(
            str(row.row),
            str(row.source),
            str(row.model),
            str(row.gpu),
            layout,
            digits(float(str(row.measured_seconds))),
            digits(float(str(row.predicted_seconds))),
            f"{float(str(row.error)):+.0%}",
        )
    return table


def _skipped(found: Validation) -> RenderableType:
    reasons = Counter(each.reason for each in found.skipped)
    lines = [f"{len(found.skipped):,} rows could not be predicted:"]
    lines += [f"  {count:>4}  {reason}" for reason, count in reasons.most_common()]
    return Text("\n".join(lines))
