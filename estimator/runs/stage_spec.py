"""A stage of a model's making, as its user describes it: its kind and its fields."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from computebill.base.amounts import Parameters, Tokens
from computebill.base.errors import shown
from computebill.base.quantity import (
    AtLeastOne,
    NotNegative,
    Number,
    Positive,
    Share,
)
from computebill.base.specfile import Name, Spec
from computebill.costs.fields import Rent
from computebill.training.memory_odds import Odds

from .spec import RunFields
from .stage_defaults import SIZES as SIZES
from .stage_kinds import KINDS, REINFORCED, Kind, needs_text, one_kind, uses

MOST_PIECES = 50
MOST_STALE = 1000

ROLES = ("teacher", "reward", "critic")
"""What weights beside a stage's own are to it; fields that name them."""

Lengths = float | str | tuple[int, ...] | dict[str, Any] | None
"""Tokens of prompts or answers: a number, a range, a distribution, a list, or a file of them."""


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Base(Spec):
    """Weights that were trained elsewhere, which stages begin from, learn from or are judged by.

    Attributes:
        name: name by which stages call them.
        model: a config.json, or its directory, in place of parameters.
        params: parameters of the model.
        params_active: parameters that one token meets, where fewer than all.
        flop: FLOP that their training took, where they are known.
        source: where the figures are from.
    """

    name: Name
    model: str | None = None
    params: Parameters | None = None
    params_active: Parameters | None = None
    flop: Positive | None = None
    source: Name | None = None


class Piece(Spec):
    """A part of a stage, of a schedule: what is its own there.

    Attributes:
        tokens: trained on in it.
        global_batch: sequences a step.
        global_batch_tokens: tokens a step in its place.
        sequence_length: tokens a sequence.
        count: accelerators.
        mfu: model FLOP utilisation.
    """

    tokens: Tokens
    global_batch: Number | None = None
    global_batch_tokens: Number | None = None
    sequence_length: Number | None = None
    count: Positive | None = None
    mfu: Share | None = None


class Generation(Spec):
    """Accelerators apart that write rollouts.

    Attributes:
        count: how many.
        accelerator: name of the part; without it that of the stage.
        precision: of weights and products there.
        price: USD per accelerator-hour; without it as of the stage.
        asynchronous: whether they write while the others train; else one waits for the other.
        staleness: steps that what is trained on may be behind the weights, in its place: 0 waits,
            more keep as many steps' answers under way.
    """

    count: Positive
    accelerator: str | None = None
    precision: str | None = None
    price: Rent | None = None
    asynchronous: bool = False
    staleness: Annotated[int, Field(ge=0, le=MOST_STALE)] | None = None

    @property
    def steps_under_way(self) -> int:
        """Steps whose answers are written at a time while others train; 0: one pool waits."""
        return int(self.asynchronous) if self.staleness is None else self.staleness

    @model_validator(mode="after")
    def _consistent(self) -> Generation:
        if self.staleness == 0 and self.asynchronous:
            raise ValueError("staleness: got 0; allowed with asynchronous: 1 or more")
        return self


