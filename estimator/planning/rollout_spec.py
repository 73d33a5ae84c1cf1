"""What a plan of reinforcement learning is asked for: its stage, and accelerators to share out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from computebill.base.amounts import Whole
from computebill.base.changes import read_change, set_in
from computebill.base.errors import RequestError, shown
from computebill.base.quantity import Number, Quantity
from computebill.base.specfile import Name, Spec, validate
from computebill.costs.fields import Prices
from computebill.runs.stage_kinds import KINDS, REINFORCED
from computebill.runs.stage_spec import MOST_STALE, Base, Stage
from computebill.runs.staged_spec import StagedSpec, staged_fields, staged_of
from computebill.training.memory_odds import USUAL_ODDS, Odds

from .fields import CountsOf, Names
from .spec import ELSEWHERE, PlanSpec

if TYPE_CHECKING:
    from computebill.training.launched import Launched

OWN = (
    "accelerator", "count", "objective", "max_days", "max_cost", "fit_odds", "staleness",
    "colocated", "price", "top",
)  # fmt: skip
"""Fields of a plan that a file of a stage may have beside the stage's."""

OF_LAYOUTS = frozenset({*PlanSpec.model_fields, *ELSEWHERE} - {*Stage.model_fields, *OWN}) - {
    "kind",
    "stage",
}
"""Fields of other plans, that say nothing of who writes and who trains."""

NO_USE = "is of no use to a plan of reinforcement learning; allowed: of a run of tokens"

PLACED = ("layout", "generation")
"""Fields of a stage that a plan decides, put aside where the stage has them."""


class RolloutSpec(Spec):
    """A search of splits as its user describes it.

    Attributes:
        name: for people.
        run: the stage of reinforcement learning, and weights that it rests on.
        accelerator: names, or profiles' files, for either role.
        count: accelerators to share out; each number is tried; of all, or by accelerator.
        objective: what is to be least: time, cost or energy.
        max_days: of the stage, at the median.
        max_cost: USD of renting, at the median.
        fit_odds: odds of fitting that a layout of training has to have.
        staleness: steps that answers may be behind the weights; 0 lets one role wait for the other.
        colocated: whether one pool that does one after the other is tried, too.
        price: USD per accelerator-hour by accelerator, where not all have the stage's.
        top: splits that are shown, the best included.
        has_split: whether the stage's own accelerators are a split that is told beside.
    """

    name: Name = "plan"
    run: StagedSpec
    accelerator: Names
    count: CountsOf
    objective: Literal["time", "cost", "energy"] = "time"
    max_days: Number | None = None
    max_cost: Number | None = None
    fit_odds: Odds = USUAL_ODDS
    staleness: Annotated[int, Field(ge=0, le=MOST_STALE)] = 1
    colocated: bool = True
    price: Prices | None = None
    top: Annotated[Whole, Field(le=64)] = 6
    has_split: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> RolloutSpec:
        if isinstance(self.count, dict) and set(self.count) != set(self.accelerator):
            raise ValueError(
                f"count: got those of {', '.join(self.count)}; allowed: of each that is asked "
                f"for, {', '.join(self.accelerator)}"
            )
        if isinstance(self.price, dict) and not set(self.price) <= set(self.accelerator):
            raise ValueError(
                f"price: got those of {', '.join(self.price)}; allowed: of accelerators that are "
                f"asked for, {', '.join(self.accelerator)}"
            )
        for key in ("max_days", "max_cost"):
            limit = getattr(self, key)
            if limit is not None and limit <= 0:
                raise ValueError(f"{key}: got {limit:g}; allowed: above 0")
        return self

    @property
    def stage(self) -> Stage:
        """The stage whose accelerators are shared out."""
        return self.run.stage[0]

    def counts(self, accelerator: str) -> tuple[int, ...]:
        """Return the numbers of an accelerator to share out, each once."""
        assert self.count is not None
        own = self.count[accelerator] if isinstance(self.count, dict) else self.count
        return tuple(dict.fromkeys(own))

    def price_of(self, accelerator: str) -> Quantity | None:
        """Return what an hour of an accelerator is said to cost; None where the stage says it."""
        return self.price.get(accelerator) if isinstance(self.price, dict) else self.price


def rollout_spec(
    path: Path | None,
    flags: Mapping[str, Any],
    layout: Mapping[str, Any] | None = None,
    changes: Sequence[str] = (),
    launch: Launched | None = None,
) -> RolloutSpec:
    """Return the search of splits that a file describes, flags going before it.

    Args:
        path: a TOML file of a stage, or of several, of which ``stage`` among the flags names one.
        flags: fields of a plan and of a stage.
        layout: fields of the layout that no choice decides.
        changes: of the file's data by their paths.
        launch: launch files, which the file and the flags go before.

    Raises:
        RequestError: naming the flag, or the file and its field.
    """
    data = {} if path is None else staged_fields(path)
    for text in changes:
        set_in(data, read_change(text), StagedSpec if "stage" in data else Stage)
    return _of_data(data, flags, layout, launch, () if path is None else (str(path),))


