"""A model's counts in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from computebill.views.text import count, flop

from .answer import Answer, Figure

if TYPE_CHECKING:  # loads torch, which counts and lists need not
    from computebill.views.result import Result


def answer(result: Result) -> Answer:
    """Tell what a model is, and what a token costs."""
    per_token = result["flop_per_token"]
    total, active = result["params"], result["params_active"]
    told = f"{count(total)} parameters"
    told += f", of which a token meets {count(active)}" if active != total else ""
    sentence = (
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
    title = f"A model of {count(total)} parameters (type {result['model_type']})"
    return Answer(title, sentence, figures, result["notes"])
