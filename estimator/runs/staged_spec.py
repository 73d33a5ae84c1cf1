"""A run of several stages, as its user describes it: stages, whose weights each begins from.

What a file says above its stages holds for each of them that does not say otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from computebill.base.changes import read_change, set_in
from computebill.base.errors import shown
from computebill.base.specfile import Name, Spec, described, validate, with_flags
from computebill.hardware.accelerators import Accelerator, find_accelerator
from computebill.hardware.cluster import in_cluster

from .spec import RunFields, fields_of_file, point_beside
from .stage_defaults import LENGTHS, STAGE_REPLACES, completed
from .stage_spec import ROLES, Base, Stage

if TYPE_CHECKING:
    from computebill.training.launched import Launched

MOST_STAGES = 100

MODELS = ("model", *(f"{role}_model" for role in ROLES))
"""Fields that name a configuration."""


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
    yield from stage.beside


OF_STAGES = frozenset(Stage.model_fields) - {*RunFields.model_fields, "fit_odds"} | {"stage"}
"""Fields that tell a run of stages from one of totals alone; plans of either have odds."""


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
        flags: fields of a stage; ``generators`` are accelerators apart, whose ``staleness`` is how
            many steps their answers may be behind.
        layout: fields of its layout.
        changes: of the file's data by their paths, ``stage.SFT.tokens=2B``.
        launch: launch files, which the file and the flags go before.

    Raises:
        RequestError: naming the flag, or the file and its field.
    """
    data = {} if path is None else staged_fields(Path(path))
    for text in changes:
        set_in(data, read_change(text), StagedSpec if "stage" in data else Stage)
    files = () if path is None else (str(path),)
    return staged_of(data, flags, layout, launch, files)


def staged_of(
    data: dict[str, Any],
    flags: Mapping[str, Any],
    layout: Mapping[str, Any] | None = None,
    launch: Launched | None = None,
    files: Sequence[str] = (),
) -> StagedSpec:
    """Return the run of stages that a file's data describe, flags going before them.

    Args:
        data: of a file; may be changed.
        flags: as of ``staged_run``, like the two after.
        layout: fields of the layout.
        launch: launch files.
        files: names of those that the data are of.

    Raises:
        RequestError: naming the flag, or the file and its field.
    """
    if launch is not None:
        own = data.get("layout")
        laid = {**launch.layout, **(own if isinstance(own, dict) else {})}
        if launch.stage:
            wanted = ("model", "steps", "prompt_length", "answer_length", "accelerator", "count")
            known = {**data, **flags}
            if "params" in flags or "params_active" in flags:
                known["model"] = ""
            if "answer_mean" in known:
                known.setdefault("answer_length", "")
            launch.need(wanted, known)
        data = {**launch.of_stage(), **data, **({"layout": laid} if laid else {})}
    name = ", ".join((*files, *(launch.launch.files if launch else ()))) or "run"
    given = {**flags, **({"layout": dict(layout)} if layout else {})}
    apart = {
        field: given.pop(flag)
        for flag, field in (("generators", "count"), ("staleness", "staleness"))
        if flag in given
    }
    if apart:
        given["generation"] = apart
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
    point_beside(data, path.parent, MODELS[1:], LENGTHS[1:])
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
            part = find_accelerator(apart, profiles)
            # By the same name it is the stage's own, in its cluster.
            found.setdefault(apart, in_cluster(part, stage.node_network, None))
    return found
