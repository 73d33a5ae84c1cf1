"""Lines of a statement: each part of a stage, and each lineage, as an item that rules speak of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from computebill.kernels.stages import StageFlop
from computebill.regulation.rules import items

from .spec import StatedStage, StatementSpec

Span = tuple[dt.date | None, dt.date | None]
"""First and last day; None of what is not known."""

PARTS = (
    "updates",
    "samples",
    "discarded",
    "reference",
    "teacher",
    "reward",
    "critic",
    "critic_updates",
    "recomputed",
    "restarted",
)
"""Parts of a stage's FLOP, as ``kernels.stages.StageFlop`` has them."""

UPDATES = {
    "pretrain": "pretraining",
    "midtrain": "mid_training",
    "context": "mid_training",
    "reward": "reward_model_training",
    "rl": "rl_updates",
    "ppo": "rl_updates",
}
"""Item of the updates of each kind of stage; of others fine-tuning."""

SAMPLES = {
    "rl": ("rl_rollouts", "rl_rollouts"),
    "ppo": ("rl_rollouts", "rl_rollouts"),
    "generate": ("synthetic_private", "synthetic_private_discarded"),
    "filter": ("data_filtering_by_model", "data_filtering_by_model"),
    "evaluate": ("evaluation", "evaluation"),
}
"""Items of what is kept of a stage's own forward passes, and of what is discarded."""

BESIDE = {
    "reference": "reference_forward",
    "teacher": "teacher_forward",
    "reward": "reward_model_forward",
    "critic": "reward_model_forward",
    "critic_updates": "reward_model_training",
    "recomputed": "activation_recomputation",
    "restarted": "restarted_steps",
}
"""Items of parts that are the same in all kinds; a critic is to rules what a reward model is."""


@dataclass(frozen=True)
class Line:
    """An amount of compute that a rule counts, or does not.

    Attributes:
        source: name of the stage or of the lineage.
        part: part of the stage; training of a lineage.
        item: what it is to a rule; a name of ``regulation/items.toml``.
        start: first day; None where none is told.
        end: last day.
        is_lineage: whether it is the training of other weights.
        is_known: whether there is a figure.
    """

    source: str
    part: str
    item: str
    start: dt.date | None = None
    end: dt.date | None = None
    is_lineage: bool = False
    is_known: bool = True

    @property
    def title(self) -> str:
        """The item as a person reads it."""
        return items()[self.item].title


def item_of(stage: StatedStage, part: str) -> str:
    """Return the item of a rule that a part of a stage is.

    What was dropped or only explored is so in all its parts, generated data that was dropped a
    failed experiment.
    """
    if stage.fate == "explored":
        return "exploratory_research"
    if stage.fate == "dropped":
        return "failed_synthetic_experiments" if stage.kind == "generate" else "failed_runs"
    if part in BESIDE:
        return BESIDE[part]
    if part == "updates" and stage.updates:
        return stage.counts_as or UPDATES.get(stage.kind, "fine_tuning")
    if stage.public:
        return "synthetic_public"
    kept, discarded = SAMPLES[stage.kind]
    return discarded if part == "discarded" else kept


def stage_lines(
    spec: StatementSpec, flop: StageFlop, spans: Sequence[Span]
) -> Iterator[tuple[Line, int, str]]:
    """Yield the lines of stages that there is something of, each with its stage and part.

    Args:
        spec: the statement.
        flop: of its stages; ``(stages, draws)`` each.
        spans: their first and last days.
    """
    there = {part: getattr(flop, part).nan_to_num(nan=0.0).amax(-1).tolist() for part in PARTS}
    for place, stage in enumerate(spec.stage):
        start, end = spans[place]
        for part in PARTS:
            if there[part][place] > 0:
                yield (
                    Line(stage.label, part, item_of(stage, part), start, end),
                    place,
                    part,
                )


def lineage_lines(spec: StatementSpec) -> tuple[Line, ...]:
    """Return the lines of other weights' training."""
    return tuple(
        Line(
            each.name,
            "training",
            spec.item_of(each),
            is_lineage=True,
            is_known=each.flop is not None,
        )
        for each in spec.lineage
    )
