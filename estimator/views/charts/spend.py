"""Charts of final runs against reported spend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import altair as alt

from computebill.programmes.bases import DOLLARS
from computebill.views.result import Result, amount_of, basis_of, distribution
from computebill.views.text import (
    amount as amount_text,
)
from computebill.views.text import (
    amount_interval,
    bounded,
    money,
    money_interval,
    percent,
    percent_interval,
)

from . import steps
from .axes import ROW, Room, amount, from_nothing, height, names, room_of, tall
from .look import COUNTS, FINAL, INK, PERCENT, REST
from .look import DOLLARS as DOLLARS_LABELS
from .marks import SHAPES, colours, ends, intervals, tips, toggled, zoom
from .picture import ROWS, Picture, Rows, shape_of
from .steps import SHARE, Part, Unit, waterfall

MOST_RUNS = 24
MOST_SHARE = 2.0
"""Where an axis of shares ends at the latest."""
RUNS_APART = 5


def shares(results: Sequence[Result]) -> Picture | None:
    """Return the final runs' share of each programme's R&D compute, and the rest.

    None where no share is known.
    """
    rows = []
    for each in results:
        share = distribution(each["final_share"])
        if not share.is_known:
            continue
        median = min(share.p50, 1.0)
        common = {"name": each["title"], **ends(share), "short": percent_interval(share)}
        for part, start, end, key in (
            ("final runs", 0.0, median, "final_runs"),
            ("experiments and all else", median, 1.0, "exploration"),
        ):
            text = amount_interval(amount_of(each, key), basis_of(each).name)
            rows.append({**common, "part": part, "start": start, "end": end, "text": text})
    if not rows:
        return None
    says = (
        "Red is the median share of final runs, the line its 5th to 95th percentile: a quantile "
        "of the ratio, not a ratio of quantiles."
    )
    reached = max(row["p95"] for row in rows)
    if reached > 1.0:
        says += " Beyond 100 % the final runs cost more than was reported."
    if reached > MOST_SHARE:
        says += " An arrow goes on to what is written."
    shape = _share_bars(room_of(rows), min(MOST_SHARE, max(1.0, reached)))
    return Picture("Final runs and the rest of R&D compute", says, shape, rows)


@lru_cache(SHAPES)
def _share_bars(room: Room, most: float) -> dict[str, Any]:
    chosen, opacity = toggled("part")
    base = alt.Chart(ROWS).encode(y=names())
    parts = ["final runs", "experiments and all else"]
    shapes = (
        base.mark_bar(height=24)
        .encode(
            x=amount("start", "share of R&D compute", PERCENT, ends=(0.0, most)),
            x2="end:Q",
            color=colours("part", parts, (FINAL, REST)),
            opacity=opacity,
            tooltip=tips(
                name="programme", part="part", text="median (5th–95th)", short="final share"
            ),
        )
        .add_params(chosen, zoom("x"))
    )
    once = base.transform_filter("datum.part === 'final runs'")
    inside = once.transform_filter(f"datum.p5 < {most}")
    lines = inside.mark_rule(color=INK, strokeWidth=2).encode(x="p5:Q", x2="p95:Q")
    points = inside.mark_tick(color=INK, thickness=2.5, size=16).encode(x="p50:Q")
    beyond = once.transform_filter(f"datum.p95 > {most}").mark_point(
        shape="triangle-right", filled=True, size=110, color=INK, opacity=1
    )
    texts = once.mark_text(color=INK, fontSize=12, align="left", dy=-ROW // 2 - 1).encode(
        x=alt.datum(0), text="short:N"
    )
    layers = (shapes, lines, points, beyond.encode(x=alt.datum(most)), texts)
    return shape_of(alt.layer(*layers).properties(height=tall(room, 58)))


def dollars(results: Sequence[Result]) -> Picture | None:
    """Return final runs and all else of each programme in USD; None where none is in dollars."""
    rows = []
    for each in results:
        if basis_of(each) is not DOLLARS or each["final_runs_usd"] is None:
            continue
        for label, key in (("final runs", "final_runs_usd"), ("all else", "exploration_usd")):
            usd = distribution(each[key])
            rows.append(
                {
                    "name": f"{each['organisation']}: {label}",
                    "programme": each["title"],
                    "kind": label,
                    "text": money_interval(usd),
                    "short": money(usd.p50),
                    **ends(usd),
                }
            )
    if not rows:
        return None
    says = "Medians and 5th to 95th percentiles, on a logarithmic axis."
    return intervals("The same in dollars", says, rows, ("USD", DOLLARS_LABELS), is_log=True)


def whole(result: Result) -> Picture | None:
    """Return the dearest runs, the other final runs and all else, one after the other.

    None where the final runs are not known.
    """
    final, total = (amount_of(result, key) for key in ("final_runs", "rnd_compute"))
    if not final.is_known:
        return None
    counted = [run for run in result["runs"] if run["counted"] and _size(run)]
    counted.sort(key=lambda run: -_size(run)["mean"])
    found = [
        Part(run["name"], "final run", distribution(_size(run))) for run in counted[:RUNS_APART]
    ]
    left = len(counted) - len(found)
    if left:
        rest = final.mean - sum(part.value.mean for part in found)
        found.append(Part(f"{left} other final run{'s' * (left > 1)}", "final run", rest))
    exploration = amount_of(result, "exploration")
    says = "From the dearest run to all R&D compute. "
    stated = result["scenarios"][0] if result["scenarios"] else None
    in_dollars = basis_of(result) is DOLLARS
    if stated is not None and in_dollars and stated["cost_usd"]["mean"] < exploration.mean:
        usd = distribution(stated["cost_usd"])
        found.append(Part(f"stated experiments ({stated['name']})", "experiments", usd))
        found.append(Part("all else", "all else", exploration.mean - usd.mean))
        says += "The stated experiments are a scenario, not a fact. "
    else:
        found.append(Part("experiments and all else", "all else", exploration))
    found.append(Part("R&D compute", "whole", total))
    title = "From one run to the whole programme"
    return waterfall(title, says, found, unit_of(result), basis_of(result).unit)


def unit_of(result: Result) -> Unit:
    """Return how the amounts of a programme read."""
    name = basis_of(result).name
    labels = DOLLARS_LABELS if name == DOLLARS.name else COUNTS
    return Unit(partial(amount_text, basis=name), partial(amount_interval, basis=name), labels)


def _size(run: Mapping[str, Any]) -> Any:
    """Return a run's size in the unit of its programme; its cost in files without that key."""
    return run.get("size", run["cost_usd"])