class Stage(RunFields):
    """A stage of a model's making; every number may be a distribution.

    Attributes:
        name: name of the stage; without it its kind.
        kind: pretrain, midtrain, context, sft, lora, distill, preference, reward, rl, ppo,
            generate, filter or evaluate.
        begins: names of the stages or bases whose weights it begins from, ``from`` in files; of
            several merged.
        gpu_hours: accelerator-hours that it took, in place of a prediction.
        epochs: times that what it trains on is passed.
        schedule: parts of it with batches, sequences or accelerators of their own.
        restarted_tokens: tokens of steps that were trained, thrown away and done again.
        trained_share: share of the parameters that gets gradients, of adapters near 0.
        pairs: pairs of answers that are compared.
        prompt_length: tokens of a prompt; a range or a file is how they differ.
        answer_length: tokens of an answer, the same.
        answer_mean: tokens of an answer on average, as well as that is known; without it that of
            the lengths, which of reinforcement learning may move as far as others' did.
        longest_answer: most tokens of an answer: longer ones are cut there.
        steps: optimizer steps of reinforcement learning.
        prompts: prompts of a step.
        samples_per_prompt: answers to each, a group.
        requests: prompts that are answered.
        kept: samples that are kept of those that are made.
        kept_share: share of the samples that is kept.
        references: forward passes of a reference over what is trained on.
        teacher: name of the stage or base whose weights teach.
        teacher_params: parameters of the teacher that a token meets.
        teacher_model: a config.json of the teacher.
        reward: name of the stage or base whose weights judge.
        reward_params: parameters of the reward model that a token meets; with neither, a verifier.
        reward_model: a config.json of the reward model.
        critic: name of the stage or base whose weights the critic of PPO begins from.
        critic_params: parameters of the critic that a token meets; without any as large as the
            policy.
        critic_model: a config.json of the critic.
        verifier_seconds: time of a step in which accelerators wait for a verifier.
        generation: accelerators apart that write rollouts.
        fit_odds: odds of fitting that the common layout of its updates has to have; without it the
            layout leaves 5 % of the memory free.
        tail: longest over mean answer, where a step waits for it.
        throughput: tokens written a second and accelerator, in place of the serving model's.
        batch: sequences of a batch that is written, on one copy.
        price_per_token: USD per million tokens trained, where training is sold as a service.
        price_per_token_read: USD per million tokens read; without it the same.
        price_per_token_written: USD per million tokens written; without it the same.
        source: where the stage's figures are from.
    """

    model_config = ConfigDict(populate_by_name=True)
    answers_are_known: ClassVar[bool] = False
    """Whether it is over, so that a mean answer that is told is no guess."""

    name: Name = ""
    kind: Annotated[Kind, BeforeValidator(one_kind)] = "pretrain"
    begins: Annotated[tuple[Name, ...], BeforeValidator(_several), Field(alias="from")] = ()
    gpu_hours: Positive | None = None
    epochs: Positive | None = None
    schedule: Annotated[tuple[Piece, ...], Field(max_length=MOST_PIECES)] = ()
    restarted_tokens: Tokens | None = None
    trained_share: Annotated[Number, Field(ge=0, le=1)] | None = None
    pairs: Positive | None = None
    prompt_length: Lengths = None
    answer_length: Lengths = None
    answer_mean: Positive | None = None
    longest_answer: Annotated[Number, Field(ge=1)] | None = None
    steps: Positive | None = None
    prompts: Positive | None = None
    samples_per_prompt: Positive | None = None
    requests: Positive | None = None
    kept: Positive | None = None
    kept_share: Share | None = None
    references: NotNegative | None = None
    teacher: Name | None = None
    teacher_params: Parameters | None = None
    teacher_model: str | None = None
    reward: Name | None = None
    reward_params: Parameters | None = None
    reward_model: str | None = None
    critic: Name | None = None
    critic_params: Parameters | None = None
    critic_model: str | None = None
    verifier_seconds: Positive | None = None
    generation: Generation | None = None
    fit_odds: Odds | None = None
    tail: AtLeastOne | None = None
    throughput: Positive | None = None
    batch: Annotated[Number, Field(ge=1)] | None = None
    price_per_token: Positive | None = None
    price_per_token_read: Positive | None = None
    price_per_token_written: Positive | None = None
    source: Name | None = None

    @property
    def label(self) -> str:
        """Its name, or its kind where it was given none."""
        return self.name or self.kind

    @property
    def updates(self) -> bool:
        """Whether it updates parameters."""
        return KINDS[self.kind].updates

    @property
    def is_reinforced(self) -> bool:
        """Whether it learns from what it samples."""
        return self.kind in REINFORCED

    @property
    def purpose(self) -> str:
        """What its model's own forward passes are for: rollouts, generation, …; empty for none."""
        return KINDS[self.kind].samples

    @property
    def rests_on(self) -> tuple[str, ...]:
        """Names of all weights that it has a use for: begun from, taught or judged by."""
        return (*self.begins, *(name for _, name in self.beside))

    @property
    def beside(self) -> tuple[tuple[str, str], ...]:
        """Names of the weights that pass beside its own, each with its role."""
        named = ((role, getattr(self, role)) for role in ROLES)
        return tuple((role, name) for role, name in named if name is not None)

    @property
    def samples(self) -> float | None:
        """Samples that are made, at the median; None where they are not counted."""
        if self.requests is not None:
            return self.requests.median
        factors = (self.steps, self.prompts, self.samples_per_prompt)
        found = [each.median for each in factors if each is not None]
        return found[0] * found[1] * found[2] if len(found) == len(factors) else None

    @model_validator(mode="after")
    def _consistent(self) -> Stage:
        has_params = self.params is not None or self.params_active is not None
        self.check_model(has_params=has_params)
        self.check_fields()
        self._check_uses()
        self._check_length()
        self._check_kept()
        self._check_beside()
        return self

    def _check_uses(self) -> None:
        for name in sorted(self.model_fields_set):
            if not uses(self.kind, name):
                allowed = ", ".join(sorted(KINDS[self.kind].uses)) or "none of its own"
                raise ValueError(
                    f"{name}: is of no use to kind {self.kind}; of its own it takes {allowed}"
                )
        if self.mfu is not None and not self.updates and self.gpu_hours is None:
            raise ValueError(f"mfu: is of no use to kind {self.kind} without gpu_hours")
        if self.final_share is not None:
            raise ValueError("final_share: is of a whole run, not of a stage")

    def _check_length(self) -> None:
        """Refuse a stage that does not say how much it does, or says it twice."""
        lacking = [
            [name for name in together if not _is_given(self, name)]
            for together in KINDS[self.kind].needs
        ]
        if all(lacking):
            begun = [
                len(each) < len(way)
                for each, way in zip(lacking, KINDS[self.kind].needs, strict=True)
            ]
            first = lacking[begun.index(True) if any(begun) else 0][0]
            told = f"allowed with kind {self.kind}: {needs_text(self.kind)}"
            raise ValueError(f"{first}: is missing; {told}")
        ways = [name for name in ("tokens", "pairs", "requests") if _is_given(self, name)]
        if len(ways) > 1:
            raise ValueError(f"give {ways[0]} or {ways[1]}, not both")
        if self.flop is not None and self.tokens is not None:
            raise ValueError("give flop, or params and tokens, not both")
        is_told = self.flop is not None or self.gpu_hours is not None
        if not is_told and all(getattr(self, name) is None for name in SIZES):
            raise ValueError("params: is missing; allowed: params, params_active, model or from")
        if self.schedule:
            self._check_schedule()

    def _check_schedule(self) -> None:
        for name in ("flop", "pairs"):
            if getattr(self, name) is not None:
                raise ValueError(f"give {name} or schedule, not both")
        parts = sum(piece.tokens.median for piece in self.schedule)
        if self.tokens is not None and abs(self.tokens.median / parts - 1) > 0.01:
            raise ValueError(
                f"schedule: its parts have {parts:.4g} tokens; allowed: as many as the stage's, "
                f"{self.tokens.text}"
            )

    def _check_kept(self) -> None:
        if self.kept is None:
            return
        if self.kept_share is not None:
            raise ValueError("give kept or kept_share, not both")
        made = self.samples
        if made is None:
            raise ValueError("kept: needs what is made: requests, or steps, prompts and samples")
        if self.kept.median > made:
            raise ValueError(
                f"kept: got {self.kept.text}; allowed: up to the {made:,.10g} samples made"
            )

    def _check_beside(self) -> None:
        """Refuse a teacher or judge that is the stage itself, or of no size."""
        for role, name in self.beside:
            if name == self.label:
                raise ValueError(
                    f"{role}: got {shown(name)}, which is the stage itself; allowed: another's name"
                )
        sizes = (self.teacher, self.teacher_params, self.teacher_model)
        if self.kind == "distill" and not any(each is not None for each in sizes):
            raise ValueError("teacher: is missing; give teacher, teacher_params or teacher_model")
        if self.price_per_token is None and (
            self.price_per_token_read is not None or self.price_per_token_written is not None
        ):
            raise ValueError("give price_per_token beside what tokens read or written cost")


def _is_given(stage: Stage, name: str) -> bool:
    if name == "answer_length" and stage.answer_mean is not None:
        return True
    value = getattr(stage, name)
    return value is not None and value != ()
