"""Tables of predictions against measured steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from computebill.accuracy.validation import Metrics, Validation

from . import tables
from .text import digits

WORST = 20
MOST_LINES = 5
"""Lines of a reason that are told."""
MOST_CHANGES = 5
"""Changed efficiencies that are told."""

GROUPS = (("lab", "lab"), ("source", "source"), ("gpu", "accelerator"))
"""What rows are told by: the field of a row, and what it is called."""


def full(found: Validation) -> Iterator[RenderableType]:
    """Rows beside fits without their lab; by lab, source and accelerator; few rows; the worst."""
    told = found.to_dict()
    if told["verdict"]["changes"]:
        yield Text(changes_told(told["verdict"]["changes"]), style="dim")
    if found.judged is not None:
        yield Text(headline(told["left_out"]))
    for place, (key, name) in enumerate(GROUPS):
        # A table of one group tells again what the first one's row of all tells.
        if not place or len(found.by(key)) > 1:
            yield _by(found, key, name, has_all=not place)
    if told["few"]:
        yield _few(told["few"])
    yield _worst(found)
    if told["memory"]["rows"]:
        yield Text(memory_headline(told["memory"]))
        yield _memory(told["memory"])
    if found.skipped:
        yield _skipped(found)


def changes_told(changes: Sequence[Mapping[str, Any]]) -> str:
    """Return which efficiencies differ from what ships, the most first.

    Args:
        changes: of the verdict's JSON form.
    """
    listed = ", ".join(
        f"{each['name']} {digits(each['shipped'])} to {digits(each['fitted'])} "
        f"({each['fitted'] / each['shipped'] - 1:+.1%})"
        for each in changes[:MOST_CHANGES]
    )
    more = len(changes) - MOST_CHANGES
    return f"Against what ships: {listed}" + (f"; {more} more by less." if more > 0 else ".")


def headline(left_out: Mapping[str, Any]) -> str:
    """Return how far off fits are that had no part of what they predict.

    Args:
        left_out: of the JSON form.
    """
    covered = f"{left_out['coverage_90']:.0%} of rows"
    if left_out["coverage_by_others"] is not None:
        covered += f" ({left_out['coverage_by_others']:.0%} with ends set by other labs)"
    return (
        f"{left_out['unit'].capitalize()} left out: median {_percent(left_out['median_ape'])}, "
        f"mean {_percent(left_out['mape'])}, median of labs' medians "
        f"{_percent(left_out['median_of_labs'])}. In the 90 % interval: {covered}, "
        f"{left_out['coverage_of_labs']:.0%} of a lab's on average; its ends lie a factor "
        f"{left_out['interval_width']:.2f} away at the median"
    )


def memory_headline(memory: Mapping[str, Any]) -> str:
    """Return how far off predicted memory is, and how often its interval is right.

    Args:
        memory: of the JSON form; of at least one row.
    """
    text = (
        f"Memory of {memory['rows']:,} rows: median error {_percent(memory['median_ape'])}, "
        f"{memory['within_15']:.0%} within 15 %, bias {_percent(memory['bias'])}. In the 90 % "
        f"interval: {memory['coverage_90']:.0%}"
    )
    left_out = memory["coverage_90_left_out"]
    if left_out is None:
        return text
    others = {"lab": "other labs", "source": "other sources", "row": "other rows"}
    return f"{text}; in that which {others[memory['unit']]} tell: {left_out:.0%}"


def _memory(memory: Mapping[str, Any]) -> Table:
    """Memory by source, the most rows first."""
    is_judged = memory["unit"] is not None
    table = tables.table("Error of predicted memory, by source")
    table.add_column("source")
    headings = ["rows", "median", "bias", "within 15 %", "in 90 %"]
    for heading in headings + ["out: in 90 %"] * is_judged:
        table.add_column(heading, justify="right")
    largest = sorted(memory["by_source"].items(), key=lambda each: (-each[1]["rows"], each[0]))
    for source, each in (("all", memory), *largest):
        shares = [each["within_15"], each["coverage_90"]]
        shares += [each["coverage_90_left_out"]] * is_judged
        errors = (each["median_ape"], each["bias"])
        cells = [f"{each['rows']:,}", *map(_percent, errors), *(f"{share:.0%}" for share in shares)]
        table.add_row(source, *cells)
    return table


def _by(found: Validation, key: str, name: str, *, has_all: bool) -> Table:
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
    own, out = found.by(key), found.by(key, left_out=True)
    if has_all:
        own = {"all": found.metrics(), **own}
        out = {"all": found.metrics(left_out=True), **out}
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
    shown = min(WORST, len(found.to_frame()))
    title = f"The {shown} rows furthest off" if shown == WORST else "Rows, the furthest off first"
    table = tables.table(title)
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
    reasons: dict[str, list[int]] = {}
    for each in found.skipped:
        reasons.setdefault(each.reason, []).append(each.line)
    lines = [f"{len(found.skipped):,} rows could not be predicted:"]
    for reason, at in sorted(reasons.items(), key=lambda each: -len(each[1])):
        lines.append(f"  {len(at):>4}  {reason} ({_lines_told(at)})")
    return Text("\n".join(lines))


def _lines_told(at: Sequence[int]) -> str:
    more = ", …" if len(at) > MOST_LINES else ""
    listed = ", ".join(f"{line:,}" for line in at[:MOST_LINES])
    return f"line{'s' * (len(at) > 1)} {listed}{more}"
