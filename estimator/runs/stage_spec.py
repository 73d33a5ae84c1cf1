"""A run of several stages, as its user describes it: kinds, fields, whose weights each begins from.

What a file says above its stages holds for each of them that does not say otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from computebill.base.amounts import Parameters, Tokens
from computebill.base.changes import read_change, set_in
from computebill.base.errors import shown
from computebill.base.quantity import (
    AtLeastOne,
    NotNegative,
    Number,
    Positive,
    Share,
)
from computebill.base.specfile import Name, Spec, described, validate, with_flags
from computebill.costs.fields import Rent
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.hardware.cluster import in_cluster

from .spec import RunFields, fields_of_file, point_beside
from .stage_defaults import LENGTHS, STAGE_REPLACES, completed
from .stage_defaults import SIZES as SIZES
from .stage_kinds import KINDS, Kind, needs_text, one_kind, uses

if TYPE_CHECKING:
    from computebill.training.launched import Launched

MOST_STAGES = 100
MOST_PIECES = 50

MODELS = ("model", "teacher_model", "reward_model")
"""Fields that name a configuration."""

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
    """

    count: Positive
    accelerator: str | None = None
    precision: str | None = None
    price: Rent | None = None
    asynchronous: bool = False


class Stage(RunFields):
    """A stage of a model's making; every number may be a distribution.

    Attributes:
        name: name of the stage; without it its kind.
        kind: pretrain, midtrain, context, sft, lora, distill, preference, reward, rl, generate,
            filter or evaluate.
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
        verifier_seconds: time of a step in which accelerators wait for a verifier.
        generation: accelerators apart that write rollouts.
        tail: longest over mean answer, where a step waits for it.
        throughput: tokens written a second and accelerator, in place of the serving model's.
        batch: sequences of a batch that is written, on one copy.
        price_per_token: USD per million tokens trained, where training is sold as a service.
        price_per_token_read: USD per million tokens read; without it the same.
        price_per_token_written: USD per million tokens written; without it the same.
        source: where the stage's figures are from.
    """

    model_config = ConfigDict(populate_by_name=True)

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
    verifier_seconds: Positive | None = None
    generation: Generation | None = None
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
    def purpose(self) -> str:
        """What its model's own forward passes are for: rollouts, generation, …; empty for none."""
        return KINDS[self.kind].samples

    @property
    def rests_on(self) -> tuple[str, ...]:
        """Names of all weights that it has a use for: begun from, taught or judged by."""
        return (*self.begins, *filter(None, (self.teacher, self.reward)))

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
        for role in ("teacher", "reward"):
            name = getattr(self, role)
            if name is not None and name == self.label:
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
    value = getattr(stage, name)
    return value is not None and value != ()


class StagedSpec(Spec):
    """A run of several stages.

    Attributes:
        name: name of the run, for people.
        base: weights that were trained elsewhere.
        stage: the stages, in their order.
    """

    name: Name = "run"
    base: Annotated[tuple[Base, ...], Field(max_length=MOST_STAGES)] = ()
    stage: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=MOST_STAGES)]

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        above = {key: value for key, value in data.items() if key not in cls.model_fields}
        for key in above:
            if key not in Stage.model_fields or key in ("begins", "final_share"):
                own = ", ".join(cls.model_fields)
                raise ValueError(
                    f"{key} is not a known key; allowed: {own}, and fields of a stage but "
                    "from and final_share"
                )
        stages = data.get("stage")
        kept = {key: value for key, value in data.items() if key in cls.model_fields}
        if not isinstance(stages, list | tuple):
            return kept
        bases = data.get("base")
        bases = bases if isinstance(bases, list | tuple) else ()
        return {**kept, "stage": completed(stages, bases, above)}

    @model_validator(mode="after")
    def _consistent(self) -> StagedSpec:
        names = [*(each.name for each in self.base), *(each.label for each in self.stage)]
        for name, times in Counter(names).items():
            if times > 1:
                raise ValueError(f"stage: the name {shown(name)} is given twice; allowed: once")
        for place, stage in enumerate(self.stage):
            for role, given in _weights(stage):
                if given not in names:
                    allowed = ", ".join(name for name in names if name != stage.label)
                    raise ValueError(
                        f"stage[{place}].{role}: got {shown(given)}; allowed: the name of a stage "
                        f"or base ({allowed or 'none given'})"
                    )
        try:
            TopologicalSorter({each.label: each.rests_on for each in self.stage}).prepare()
        except CycleError as error:
            circle = " from ".join(error.args[1][::-1])
            raise ValueError(
                f"stage: got weights in a circle, {circle}; allowed: from what was made before"
            ) from None
        return self

    def named(self, name: str) -> Stage | Base:
        """Return a stage or base by its name."""
        found: dict[str, Stage | Base] = {each.name: each for each in self.base}
        return (found | {each.label: each for each in self.stage})[name]

    def ancestors(self, name: str) -> tuple[str, ...]:
        """Return the names of all stages and bases whose weights went into one's, nearest first."""
        found: list[str] = []
        waiting = [name]
        while waiting:
            each = self.named(waiting.pop(0))
            for parent in each.begins if isinstance(each, Stage) else ():
                if parent not in found:
                    found.append(parent)
                    waiting.append(parent)
        return tuple(found)