def dearest(result: Result) -> list[Mapping[str, Any]]:
    """Return the runs whose cost is known: those that count first, then the dearest first."""
    known = [run for run in result["runs"] if _size(run)]
    return sorted(known, key=lambda run: (not run["counted"], -_size(run)["p50"]))


def runs(result: Result, most: int = MOST_RUNS) -> Picture | None:
    """Return the cost of the dearest runs; None where none is known."""
    found = dearest(result)
    if not found:
        return None
    rows, unit = [], unit_of(result)
    for run in found[:most]:
        size = distribution(_size(run))
        kind = "counted" if run["counted"] else "not counted"
        text, short = unit.interval(size), unit.one(size.p50)
        rows.append({"name": run["name"], "kind": kind, "text": text, "short": short, **ends(size)})
    of = "Cost" if basis_of(result) is DOLLARS else "Size"
    says = f"{of} of each run, median and 5th to 95th percentile, on a logarithmic axis"
    says += f"; the {len(rows)} dearest of {len(found)}." if len(found) > len(rows) else "."
    axis = (f"{of.lower()}, {basis_of(result).unit}", unit.labels)
    return intervals("Runs, dearest first", says, rows, axis, is_log=True, of="run")


def swings(result: Result) -> Picture | None:
    """Return how far each assumption moves the share; None where none has an interval."""
    title = "How far each assumption moves the share"
    return steps.swings(title, result.get("swings") or [], "final share of R&D compute", SHARE)


def changes(result: Result) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each variant after the changes that it is made of, with their names."""
    for variant in result["variants"]:
        yield from ((f"{variant['name']}: {each['name']}", each) for each in variant["changes"])
        yield variant["name"], variant


def variants(result: Result) -> Picture | None:
    """Return the share under other assumptions; None where there are none."""
    if len(result["variants"]) < 2:
        return None
    rows = []
    for name, each in changes(result):
        share = distribution(each["final_share"])
        is_step = each.get("effect_on_share_p50") is not None
        kind = "one change after another" if is_step else "variant"
        text, short = percent_interval(share), percent(share.p50)
        rows.append({"name": name, "kind": kind, "text": text, "short": short, **ends(share)})
    title = "The share under other assumptions"
    says = "Each change as it is made after those above it, then the whole variant."
    axis = ("final share of R&D compute", PERCENT)
    return intervals(title, says, rows, axis, is_log=False, of="variant")


def followers(results: Sequence[Result]) -> Picture | None:
    """Return what one pays who skips a part of each programme's exploration.

    None where no share is known.
    """
    rows = []
    for each in results:
        unit, key = unit_of(each), f"bill_{basis_of(each).key}"
        for step in each["follower"]:
            skipped = step["skipped"]
            text = bounded(unit.interval(distribution(step[key])), step.get("bound"))
            row = {"programme": each["title"], "skipped": skipped, "text": text}
            rows.append({**row, **step["share"], "part": percent(skipped)})
    if not rows:
        return None
    return Picture(
        "What is left to pay for one who follows",
        "Final runs and what is not skipped of the exploration, as a share of the leader's bill; "
        "bands are 5th to 95th percentile.",
        _follower_lines(rows),
        rows,
    )


def _follower_lines(rows: Rows) -> dict[str, Any]:
    order = list(dict.fromkeys(str(row["programme"]) for row in rows))
    chosen, opacity = toggled("programme")
    title = "part of the exploration that is skipped"
    # A little beyond both ends, or their points are cut.
    x = amount("skipped", title, PERCENT, ends=(-0.02, 1.02))
    base = alt.Chart(ROWS).encode(x=x, color=colours("programme", order))
    reached = from_nothing(row["p95"] for row in rows)
    bands = base.mark_area().encode(
        y=height("p5", "bill, share of the leader's", PERCENT, ends=reached),
        y2="p95:Q",
        opacity=alt.condition(chosen, alt.value(0.16), alt.value(0.02)),
    )
    lines = base.mark_line(strokeWidth=2.5, point=alt.OverlayMarkDef(size=60, opacity=0.9)).encode(
        y="p50:Q",
        opacity=opacity,
        tooltip=tips(programme="programme", part="skipped", text="bill"),
    )
    layers = alt.layer(bands, lines.add_params(chosen, zoom()))
    return shape_of(layers.properties(height=300))
