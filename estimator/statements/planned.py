"""Before the run: which thresholds it will cross, with which odds, and what moves it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from computebill.base.assumptions import Assumption
from computebill.base.errors import RequestError
from computebill.base.notebook import Shown
from computebill.base.quantity import Quantity, scaled
from computebill.base.specfile import read_toml, validate
from computebill.kernels.flop import BACKWARD_FLOP_PER_PARAMETER, FORWARD_FLOP_PER_PARAMETER
from computebill.planning.spec import PlanSpec, read_plan
from computebill.regulation.thresholds import Mark, marks
from computebill.uncertainty.distribution import Distribution

from .estimate import MAIN, Statement, state
from .spec import StatedStage, StatementSpec, read_statement

if TYPE_CHECKING:
    import pandas as pd

UPDATE = FORWARD_FLOP_PER_PARAMETER + BACKWARD_FLOP_PER_PARAMETER

MOVE_DRAWS = 2**12
"""Draws of a change: its odds are told with two figures."""

SYNTHETIC = 0.1
"""Tokens of made data in a change, of those trained on, where nobody says how many."""


class Reach(NamedTuple):
    """How much of one thing alone brings the total to a threshold, all else at its median.

    Attributes:
        mark: the threshold.
        tokens: tokens of the largest stage.
        params: parameters of the model that a token meets.
        made: tokens that the model writes as training data; None where it is crossed already.
    """

    mark: Mark
    tokens: float | None
    params: float | None
    made: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.mark.name,
            "value": self.mark.value,
            "tokens": self.tokens,
            "params": self.params,
            "synthetic_tokens": self.made,
        }


@dataclass(frozen=True)
class Move:
    """A change, and the total after it.

    Attributes:
        name: what is changed.
        after: the statement after it.
    """

    name: str
    after: Statement

    def to_dict(self, rule_set: str) -> dict[str, Any]:
        """Return the JSON form of a rule set's total."""
        told = self.after.total(rule_set).total.to_dict()
        return {"name": self.name, **told}


