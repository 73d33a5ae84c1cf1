"""A statement as its author writes it: the model, what it came from, the stages of its making."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from computebill.base.amounts import Parameters
from computebill.base.errors import RequestError, shown
from computebill.base.quantity import NotNegative, Number, Positive, Share
from computebill.base.specfile import Name, SourceNote, Spec, described, validate
from computebill.costs.fields import Day
from computebill.regulation.rules import items
from computebill.runs.stage_defaults import SIZES, STAGE_REPLACES
from computebill.runs.stage_spec import Base, Stage
from computebill.runs.staged_spec import MOST_STAGES, StagedSpec, staged_fields

if TYPE_CHECKING:
    from computebill.training.launched import Launched

Relation = Literal["base", "merge", "teacher", "reward"]
"""What other weights are to the model: begun from, merged in, learnt from, or its judge."""

ITEM_OF: dict[Relation, str] = {
    "base": "base_model",
    "merge": "merged_weights",
    "teacher": "teacher_training",
    "reward": "reward_model_training",
}
"""Item of a rule that the training of other weights is."""

Fate = Literal["used", "dropped", "explored"]
"""What became of a stage: its weights or data are in the model, were dropped, or taught people."""


class ModelPart(Spec):
    """The model that is stated.

    Attributes:
        name: name and version.
        config: a config.json, its directory, or a shipped name, in place of parameters.
        params: parameters.
        params_active: parameters that one token meets, where fewer than all.
        provider: who answers for it.
        architecture: what it is, in a few words.
        released: day of its release.
        placed_in_union: day on which it was placed on the Union's market.
        context: longest sequence that it was trained on [tokens].
    """

    name: Name
    config: str | None = None
    params: Parameters | None = None
    params_active: Parameters | None = None
    provider: Name | None = None
    architecture: Name | None = None
    released: Day | None = None
    placed_in_union: Day | None = None
    context: Annotated[Number, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _one_size(self) -> ModelPart:
        if self.config is not None and (self.params or self.params_active):
            raise ValueError("give config or params, not both")
        return self


class Lineage(Base):
    """Other weights that the model owes something to.

    Attributes:
        relation: base (begun from), merge, teacher or reward.
        of: name of the lineage that it is so to; without it, the model itself.
        basis: known: its maker states the compute; estimated; unknown.
        systemic_risk: whether it is a model of systemic risk; without it, by its compute.
    """

    relation: Relation = "base"
    of: Name | None = None
    basis: Literal["known", "estimated", "unknown"] | None = None
    systemic_risk: bool | None = None

    @model_validator(mode="after")
    def _basis_holds(self) -> Lineage:
        if self.basis == "unknown" and self.flop is not None:
            raise ValueError(f"flop: got {self.flop.text}; allowed with basis unknown: none")
        if self.basis in ("known", "estimated") and self.flop is None:
            raise ValueError(
                f"flop: is missing; allowed without it: basis unknown, got {self.basis}"
            )
        return self

    @property
    def told_basis(self) -> str:
        """How its compute is known: as said, or by whether there is a figure."""
        return self.basis or ("unknown" if self.flop is None else "estimated")


class StatedStage(Stage):
    """A stage as a statement has it: as of a run, with its days and what became of it.

    Attributes:
        start: first day.
        end: last day.
        days: days that it takes from its start, in place of an end; a range for what is planned.
        peak_tflops: dense peak of an accelerator that is reckoned with, in place of its own.
        hfu: hardware FLOP utilisation, with what is computed again, in place of mfu.
        recomputed_share: FLOP of activations computed again, over those of the updates: a third
            where all are.
        energy_mwh: electricity that it took, as metered.
        public: of generated data, whether it is publicly accessible.
        fate: used, dropped (its weights or data are not in the model) or explored (an experiment).
        counts_as: item of a rule that its updates are, in place of what its kind says.
        method: architecture or hardware, whose figure is stated where both can be had.
    """

    answers_are_known: ClassVar[bool] = True
    start: Day | None = None
    end: Day | None = None
    days: Positive | None = None
    peak_tflops: Positive | None = None
    hfu: Share | None = None
    recomputed_share: NotNegative | None = None
    energy_mwh: Positive | None = None
    public: bool = False
    fate: Fate = "used"
    counts_as: str | None = None
    method: Literal["architecture", "hardware"] | None = None

    @model_validator(mode="after")
    def _stated(self) -> StatedStage:
        if self.counts_as is not None and self.counts_as not in items():
            allowed = ", ".join(name for name, each in items().items() if each.kind == "compute")
            raise ValueError(f"counts_as: got {shown(self.counts_as)}; allowed: {allowed}")
        if self.hfu is not None and self.mfu is not None:
            raise ValueError("give mfu or hfu, not both")
        if self.end is not None and self.days is not None:
            raise ValueError("give end or days, not both")
        for name in ("end", "days"):
            if getattr(self, name) is not None and self.start is None:
                raise ValueError(f"start: is missing; give start and {name}")
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError(f"end: got {self.end}; allowed: {self.start} or later")
        if self.peak_tflops is not None and self.gpu_hours is None:
            raise ValueError("peak_tflops: needs gpu_hours, whose work it is")
        if self.public and self.kind != "generate":
            raise ValueError(f"public: got true; allowed with kind generate, got {self.kind}")
        return self


class StatementSpec(StagedSpec):
    """A statement as its author writes it.

    Attributes:
        name: name of the statement; without it the model's.
        model: the model.
        lineage: other weights that it owes something to.
        stage: stages of its making, in their order; what stands above them holds for all.
        method: architecture or hardware, whose figure is stated where both can be had.
        date: day of the statement.
        sources: sources of figures, by the name that stages call them by.
    """

    name: Name = "statement"
    model: ModelPart
    lineage: Annotated[tuple[Lineage, ...], Field(max_length=MOST_STAGES)] = ()
    stage: Annotated[tuple[StatedStage, ...], Field(min_length=1, max_length=MOST_STAGES)]
    method: Literal["architecture", "hardware"] = "architecture"
    date: Day | None = None
    sources: dict[str, SourceNote] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _with_lineage(cls, data: Any) -> Any:
        """Let stages begin from the lineage, and be of the model's size where they say none."""
        if not isinstance(data, Mapping):
            return data
        if "stage" not in data:
            raise ValueError("stage is missing; allowed: one or more; a plan is asked of --planned")
        if data.get("base"):
            raise ValueError("base: allowed in a statement: lineage")
        model, lineage = data.get("model"), data.get("lineage")
        found = dict(data)
        if isinstance(lineage, list | tuple):
            kept = ("name", "model", *SIZES[1:], "source")
            found["base"] = [
                {key: each[key] for key in kept if key in each}
                for each in lineage
                if isinstance(each, Mapping)
            ]
        stages = data.get("stage")
        if isinstance(model, Mapping) and isinstance(stages, list | tuple):
            _check_teachers(stages, model.get("name"))
            found["stage"] = [_sized(each, model) for each in stages]
        return found

    @model_validator(mode="after")
    def _lineage_holds(self) -> StatementSpec:
        by_name = {each.name: each for each in self.lineage}
        for place, each in enumerate(self.lineage):
            path = f"lineage[{place}]"
            if each.name == self.model.name:
                problem = f"got {shown(each.name)}, which is the model itself; allowed: another's"
                raise ValueError(f"{path}.name: {problem}")
            if each.of is not None and each.of not in (*by_name, self.model.name):
                allowed = ", ".join((self.model.name, *by_name))
                raise ValueError(f"{path}.of: got {shown(each.of)}; allowed: {allowed}")
            list(self.path_of(each, path))
        return self

    def path_of(self, lineage: Lineage, field: str = "lineage") -> Iterator[Lineage]:
        """Yield a lineage and those between it and the model, nearest last.

        Raises:
            ValueError: where they go in a circle.
        """
        by_name = {each.name: each for each in self.lineage}
        seen: list[str] = []
        each: Lineage | None = lineage
        while each is not None:
            if each.name in seen:
                circle = " of ".join((*seen, each.name))
                raise ValueError(
                    f"{field}.of: got weights in a circle, {circle}; allowed: a chain that ends "
                    f"at {self.model.name}"
                )
            seen.append(each.name)
            yield each
            each = by_name.get(each.of or "")

    def item_of(self, lineage: Lineage) -> str:
        """Return the item of a rule that a lineage's training is to the model.

        On the way through a teacher, a judge or merged weights it is what they are.
        """
        relations = [each.relation for each in self.path_of(lineage)]
        for relation in ("teacher", "reward", "merge"):
            if relation in relations:
                return ITEM_OF[relation]
        return ITEM_OF["base"]

    def title_of(self, key: str | None) -> str | None:
        """Return the title of a source that is called by its key; other texts as they are."""
        return self.sources[key].title if key in self.sources else key


