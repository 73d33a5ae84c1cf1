"""Tables of a model's card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from computebill.architectures.counts import CONVENTIONS

from . import tables
from .text import count as short
from .text import digits, fit_text, flop, mended, percent, stage_texts

if TYPE_CHECKING:  # counts are told without torch
    from computebill.models.card import ModelCard
    from computebill.models.count import ModelCount
    from computebill.training.layout import Layout

RECOMPUTED = {
    "none": "nothing recomputed",
    "selective": "scores recomputed",
    "operators": "every second product recomputed",
    "full": "layers recomputed",
}
CONVENTION_TEXT = {
    "6nd": "6 x parameters a token meets",
    "palm": "6nd + attention over the whole sequence",
    "megatron": "matrix products + attention over the whole sequence",
    "causal": "matrix products + attention that the mask lets through",
}
FROZEN_TEXT = "4 x parameters a token meets, as they are frozen, and 6 x its adapters'"
"""What 6nd counts where weights take no gradient of their own."""


def convention_text(name: str, *, is_frozen: bool) -> str:
    """Return what a convention counts.

    Args:
        name: 6nd, palm, megatron or causal.
        is_frozen: whether only adapters are trained.
    """
    return FROZEN_TEXT if is_frozen and name == "6nd" else CONVENTION_TEXT[name]


COUNTED_BY = {
    "family": "its type's entry",
    "alias": "the entry of its shape",
    "modules": "its modules",
    "weights": "its weights' headers",
}


def full(card: ModelCard) -> Iterator[RenderableType]:
    """What it is, what a token costs, what a GPU holds."""
    yield _shape(card)
    yield _operators(card)
    yield _conventions(card)
    yield _memory(card)
    yield _interval()
    yield from _changes(card)
    host = max((use.host for use in card.memory), default=0.0)
    if host:
        yield Text(f"Memory of the host for each process: {digits(host)} GB")
    for each in card.recipe:
        yield Text(f"{each.name[:1].upper()}{each.name[1:]}: {each.value} ({each.source})")
    for note in card.notes:
        yield Text(f"Note: {note}")


def counts(found: ModelCount) -> Iterator[RenderableType]:
    """What it is, and what a token costs."""
    yield _shape(found)
    yield _operators(found)
    yield _conventions(found)
    for note in found.architecture.notes:
        yield Text(f"Note: {note}")


def _title(card: ModelCard | ModelCount) -> str:
    model = card.architecture
    return f"{model.model_type} (as {model.title})" if model.title else model.model_type


def _shape(card: ModelCard | ModelCount) -> Table:
    table = tables.table(_title(card))
    table.show_header = False
    table.add_column("")
    table.add_column("", justify="right")
    found = card.to_dict()
    rows = [("Parameters", found["params"]), ("  that a token meets", found["params_active"])]
    rows.append(("    without embeddings", found["params_active_without_embeddings"]))
    rows.append(("  embeddings", found["params_embedding"]))
    if found["params_adapters"]:
        rows.append(("Adapters", found["params_adapters"]))
    for label, value in rows:
        table.add_row(label, f"{value:,}  ({short(value)})")
    table.add_row("Counted by", COUNTED_BY[found["counted_by"]])
    table.add_row("Layers", f"{found['layers']:,}")
    table.add_row("Hidden size", f"{found['hidden']:,}")
    if found["vocabulary"]:
        table.add_row("Vocabulary", f"{found['vocabulary']:,}")
    table.add_row("Sequence length", f"{card.sequence:,}")
    return table


def _operators(card: ModelCard | ModelCount) -> Table:
    table = tables.table("FLOP per token")
    table.add_column("operator")
    for heading in ("forward", "backward", "share"):
        table.add_column(heading, justify="right")
    total = float(card.flop.forward + card.flop.backward)
    for name, (forward, backward) in card.flop.by_operator.items():
        table.add_row(
            name.replace("_", " "),
            flop(float(forward)),
            flop(float(backward)),
            percent(float(forward + backward) / total),
        )
    table.add_row("total", flop(float(card.flop.forward)), flop(float(card.flop.backward)), "")
    if float(card.flop.recomputed):
        table.add_row("recomputed", flop(float(card.flop.recomputed)), "", "")
    return table


def _conventions(card: ModelCard | ModelCount) -> Table:
    table = tables.table("Model FLOP per token of a training step, by convention")
    table.add_column("convention")
    table.add_column("FLOP", justify="right")
    table.add_column("counts")
    is_frozen = float(card.parameters.adapters) > 0
    for name in CONVENTIONS:
        table.add_row(
            name,
            flop(float(card.flop.conventions[name])),
            convention_text(name, is_frozen=is_frozen),
        )
    return table


def _recomputed(layout: Layout) -> str:
    """Tell what is computed again, and of how many layers where that is not all."""
    if layout.recompute_layers is None:
        return RECOMPUTED[layout.recompute]
    (told,) = stage_texts({"recompute_layers": layout.recompute_layers})
    return told


def _memory(card: ModelCard) -> Table:
    from computebill.training.memory import PARTS
    from computebill.training.memory_odds import verdict

    part = card.accelerator
    how = card.memory[0].layout if card.memory else None
    described = (
        f"micro-batch {how.micro_batch}, {_recomputed(how)}, {how.optimizer}"
        if how
        else "no common layout divides this model"
    )
    title = f"Memory of one GPU at {card.sequence:,} tokens, GB ({described})"
    table = tables.table(title, ("other", "gradients", "optimizer", "weights", "activations"))
    table.add_column("layout")
    for heading in PARTS:
        table.add_column(heading, justify="right")
    table.add_column(f"micro-batch in {part.memory_gb.value:g} GB", justify="right")
    for use in card.memory:
        most = use.largest_micro_batch
        shown = (
            ""
            if card.layout and use.stage
            else f"up to {most:,}"
            if most
            else verdict(use.fit_odds)
        )
        odds = f"{shown} ({fit_text(use.fit_odds)})".lstrip()
        table.add_row(use.name, *(digits(getattr(use, part)) for part in PARTS), odds)
    return table


def _interval() -> Text:
    """How far memory may lie from any total, as that is a ratio, and what brackets are."""
    from computebill.training.memory_odds import memory_interval

    low, high = (digits(memory_interval(1.0)[end]) for end in ("p5", "p95"))
    return Text(
        f"Measured memory is {low} to {high} times the total (5th–95th percentile); in brackets: "
        "odds that it fits"
    )


def _changes(card: ModelCard) -> Iterator[Text]:
    """What would make a layout fit; once of all stages of one."""
    told = {
        ("This layout" if card.layout else use.name): use.would_fit
        for use in card.memory
        if use.would_fit is not None
    }
    for name, change in told.items():
        yield Text(f"{name} with {mended(change._asdict())}")


def shipped(rows: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """Models that ship, by the names that every command takes."""
    table = tables.table(f"{len(rows)} models whose configuration ships")
    table.add_column("name")
    table.add_column("repository")
    table.add_column("type")
    for heading in ("parameters", "a token meets"):
        table.add_column(heading, justify="right")
    for row in rows:
        sizes = (short(row["params"]), short(row["params_active"]))
        table.add_row(row["name"], row["repository"], row["model_type"], *sizes)
    yield table
