"""Tables of what the rest of R&D compute went to."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from . import tables
from .text import UNKNOWN, amount_interval, bounded, digits, percent, percent_interval

if TYPE_CHECKING:
    from computebill.programmes.exploration import Exploration

PRIOR = "prior, not evidence"


def exploration(found: Exploration) -> Iterator[RenderableType]:
    """The rest by kind: what is stated, what is drawn, what nothing explains, and a prior."""
    table = tables.table(
        "What everything else went to: stated facts, then development by stage, then unexplained"
    )
    table.add_column("kind", overflow="fold")
    for heading in ("of R&D compute", "amount", "observations", f"{PRIOR}: of the rest"):
        table.add_column(heading, justify="right")
    priors = {each["kind"]: each for each in found.prior["share_of_rest"]}
    known = {each.kind: each for each in found.kinds}
    for kind, prior in priors.items():
        own = known.get(kind)
        table.add_row(
            kind,
            UNKNOWN if own is None else percent_interval(own.share),
            UNKNOWN if own is None else amount_interval(own.amount, found.basis.name),
            "none" if own is None else f"{own.observations}",
            Text(prior_text(prior), style="dim"),
            style="dim" if own is None else "",
        )
    table.add_row(
        Text("unexplained", style="bold"),
        Text(percent_interval(found.unexplained_share), style="bold"),
        amount_interval(found.unexplained, found.basis.name),
    )
    yield table
    for each in found.kinds:
        yield Text(f"{each.kind}: {each.rests_on}", style="dim")
    yield Text(kept_told(found), style="yellow" if found.kept < 1 else "dim")


def followers_by_kind(found: Exploration) -> Iterator[RenderableType]:
    """What those pay who skip a part of each kind, beside the leader's whole bill."""
    if not found.followers:
        return
    table = tables.table("Followers by kind: what each skips is a judgement, given as a range")
    table.add_column("follower", overflow="fold")
    table.add_column("bill", justify="right")
    table.add_column("of the leader's", justify="right")
    for each in found.followers:
        bill = bounded(amount_interval(each.bill, found.basis.name), each.bound)
        table.add_row(each.follower.name, bill, percent_interval(each.share))
    yield table
    for each in found.followers:
        yield Text(f"{each.follower.name}: {each.follower.description}", style="dim")


def prior_text(prior: dict[str, Any]) -> str:
    """Write a prior: ``35 % (14–64)``."""
    low, middle, high = (digits(100 * prior[key], 2) for key in ("p5", "p50", "p95"))
    return f"{middle} % ({low}–{high})"


def kept_told(found: Exploration) -> str:
    """Tell how many draws the kinds leave something in, and what that does to the share."""
    if not isfinite(found.unexplained.p50):
        return "In no draw do the kinds fit into what was reported: the rest cannot be split."
    if found.kept >= 1:
        return "In every draw the kinds take no more than there is."
    share = percent(found.final_share.p50)
    return (
        f"In {percent(1 - found.kept)} of the draws the kinds would take more than was reported; "
        f"these are left out here, which makes the median final share {share}."
    )
