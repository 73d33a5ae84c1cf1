"""Tables of predictions against measured steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from computebill.accuracy.validation import Metrics, Validation

from . import tables
from .text import digits

WORST = 20


def full(found: Validation) -> Iterator[RenderableType]:
    """All rows, by source, by accelerator, the worst, and what was left out."""
    yield _by(found, "source")
    yield _by(found, "gpu")
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


def _by(found: Validation, key: str) -> Table:
    table = tables.table(f"Error of a step's time, by {key}; one line: FLOP / (peak x utilisation)")
    table.add_column(key)
    table.add_column("rows", justify="right")
    has_left_out = found.left_out is not None
    headings = ["median", "mean", "bias", "one line"]
    if has_left_out:
        headings += ["left out: median", "mean"]
    headings.append("in 90 %")
    for heading in headings:
        table.add_column(heading, justify="right")
    rows: Mapping[str, Metrics] = {"all": found.metrics(), **found.by(key)}
    left: Mapping[str, Metrics] = {
        "all": found.metrics(left_out=True),
        **found.by(key, left_out=True),
    }
    for name, each in rows.items():
        cells = [each.median_ape, each.mape, each.bias, each.baseline_median_ape]
        if has_left_out:
            cells += [left[name].median_ape, left[name].mape]
        covered = "" if each.coverage_90 is None else f"{each.coverage_90:.0%}"
        table.add_row(name, f"{each.rows:,}", *(_percent(value) for value in cells), covered)
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
