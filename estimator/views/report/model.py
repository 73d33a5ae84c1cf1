"""A model's card and its utilisation, as a page tells them."""

from __future__ import annotations

from computebill.training.memory import PARTS
from computebill.training.memory_odds import verdict
from computebill.views.answers import mfu, model
from computebill.views.charts import model as drawn
from computebill.views.model import CONVENTION_TEXT, convention_text
from computebill.views.result import Result
from computebill.views.text import (
    UNKNOWN,
    digits,
    fit_text,
    flop,
    memory_with_ends,
    mended,
    percent,
)

from .document import Chart, Report, Section, Table, parts, sections
from .logs import measured

SHAPE = ("layers", "hidden", "vocabulary", "sequence_length")


def report(result: Result) -> Report:
    """Tell what a model is, what a token costs and what a GPU holds."""
    per_token = result["flop_per_token"]
    shape = [(key.replace("_", " "), f"{result[key]:,}") for key in SHAPE if result[key]]
    found = sections(
        Section(
            "FLOP",
            parts(
                [
                    _operators(result),
                    _conventions(
                        per_token["conventions"], is_frozen=bool(result.get("params_adapters"))
                    ),
                ]
            ),
        ),
        Section("Memory", parts([_memory(result)])),
        Section("Shape", [Table("Shape", ("", ""), shape)]),
    )
    return Report.of(model.answer(result), result, found)


def utilisation(result: Result) -> Report:
    """Tell a speed under every convention; what has no interval is exact arithmetic."""
    cells = []
    for name, value in mfu.shares(result).items():
        per_token = result["flop_per_token"].get(name, result["hardware_flop_per_token"])
        counts = CONVENTION_TEXT.get(name, "all that was computed")
        text = UNKNOWN if value is None else percent(value)
        cells.append((name, UNKNOWN if per_token is None else flop(per_token), text, counts))
    headings = ("convention", "FLOP per token", "utilisation", "counts")
    table = Table("Conventions", headings, cells, ("counts",))
    picture = drawn.utilisation(result)
    part = table if picture is None else Chart(picture, table)
    found = sections(
        Section("Over the run", parts(measured(result))), Section("Conventions", [part])
    )
    return Report.of(mfu.answer(result), result, found)


def _operators(result: Result) -> Chart:
    operators, picture = result["flop_per_token"]["by_operator"], drawn.operators(result)
    cells = [
        (row["name"], flop(each["forward"]), flop(each["backward"]), row["text"])
        for row, each in zip(picture.rows, operators.values(), strict=True)
    ]
    headings = ("operator", "forward", "backward", "share")
    return Chart(picture, Table("Operators", headings, cells))


def _conventions(given: dict[str, float], *, is_frozen: bool) -> Table:
    cells = [
        (name, flop(value), convention_text(name, is_frozen=is_frozen))
        for name, value in given.items()
    ]
    title = "Model FLOP per token of a training step, by convention"
    return Table(title, ("convention", "FLOP", "counts"), cells, ("counts",))


def _memory(result: Result) -> Chart | None:
    picture = drawn.memory(result)
    if picture is None:
        return None
    cells = []
    for use in result["memory_gb"]:
        most = use["largest_micro_batch"]
        fits = f"micro-batch up to {most:,}" if most else verdict(use.get("fit_odds") or 0.0)
        if use.get("would_fit"):
            fits += f"; with {mended(use['would_fit'])}"
        cells.append(
            (
                use["name"],
                *(digits(use[part]) for part in PARTS[:-1]),
                memory_with_ends(use["total"], use.get("memory_interval_gb")),
                fit_text(use.get("fit_odds")),
                fits,
            )
        )
    total = "total (5th–95th percentile)"
    room = f"in {result['accelerator_memory_gb']:g} GB"
    headings = ("layout", *PARTS[:-1], total, "odds that it fits", room)
    return Chart(picture, Table("Memory of one GPU, GB", headings, cells))