def _weights(stage: Stage) -> Iterator[tuple[str, str]]:
    """Yield the names that a stage calls weights by, each with its field."""
    yield from (("from", name) for name in stage.begins)
    for role in ("teacher", "reward"):
        if (name := getattr(stage, role)) is not None:
            yield role, name


OF_STAGES = frozenset(Stage.model_fields) - frozenset(RunFields.model_fields) | {"stage"}
"""Fields that tell a run of stages from one of totals alone."""


def is_staged(data: Iterable[str]) -> bool:
    """Whether fields describe stages: some, or one of a kind or with what only stages take."""
    return not OF_STAGES.isdisjoint(data)


def staged_run(
    path: str | Path | None,
    flags: Mapping[str, Any],
    layout: Mapping[str, Any] | None = None,
    changes: Sequence[str] = (),
    launch: Launched | None = None,
) -> StagedSpec:
    """Return the run of stages that a file describes, flags going before it.

    Without ``[[stage]]`` in the file, its fields and the flags are of one stage; with them, a flag
    holds for all that have a use for it.

    Args:
        path: a TOML file.
        flags: fields of a stage; ``generators`` are accelerators apart.
        layout: fields of its layout.
        changes: of the file's data by their paths, ``stage.SFT.tokens=2B``.
        launch: launch files, which the file and the flags go before.

    Raises:
        RequestError: naming the flag, or the file and its field.
    """
    data = {} if path is None else staged_fields(Path(path))
    for text in changes:
        set_in(data, read_change(text), StagedSpec if "stage" in data else Stage)
    if launch is not None:
        own = data.get("layout")
        laid = {**launch.layout, **(own if isinstance(own, dict) else {})}
        if launch.stage:
            wanted = ("model", "steps", "prompt_length", "answer_length", "accelerator", "count")
            has_model = any(name in flags for name in ("params", "params_active"))
            launch.need(wanted, {**data, **flags, **({"model": ""} if has_model else {})})
        data = {**launch.of_stage(), **data, **({"layout": laid} if laid else {})}
    files = ([] if path is None else [str(path)]) + list(launch.launch.files if launch else ())
    name = ", ".join(files) or "run"
    given = {**flags, **({"layout": dict(layout)} if layout else {})}
    if "generators" in given:
        given["generation"] = {"count": given.pop("generators")}
    return _with_stages(data, given, name) if "stage" in data else _of_one(data, given, name)


def _of_one(data: dict[str, Any], given: Mapping[str, Any], name: str) -> StagedSpec:
    """Return a run of one stage, described flat."""
    bases, flags = data.pop("base", ()), dict(given)
    own = data.get("layout")
    if "layout" in flags and isinstance(own, dict):
        flags["layout"] = {**own, **flags["layout"]}
    # What flags say of a layout is not put aside for another flag.
    replaces = {**STAGE_REPLACES, "layout": ()} if "layout" in flags else STAGE_REPLACES
    stage = with_flags(Stage, data, flags, replaces, name, is_file=name != "run")
    whole = {"name": stage.name or "run", "base": bases, "stage": [stage]}
    return validate(StagedSpec, whole, name)


def _with_stages(data: Mapping[str, Any], given: Mapping[str, Any], name: str) -> StagedSpec:
    """Return a run of stages, each without what flags say in its place."""
    aside = {key for flag in given for key in (flag, *STAGE_REPLACES.get(flag, ()))}
    stages = data["stage"]
    own = [
        {key: value for key, value in each.items() if key not in aside}
        if isinstance(each, dict)
        else each
        for each in (stages if isinstance(stages, list) else [stages])
    ]
    whole = {key: value for key, value in data.items() if key not in aside or key == "name"}
    return validate(StagedSpec, {**whole, **given, "stage": own}, name)


def staged_fields(path: Path) -> dict[str, Any]:
    """Read a file of stages; the files it names are looked for beside it."""
    data = fields_of_file(path)
    point_beside(data, path.parent, ("teacher_model", "reward_model"), LENGTHS[1:])
    for table in (*_tables(data.get("stage")), *_tables(data.get("base"))):
        point_beside(table, path.parent, MODELS, LENGTHS)
    return data


def _tables(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def read_staged(spec: StagedSpec | str | Path | Mapping[str, Any]) -> StagedSpec:
    """Return a run of stages as described.

    Raises:
        RequestError: naming the field, or the file and its field.
    """
    if isinstance(spec, StagedSpec):
        return spec
    return validate(StagedSpec, *described(spec, staged_fields, "run"))


def stage_parts(spec: StagedSpec, profiles: Sequence[Path] = ()) -> dict[str, Accelerator]:
    """Return the accelerators that stages name, by the names they give.

    Raises:
        RequestError: where one is not known, naming it.
    """
    found: dict[str, Accelerator] = {}
    for stage in spec.stage:
        if stage.accelerator is not None:
            part = find_accelerator(stage.accelerator, profiles)
            found[stage.accelerator] = in_cluster(part, stage.node_network, stage.power_limit)
        apart = None if stage.generation is None else stage.generation.accelerator
        if apart is not None:
            found[apart] = find_accelerator(apart, profiles)
    return found
