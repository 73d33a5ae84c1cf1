"""A stage with its models and parts at hand, and the parts of a stage's schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from computebill.base.quantity import scaled
from computebill.hardware.accelerators import Accelerator
from computebill.training.cases import usual_precision
from computebill.training.utilisation import Utilisation

from .model import RunModel, by_products, count_run_model
from .stage_models import Server, Weights, beside_weights, counted_of, own_weights
from .stage_spec import Stage
from .staged_spec import StagedSpec

OF_THE_WHOLE = ("gpu_hours", "restarted_tokens")
"""Fields of a stage that are shared out among the parts of its schedule."""


@dataclass(frozen=True)
class Bench:
    """A stage with its models and parts at hand.

    Attributes:
        stage: as described, or a part of its schedule.
        own: its own model.
        teacher: what teaches it, or nobody.
        reward: what judges it, or nobody.
        critic: what values it and learns beside it, or nobody.
        model: its own model, counted for its sequences and layout.
        accelerator: the part it runs on; None where none is named.
        writer: the part that writes samples, the same or one apart.
        searched: layouts that were searched already, by what they are of.
    """

    stage: Stage
    own: Weights
    teacher: Weights
    reward: Weights
    critic: Weights
    model: RunModel | None
    accelerator: Accelerator | None
    writer: Accelerator | None
    searched: dict[tuple[object, ...], Utilisation]

    @property
    def has_hours(self) -> bool:
        """Whether its hours are given, in place of a prediction."""
        return self.stage.gpu_hours is not None

    @property
    def steps_are_timed(self) -> bool:
        """Whether its updates' time is predicted from a layout."""
        return self.model is not None and self.model.step is not None

    def server(self, accelerator: Accelerator, *, apart: bool) -> Server:
        """Return what forward passes run on: accelerators apart, or those of the stage."""
        generation, stage = self.stage.generation, self.stage
        precision, count = stage.precision, stage.count
        if apart and generation is not None:
            precision, count = generation.precision or precision, generation.count
        named = precision or usual_precision(accelerator, stage.layout)
        return Server(accelerator, named, math.nan if count is None else count.median)

    @property
    def rollouts(self) -> float | None:
        """Samples of a step; None where they are not told."""
        return rollouts_of(self.stage)

    @property
    def flop_per_token(self) -> float:
        """Model FLOP of a token of an update, of a counted model."""
        assert self.model is not None
        return self.model.flop_per_token(self.stage.convention)


def pieces(stage: Stage) -> tuple[Stage, ...]:
    """Return the parts of a stage's schedule; without one the stage itself.

    What a stage took as a whole is theirs by their tokens.
    """
    if not stage.schedule:
        return (stage,)
    whole = sum(piece.tokens.median for piece in stage.schedule)
    found = []
    for piece in stage.schedule:
        own: dict[str, Any] = {name: getattr(piece, name) for name in piece.model_fields_set}
        for name in OF_THE_WHOLE:
            if (told := getattr(stage, name)) is not None:
                own[name] = scaled(told, piece.tokens.median / whole)
        found.append(stage.model_copy(update={**own, "schedule": ()}))
    return tuple(found)


def make_bench(
    stage: Stage,
    spec: StagedSpec,
    parts: Mapping[str, Accelerator],
    searched: dict[tuple[object, ...], Utilisation],
) -> Bench:
    """Return a stage with its models and parts.

    Args:
        stage: as described, or a part of its schedule.
        spec: the run that it is of.
        parts: accelerators by the names that stages give.
        searched: layouts that were searched already, to which others are added.

    Raises:
        RequestError: naming the field that is wrong.
    """
    accelerator = None if stage.accelerator is None else parts[stage.accelerator]
    generation = stage.generation
    apart = None if generation is None else generation.accelerator
    if stage.is_reinforced and stage.layout is not None and stage.global_batch is None:
        stage = stage.model_copy(update={"global_batch": rollouts_of(stage)})
    whole = counted_of(stage)
    model = None
    if whole is not None and (stage.updates or stage.convention != "6nd"):
        stage = by_products(stage, whole.architecture)
        model = count_run_model(stage, accelerator, whole.architecture)
    return Bench(
        stage=stage,
        own=own_weights(stage),
        teacher=beside_weights(stage, spec, "teacher"),
        reward=beside_weights(stage, spec, "reward"),
        critic=beside_weights(stage, spec, "critic"),
        model=model,
        accelerator=accelerator,
        writer=accelerator if apart is None else parts[apart],
        searched=searched,
    )


def rollouts_of(stage: Stage) -> float | None:
    """Samples of a step; None where they are not told."""
    if stage.prompts is None or stage.samples_per_prompt is None:
        return None
    return stage.prompts.median * stage.samples_per_prompt.median