def _check_teachers(stages: Sequence[Any], model: object) -> None:
    """Refuse a teacher that is the student."""
    for place, each in enumerate(stages):
        teacher = each.get("teacher") if isinstance(each, Mapping) else None
        if teacher is not None and teacher == model:
            raise ValueError(
                f"stage[{place}].teacher: got {shown(teacher)}, which is the student; allowed: the "
                "name of a lineage, or of a stage before"
            )


def _sized(stage: Any, model: Mapping[str, Any]) -> Any:
    """Return a stage with the model's size, where it and what it begins from say none."""
    if not isinstance(stage, Mapping) or any(key in stage for key in (*SIZES, "flop")):
        return stage
    if "config" in model:
        return {"model": model["config"], **stage}
    return {**{key: model[key] for key in SIZES[1:] if key in model}, **stage}


def statement_fields(path: Path) -> dict[str, Any]:
    """Read a statement's file; configurations that it names are looked for beside it."""
    from computebill.architectures.sources import beside

    data = staged_fields(path)
    model = data.get("model")
    if isinstance(model, dict) and isinstance(model.get("config"), str):
        model["config"] = beside(path.parent, model["config"])
    return data


def read_statement(spec: StatementSpec | str | Path | Mapping[str, Any]) -> StatementSpec:
    """Return a statement as its author writes it.

    Raises:
        RequestError: naming the field, or the file and its field.
    """
    if isinstance(spec, StatementSpec):
        return spec
    return validate(StatementSpec, *described(spec, statement_fields, "statement"))