@dataclass(frozen=True, repr=False)
class Watch(Shown):
    """What ``watch`` finds.

    Attributes:
        statement: the run as planned, stated as if it were made.
        rule_set: rule set whose total is moved.
        reaches: what brings it to each threshold.
        moves: changes, one at a time.
    """

    statement: Statement
    rule_set: str
    reaches: tuple[Reach, ...]
    moves: tuple[Move, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: that of a statement, and what moves it."""
        return {
            **self.statement.to_dict(),
            "planned": {
                "rule_set": self.rule_set,
                "reaches": [each.to_dict() for each in self.reaches],
                "moves": [each.to_dict(self.rule_set) for each in self.moves],
            },
        }

    def to_frame(self) -> pd.DataFrame:
        """Return one row a change: the total after it, and the odds of exceeding thresholds."""
        import pandas as pd

        rows = []
        for each in self.moves:
            total = each.after.total(self.rule_set).total
            odds = {f"odds_above_{held.mark.text}": held.odds for held in total.held}
            rows.append({"change": each.name, "flop_p50": total.flop.p50, **odds})
        return pd.DataFrame(rows)


def watch(
    plan: PlanSpec | StatementSpec | str | Path | Mapping[str, Any],
    *,
    start: dt.date | None = None,
    synthetic: Quantity | None = None,
    rules: Sequence[str | Path] = (),
    **sampling: Any,
) -> Watch:
    """Tell before a run which thresholds it will cross, and what moves it.

    Args:
        plan: a plan, or a statement of what is planned; a spec, a mapping or a TOML file.
        start: day on which a plan's run begins: its length is then searched for.
        synthetic: tokens of training data that the model of a plan writes itself.
        rules: rule sets by name, or files of one's own; none: all that ship.
        **sampling: samples, seed, device, method and profiles, as of ``state``.

    Raises:
        RequestError: naming the field that is wrong.
    """
    spec, told = _planned(plan, start, synthetic, sampling.get("profiles", ()))
    found = state(spec, rules=rules, **sampling)
    found = replace(found, assumptions=(*found.assumptions, *told))
    names = [each.name for each in found.rules]
    rule_set = MAIN if MAIN in names else names[0]
    brief = {**sampling, "samples": min(MOVE_DRAWS, found.settings.samples)}
    moves = [Move(name, state(each, rules=rules, **brief)) for name, each in _changes(spec, found)]
    return Watch(found, rule_set, tuple(_reaches(found, rule_set)), tuple(moves))


def _planned(
    plan: PlanSpec | StatementSpec | str | Path | Mapping[str, Any],
    start: dt.date | None,
    synthetic: Quantity | None,
    profiles: Sequence[Path],
) -> tuple[StatementSpec, list[Assumption]]:
    """Return what is planned as a statement, and what was assumed for it."""
    is_stated = isinstance(plan, StatementSpec) or "stage" in (
        plan if isinstance(plan, Mapping) else _keys(plan)
    )
    if not is_stated:
        return _of_plan(read_plan(plan), start, synthetic, profiles)  # type: ignore[arg-type]
    for name, given in (("start", start), ("synthetic", synthetic)):
        if given is not None:
            raise RequestError(name, "is of a plan; a statement's stages have start, or generate")
    return read_statement(plan), []  # type: ignore[arg-type]


def _keys(plan: object) -> frozenset[str]:
    return frozenset(read_toml(Path(plan))) if isinstance(plan, str | Path) else frozenset()


def _of_plan(
    asked: PlanSpec, start: dt.date | None, synthetic: Quantity | None, profiles: Sequence[Path]
) -> tuple[StatementSpec, list[Assumption]]:
    """Return a plan's run as a statement of one stage, and of the data made for it."""
    from computebill.architectures import read_architecture
    from computebill.architectures.columns import columns
    from computebill.architectures.counting import count_parameters

    architecture = read_architecture(
        asked.model, part=asked.part, images_per_sample=asked.images_per_sample
    )
    counts = count_parameters(columns(architecture))
    stage: dict[str, Any] = {"name": "pretraining", "tokens": asked.tokens, "source": "the plan"}
    told: list[Assumption] = []
    if start is not None:
        stage |= _searched(asked, start, profiles)
    stages = [stage]
    if synthetic is not None:
        made = {"name": "data made by the model", "kind": "generate", "tokens": synthetic}
        stages.append(made)
    sizes = {"params": float(counts.total), "params_active": float(counts.active)}
    model = {"name": asked.name, "architecture": architecture.model_type, **sizes}
    if asked.sequence_length is not None:
        model["context"] = asked.sequence_length
    told.append(Assumption("parameters", f"{float(counts.total):,.0f}", f"counted: {asked.model}"))
    return validate(StatementSpec, {"model": model, "stage": stages}, "plan"), told


def _searched(asked: PlanSpec, start: dt.date, profiles: Sequence[Path]) -> dict[str, Any]:
    """Return the days of a plan's run on its best layout, with their interval."""
    from computebill.planning.search import plan

    best = plan(asked, profiles=profiles).estimate
    return {
        "start": start,
        "days": _as_given(best.rows["days"]),
        "accelerator": best.accelerator.name,
        "mfu": _as_given(best.rows["mfu"]),
        "source": "the plan; days and mfu on its best layout, see `computebill plan`",
    }


def _as_given(found: Distribution) -> dict[str, float] | float:
    """Return a distribution as a user would give it, by its quantiles."""
    quantiles = {"p5": found.p5, "p50": found.p50, "p95": found.p95}
    return quantiles if found.p5 < found.p95 else found.p50


def _largest(found: Statement) -> int | None:
    """Return the place of the stage whose tokens take most; None where no stage tells tokens."""
    takes = {
        place: told.architecture.p50
        for place, (stage, told) in enumerate(zip(found.spec.stage, found.methods, strict=True))
        if stage.tokens is not None and stage.updates and told.architecture.is_known
    }
    return max(takes, key=lambda place: takes[place]) if takes else None


def _size(stage: StatedStage) -> Quantity | None:
    return stage.params_active or stage.params


def _reaches(found: Statement, rule_set: str) -> Iterator[Reach]:
    """Yield what brings a total to each threshold, all else at its median."""
    total, place = found.total(rule_set).total.flop.p50, _largest(found)
    stage = None if place is None else found.spec.stage[place]
    size = None if stage is None else _size(stage)
    if stage is None or stage.tokens is None or size is None:
        yield from (Reach(mark, None, None, None) for mark in marks())
        return
    active = size.median
    each = UPDATE * active * (1.0 if stage.epochs is None else stage.epochs.median)
    rest = total - each * stage.tokens.median
    own = sum(
        told.architecture.p50
        for other, told in zip(found.spec.stage, found.methods, strict=True)
        if _size(other) == size and told.architecture.is_known and other.fate == "used"
    )
    for mark in marks():
        tokens, left = (mark.value - rest) / each, mark.value - total
        fixed = total - own
        yield Reach(
            mark,
            tokens if tokens > 0 else None,
            active * (mark.value - fixed) / own if own > 0 and mark.value > fixed else None,
            left / (FORWARD_FLOP_PER_PARAMETER * active) if left > 0 else None,
        )


def _changes(spec: StatementSpec, found: Statement) -> Iterator[tuple[str, StatementSpec]]:
    """Yield statements that differ in one thing, each with its name."""
    place = _largest(found)
    if place is None:
        return
    main = spec.stage[place]
    size = _size(main)
    for factor, word in ((0.5, "half"), (2.0, "twice")):
        tokens = {"tokens": scaled(main.tokens, factor)} if main.tokens else {}
        yield f"{word} the tokens of {main.label}", _with(spec, {place: tokens})
    for factor, word in ((0.5, "half"), (2.0, "twice")):
        same = {
            at: _scaled(each, factor) for at, each in enumerate(spec.stage) if _size(each) == size
        }
        yield f"{word} the parameters", _with(spec, same)
    if size is not None and main.tokens is not None:
        yield from _with_data(spec, main.tokens.median * SYNTHETIC, size)


def _scaled(stage: StatedStage, factor: float) -> dict[str, Any]:
    sizes = {name: getattr(stage, name) for name in ("params", "params_active")}
    return {name: scaled(each, factor) for name, each in sizes.items() if each is not None}


def _with(spec: StatementSpec, changes: Mapping[int, Mapping[str, Any]]) -> StatementSpec:
    stages = tuple(
        stage.model_copy(update=dict(changes.get(place, {})))
        for place, stage in enumerate(spec.stage)
    )
    return spec.model_copy(update={"stage": stages})


def _with_data(
    spec: StatementSpec, tokens: float, size: Quantity
) -> Iterator[tuple[str, StatementSpec]]:
    """Yield a statement with data that its model writes: all kept, most discarded, or public."""
    base = {"kind": "generate", "params": size, "tokens": tokens}
    share = f"{SYNTHETIC:.0%} as many tokens written by the model"
    for name, more in (
        (f"{share}, all kept", {}),
        (f"{share}, one in ten kept", {"kept_share": 0.1}),
        (f"{share}, all public", {"public": True}),
    ):
        made = validate(StatedStage, {"name": name, **base, **more}, "data")
        yield name, spec.model_copy(update={"stage": (*spec.stage, made)})
