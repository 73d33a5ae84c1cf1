"""A speed as a share of the peak, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from computebill.views.text import count, percent

from . import logs
from .answer import Answer, Figure

if TYPE_CHECKING:  # loads torch, which counts and lists need not
    from computebill.views.result import Result


def shares(result: Result) -> dict[str, float | None]:
    """Return the utilisation by convention, hfu last; None where a convention needs more."""
    return {**result["mfu"], "hfu": result["hfu"]}


def answer(result: Result) -> Answer:
    """Tell a speed under every convention; what has no interval is exact arithmetic."""
    known = {name: value for name, value in shares(result).items() if value is not None}
    first, name_of_part = next(iter(known)), result.get("accelerator_title", result["accelerator"])
    told = (
        f"{count(result['tokens_per_second_per_gpu'])} tokens per second and GPU are "
        f"{percent(known[first])} of the {name_of_part}'s {result['precision']} peak, as "
        f"{first} counts"
    )
    if len(known) > 1:
        least, most = (percent(end(known.values())) for end in (min, max))
        told += f"; between {least} and {most} under all conventions"
    else:
        told += "; the other conventions need the model's shape"
    if result.get("log"):
        told = f"{told}. {logs.course(result)[:-1]}"
    figures = [Figure(name, percent(value)) for name, value in known.items()]
    notes = [f"{note[:1].upper()}{note[1:]}" for note in result.get("notes") or ()]
    return Answer(f"Utilisation of {name_of_part}", f"{told}.", figures, notes)
