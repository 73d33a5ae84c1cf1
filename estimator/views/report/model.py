"""A model's card and its utilisation, as a page tells them."""

from __future__ import annotations

from typing import Any

import altair as alt

from computebill.training.memory import PARTS
from computebill.views.model import CONVENTION_TEXT
from computebill.views.text import UNKNOWN, count, digits, flop, percent

from . import drawing
from .document import Chart, Figure, Report, Result, Section, Table, parts, sections

SHAPE = ("layers", "hidden", "vocabulary", "sequence_length")


def report(result: Result) -> Report:
    """Tell what a model is, what a token costs and what a GPU holds."""
    per_token = result["flop_per_token"]
    total, active = result["params"], result["params_active"]
    told = f"{count(total)} parameters"
    told += f", of which a token meets {count(active)}" if active != total else ""
    answer = (
        f"This model of type {result['model_type']} has {told}; a token of training takes "
        f"{flop(per_token['forward'] + per_token['backward'])} FLOP."
    )
    figures = [
        Figure("parameters", count(total), f"{total:,}"),
        *([Figure("that a token meets", count(active))] if active != total else []),
        Figure("embeddings", count(result["params_embedding"])),
        Figure("FLOP per token, forward", flop(per_token["forward"])),
        Figure("backward", flop(per_token["backward"])),
    ]
    shape = [(key.replace("_", " "), f"{result[key]:,}") for key in SHAPE if result[key]]
    found = sections(
        Section("FLOP", parts([_operators(result), _conventions(per_token["conventions"])])),
        Section("Memory", parts([_memory(result)])),
        Section("Shape", [Table("Shape", ("", ""), shape)]),
    )
    title = f"A model of {count(total)} parameters (type {result['model_type']})"
    return Report(title, answer, figures, found, notes=result["notes"]).told(result)


def utilisation(result: Result) -> Report:
    """Tell a speed under every convention; what has no interval is exact arithmetic."""
    shares = {**result["mfu"], "hfu": result["hfu"]}
    rows, cells = [], []
    for name, value in shares.items():
        per_token = result["flop_per_token"].get(name, result["hardware_flop_per_token"])
        counts = CONVENTION_TEXT.get(name, "all that was computed")
        text = UNKNOWN if value is None else percent(value)
        cells.append((name, UNKNOWN if per_token is None else flop(per_token), text, counts))
        if value is not None:
            rows.append({"name": name, "value": value, "text": text})
    first, name_of_part = rows[0], result.get("accelerator_title", result["accelerator"])
    answer = (
        f"{count(result['tokens_per_second_per_gpu'])} tokens per second and GPU are "
        f"{first['text']} of the {name_of_part}'s {result['precision']} peak, as "
        f"{first['name']} counts"
    )
    headings = ("convention", "FLOP per token", "utilisation", "counts")
    table = Table("Conventions", headings, cells, ("counts",))
    part: Chart | Table = table
    if len(rows) > 1:
        least, most = (percent(end(row["value"] for row in rows)) for end in (min, max))
        answer += f"; between {least} and {most} under all conventions"
        part = Chart(
            "Utilisation by convention",
            "The same speed, counted in different ways.",
            drawing.bars(rows, "share of the peak", drawing.PERCENT, of="convention"),
            table,
        )
    else:
        answer += "; the other conventions need the model's shape"
    figures = [Figure(row["name"], row["text"]) for row in rows]
    title = f"Utilisation of {name_of_part}"
    notes = [f"{note[:1].upper()}{note[1:]}" for note in result.get("notes") or ()]
    found = [Section("Conventions", [part])]
    return Report(title, f"{answer}.", figures, found, notes=notes).told(result)


def _operators(result: Result) -> Chart:
    per_token = result["flop_per_token"]
    whole = per_token["forward"] + per_token["backward"]
    rows, cells = [], []
    for name, each in per_token["by_operator"].items():
        value = each["forward"] + each["backward"]
        label = name.replace("_", " ")
        rows.append({"name": label, "value": value / whole, "text": percent(value / whole)})
        cells.append((label, flop(each["forward"]), flop(each["backward"]), percent(value / whole)))
    return Chart(
        "FLOP per token by operator",
        "Share of forward and backward together.",
        drawing.bars(rows, "share of the FLOP", drawing.PERCENT, of="operator"),
        Table("Operators", ("operator", "forward", "backward", "share"), cells),
    )


def _conventions(given: dict[str, float]) -> Table:
    cells = [(name, flop(value), CONVENTION_TEXT[name]) for name, value in given.items()]
    title = "Model FLOP per token of a training step, by convention"
    return Table(title, ("convention", "FLOP", "counts"), cells, ("counts",))


def _memory(result: Result) -> Chart | None:
    if not result["memory_gb"]:
        return None
    limit = result["accelerator_memory_gb"]
    kept, rows, cells = PARTS[:-1], [], []
    for use in result["memory_gb"]:
        for order, part in enumerate(kept):
            rows.append(
                {
                    "name": use["name"],
                    "part": part,
                    "gb": use[part],
                    "order": order,
                    "text": f"{digits(use[part])} GB",
                }
            )
        most = use["largest_micro_batch"]
        fits = f"micro-batch up to {most:,}" if most else "does not fit"
        cells.append((use["name"], *(digits(use[part]) for part in PARTS), fits))
    most_gb = min(4 * limit, max(use["total"] for use in result["memory_gb"]))
    says = f"The dashed line is the {limit:g} GB of {result['accelerator']}"
    says += "; longer bars are cut off." if most_gb == 4 * limit else "."
    return Chart(
        "Memory of one GPU, by layout",
        says,
        _stacks(rows, list(kept), limit, most_gb),
        Table("Memory of one GPU, GB", ("layout", *PARTS, f"in {limit:g} GB"), cells),
    )


def _stacks(rows: drawing.Rows, order: list[str], limit: float, most: float) -> Any:
    chosen, opacity = drawing.toggled("part")
    bars = (
        alt.Chart(drawing.data(rows))
        .mark_bar(clip=True, height={"band": 0.7})
        .encode(
            y=drawing.names("name", rows),
            x=alt.X("gb:Q", title="GB", scale=alt.Scale(domain=[0, most], nice=False)),
            color=drawing.colours("part", order),
            order="order:Q",
            opacity=opacity,
            tooltip=drawing.tips(name="layout", part="part", text="memory"),
        )
        .add_params(chosen)
    )
    line = (
        alt.Chart(drawing.data([{"gb": limit}]))
        .mark_rule(color=drawing.INK, strokeDash=[6, 4], strokeWidth=1.5)
        .encode(x="gb:Q")
    )
    return alt.layer(bars, line).properties(height=drawing.tall(rows, drawing.ROW - 4))