def launched_statement(
    path: str | Path | None,
    launch: Launched,
    of: str | None = None,
    start: dt.date | None = None,
) -> StatementSpec:
    """Return a statement one of whose stages launch files describe; its own fields go before them.

    Args:
        path: a statement's file; without it there is the one stage.
        launch: what the files say.
        of: name of the stage that they are of, where there are several.
        start: first day of that stage.

    Raises:
        RequestError: asking for what they do not say, or naming the stages that there are.
    """
    files = ", ".join(launch.launch.files)
    data: dict[str, Any] = {"stage": [{}]} if path is None else statement_fields(Path(path))
    stages = data.get("stage")
    if not isinstance(stages, list) or not all(isinstance(each, dict) for each in stages):
        return validate(StatementSpec, data, str(path))
    own = stages[_place_of(stages, of)]
    said = launch.of_stage()
    sizes = {**(model if isinstance(model := data.get("model"), dict) else {}), **own}
    of_answers = ("model", "steps", "prompt_length", "answer_length")
    wanted = of_answers if launch.stage else ("model", "tokens")
    has_model = not {"params", "config", *SIZES}.isdisjoint(sizes)
    known = {**data, **own, **({"model": ""} if has_model else {})}
    launch.need(wanted, known, spelled=_of_stage)
    laid = {**launch.layout, **own.get("layout", {})}
    filled = {**said, "source": files, **({"layout": laid} if laid else {})}
    if start is not None:
        filled["start"] = start
    told = {*own, *data} - {"model", "layout"} | ({"model"} & {*own})  # [model] is the statement's
    aside = {*told, *(other for name in told for other in STAGE_REPLACES.get(name, ()))}
    own |= {key: value for key, value in filled.items() if key not in aside}
    if not isinstance(data.get("model"), dict):
        model = said.get("model")
        is_named = isinstance(model, str)
        data["model"] = {"name": model if is_named else Path(launch.launch.files[0]).stem}
        data["model"] |= {"config": model} if is_named else {}
    return validate(StatementSpec, data, files if path is None else f"{path}, {files}")


def _of_stage(flag: str) -> str:
    """Spell what gives a figure as a statement has it, which has no such flags."""
    return f"{flag.removeprefix('--').replace('-', '_')} of a stage of FILE"


def _place_of(stages: Sequence[Mapping[str, Any]], name: str | None) -> int:
    """Return the place of the stage that launch files are of.

    Raises:
        RequestError: where it is not clear, with the stages that there are.
    """
    names = [str(each.get("name") or each.get("kind", "pretrain")) for each in stages]
    if name is None and len(stages) == 1:
        return 0
    if name is None or names.count(name) != 1:
        given = "got no name" if name is None else f"got {shown(name)}"
        raise RequestError("--of", f"{given}; allowed: one of {', '.join(names)}")
    return names.index(name)


def span_of(stage: StatedStage, days: float) -> tuple[dt.date | None, dt.date | None]:
    """Return a stage's first and last day; None of what is not known.

    Args:
        stage: the stage.
        days: that it takes, at the median; NaN where nothing tells.
    """
    if stage.start is None or stage.end is not None or math.isnan(days):
        return stage.start, stage.end
    try:
        return stage.start, stage.start + dt.timedelta(days=days)
    except OverflowError:  # after the last year that a calendar has
        return stage.start, dt.date.max