def read_rollouts(spec: RolloutSpec | str | Path | Mapping[str, Any]) -> RolloutSpec:
    """Return a search of splits as described.

    Args:
        spec: a RolloutSpec, a TOML file, or a mapping of a plan's and a stage's fields.

    Raises:
        RequestError: naming the field, or the file and its field.
    """
    if isinstance(spec, RolloutSpec):
        return spec
    if isinstance(spec, str | Path):
        return rollout_spec(Path(spec), {})
    return _of_data(dict(spec), {}, None, None, ())


def _of_data(
    data: dict[str, Any],
    flags: Mapping[str, Any],
    layout: Mapping[str, Any] | None,
    launch: Launched | None,
    files: tuple[str, ...],
) -> RolloutSpec:
    """Return the search that a file's data describe; as ``rollout_spec``."""
    if idle := sorted(OF_LAYOUTS & flags.keys()):
        raise RequestError(f"--{idle[0].replace('_', '-')}", NO_USE)
    given = dict(flags)
    is_flat = not isinstance(data.get("stage"), list)
    wanted = given.pop("stage", None)
    # With a pool of its own beside them they are those that train, as run has them.
    kept = ("accelerator", "count", "price") if "generation" in data else ()
    own = {key: data.pop(key) for key in OWN if is_flat and key in data and key not in kept}
    own |= {key: given.pop(key) for key in OWN if key in given}
    placed = _placeholders(own)
    run = staged_of(data, {**given, **placed}, layout, launch, files)
    name = ", ".join((*files, *(launch.launch.files if launch else ()))) or "plan"
    stage = _chosen(run, wanted)
    usual = _usual(stage) if not placed else {}
    if stage.fit_odds is not None:
        usual["fit_odds"] = stage.fit_odds
    if stage.generation is not None:
        usual["staleness"] = stage.generation.steps_under_way
    fields = {"name": run.name if run.name != "run" else "plan", **usual, **own}
    return validate(RolloutSpec, {**fields, "run": _alone(run, stage)}, name, frozenset(flags))


def _placeholders(own: Mapping[str, Any]) -> dict[str, Any]:
    """Return an accelerator and a number for the stage itself, which each split has its own of."""
    found: dict[str, Any] = {}
    if "accelerator" in own:
        names = own["accelerator"]
        found["accelerator"] = names.split(",")[0].strip() if isinstance(names, str) else names[0]
    if "count" in own:
        found["count"] = 1
    return found


def _usual(stage: Stage) -> dict[str, Any]:
    """Return the accelerators of a stage that says them itself, both its roles' together."""
    if stage.accelerator is None or stage.count is None:
        return {}
    trains, apart = round(stage.count.median), stage.generation
    if apart is None:
        return {"accelerator": stage.accelerator, "count": trains, "has_split": True}
    writes = round(apart.count.median)
    if apart.accelerator in (None, stage.accelerator):
        whole = trains + writes
        return {"accelerator": stage.accelerator, "count": whole, "has_split": True}
    counts = {stage.accelerator: trains, str(apart.accelerator): writes}
    return {"accelerator": tuple(counts), "count": counts, "has_split": True}


def _chosen(run: StagedSpec, wanted: str | None) -> Stage:
    """Return the stage of a run that is planned.

    Raises:
        RequestError: where none is named and there is not one alone, or it cannot be planned.
    """
    names = [each.label for each in run.stage if each.kind in REINFORCED]
    if wanted is not None and wanted not in names:
        allowed = ", ".join(names) or f"none: no stage is of kind {' or '.join(REINFORCED)}"
        raise RequestError("stage", f"got {shown(wanted)}; allowed: {allowed}")
    if wanted is None and len(names) != 1:
        told = f"{len(names)} stages are of kind {' or '.join(REINFORCED)}"
        raise RequestError("stage", f"is missing: {told}; give one: {', '.join(names)}")
    stage = next(each for each in run.stage if each.label == (wanted or names[0]))
    for needed in KINDS[stage.kind].needs[0]:
        is_lacking = getattr(stage, needed) is None
        if is_lacking and not (needed == "answer_length" and stage.answer_mean is not None):
            raise RequestError(f"{stage.label}.{needed}", "is missing; a plan needs it")
    if stage.gpu_hours is not None or stage.price_per_token is not None:
        field = "gpu_hours" if stage.gpu_hours is not None else "price_per_token"
        raise RequestError(f"{stage.label}.{field}", "leaves nothing to plan; allowed: without it")
    return stage


def _alone(run: StagedSpec, stage: Stage) -> StagedSpec:
    """Return a stage by itself, the weights of others that it may rest on as made before."""
    others = [
        Base(
            name=each.label,
            model=each.model if isinstance(each.model, str) else None,
            params=each.params,
            params_active=each.params_active,
        )
        for each in run.stage
        if each is not stage
    ]
    return StagedSpec(name=run.name, base=(*run.base, *others), stage=(stage,))
