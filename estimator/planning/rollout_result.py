"""What a search of splits finds: who writes, who trains, what each waits for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from computebill.base.assumptions import Assumption
from computebill.base.notebook import Shown
from computebill.hardware.accelerators import Accelerator
from computebill.runs.staged import StagedEstimate
from computebill.training.memory_odds import fit_odds
from computebill.training.serving import Copy
from computebill.training.utilisation import Fastest

from .rollout_spec import RolloutSpec

if TYPE_CHECKING:
    import pandas as pd

FIGURES = ("days", "gpu_hours", "cost_usd", "energy_mwh")
"""What a split takes, at the median."""

DECIDED = frozenset(("accelerator", "count", "generation", "fit odds"))
"""What a plan gives its stage, as assumptions name it: no source of the stage's tells it."""


class Split(NamedTuple):
    """Who does what.

    Attributes:
        trainer: name of the accelerator that trains, as the plan spells it.
        trainers: how many train.
        writer: name of the accelerator that writes; the same where they take turns.
        generators: how many write apart; 0 where the same accelerators take turns.
    """

    trainer: str
    trainers: int
    writer: str
    generators: int

    @property
    def is_shared(self) -> bool:
        """Whether the same accelerators write and train in turn."""
        return self.generators == 0

    @property
    def cluster(self) -> tuple[str, str, int]:
        """Accelerators of both roles, and how many there are of them."""
        return self.trainer, self.writer, self.trainers + self.generators

    @property
    def text(self) -> str:
        """Who does what, in words."""
        if self.is_shared:
            return f"{self.trainers:,} x {self.trainer} in turn"
        return (
            f"{self.generators:,} x {self.writer} write, {self.trainers:,} x {self.trainer} train"
        )


@dataclass(frozen=True)
class Divided:
    """A split, with what the stage takes on it at medians.

    Attributes:
        split: who does what.
        days: of the stage.
        gpu_hours: of both roles.
        cost_usd: of renting both; NaN where no price is known.
        energy_mwh: of both; NaN where a part's power is not known.
        step_seconds: of a step, waiting included [s].
        train_seconds: of it, in which trainers are busy [s].
        write_seconds: of it, in which generators are busy [s].
        days_by_answer: days at the 5th, 50th and 95th percentile of the mean answer.
        trainer: the part that trains.
        writer: the part that writes.
        layout: of training; None where it was not looked for, or a utilisation was given.
        copy: of the model that writes; None where it was not looked for, or a speed was given.
    """

    split: Split
    days: float
    gpu_hours: float
    cost_usd: float
    energy_mwh: float
    step_seconds: float
    train_seconds: float
    write_seconds: float
    days_by_answer: tuple[float, ...]
    trainer: Accelerator
    writer: Accelerator
    layout: Fastest | None = None
    copy: Copy | None = None

    def figure(self, key: str) -> float:
        """Return a figure by its name in ``FIGURES``."""
        return float(getattr(self, key))

    @property
    def train_idle(self) -> float:
        """Share of the time in which trainers wait; of those that take turns, for nothing else."""
        return self._idle(self.train_seconds)

    @property
    def write_idle(self) -> float:
        """Share of the time in which generators wait."""
        return self._idle(self.write_seconds)

    def _idle(self, busy: float) -> float:
        if self.split.is_shared:
            busy = self.train_seconds + self.write_seconds
        return max(0.0, 1.0 - busy / self.step_seconds)

    @property
    def waiting(self) -> str:
        """Which role waits for the other: train, write or neither."""
        if self.split.is_shared or max(self.train_idle, self.write_idle) < 0.005:
            return "neither"
        return "train" if self.train_idle > self.write_idle else "write"

    def with_memory(self, layout: Fastest | None, copy: Copy | None) -> Divided:
        """Return it with the layouts of both roles."""
        return replace(self, layout=layout, copy=copy)

    def scaled(self, time: float, cost: float, energy: float) -> Divided:
        """Return it with all times, the rent and the energy times as much each."""
        return replace(
            self,
            days=self.days * time,
            gpu_hours=self.gpu_hours * time,
            cost_usd=self.cost_usd * cost,
            energy_mwh=self.energy_mwh * energy,
            step_seconds=self.step_seconds * time,
            train_seconds=self.train_seconds * time,
            write_seconds=self.write_seconds * time,
            days_by_answer=tuple(each * time for each in self.days_by_answer),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; what is not known is null."""
        split, layout, copy = self.split, self.layout, self.copy
        trains = {
            "accelerator": self.trainer.name,
            "count": split.trainers,
            "layout": None if layout is None else layout.layout.to_dict(),
            **_memory(None if layout is None else layout.memory_gb, self.trainer),
            "busy_seconds": self.train_seconds,
            "idle_share": self.train_idle,
        }
        writes = {
            "accelerator": self.writer.name,
            "count": split.generators or split.trainers,
            "copies": None if copy is None else _known(copy.copies),
            "tensor_parallel": None if copy is None else copy.ranks,
            "sequences_at_once": None if copy is None else copy.batch,
            "memory_gb": None if copy is None else copy.memory_gb,
            "accelerator_memory_gb": self.writer.memory_gb.value,
            "busy_seconds": self.write_seconds,
            "idle_share": self.write_idle,
        }
        return {
            "train": trains,
            "generate": writes,
            "in_turn": split.is_shared,
            "waiting": self.waiting,
            "step_seconds": self.step_seconds,
            **{key: _known(self.figure(key)) for key in FIGURES},
            "days_by_answer": [_known(each) for each in self.days_by_answer],
        }


def _memory(gb: float | None, part: Accelerator) -> dict[str, float | None]:
    room = part.memory_gb.value
    odds = None if gb is None else fit_odds(gb, room)
    return {"memory_gb": gb, "fit_odds": odds, "accelerator_memory_gb": room}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


class Answered(NamedTuple):
    """What another mean answer changes.

    Attributes:
        tokens: mean tokens of an answer.
        best: the best split there.
        chosen_days: of the split that is best at the median.
        best_days: of the best one there.
    """

    tokens: float
    best: Split
    chosen_days: float
    best_days: float


@dataclass(frozen=True, repr=False)
class RolloutPlan(Shown):
    """What ``plan_rollouts`` finds.

    Attributes:
        spec: what was asked.
        best: by the objective, under all limits.
        estimate: of the best, with intervals, as ``run`` has it.
        runners_up: the next best.
        front: that nothing else beats in days and cost, by days.
        shared: the best where the same accelerators write and train in turn; None if not tried.
        given: the split that the stage has itself, and its rank by the objective; None without.
        answers: what a shorter and a longer mean answer change.
        curve: splits of the best one's accelerators, by how many write.
        tried: splits that were timed.
        dropped: reasons why others were not, and how many each left out.
        moved_seconds: of a step, in which weights reach the servers [s]; NaN if not known.
        search_seconds: that the search took.
        told: what the search took without being told.
    """

    spec: RolloutSpec
    best: Divided
    estimate: StagedEstimate
    runners_up: tuple[Divided, ...]
    front: tuple[Divided, ...]
    shared: Divided | None
    given: tuple[Divided, int] | None
    answers: tuple[Answered, ...]
    curve: tuple[Divided, ...]
    tried: int
    dropped: Mapping[str, int]
    moved_seconds: float
    search_seconds: float
    told: tuple[Assumption, ...]

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Every number that went in, with its source."""
        own = (each for each in self.estimate.assumptions if each.name not in DECIDED)
        found = f"the best of {self.tried:,} splits"
        return (*own, Assumption("split", self.best.split.text, found), *self.told)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract."""
        rows, whole = self.estimate.rows, self.estimate.to_dict()
        priced = {key: whole[key] for key in FIGURES}
        scale = self.best.step_seconds / self.best.days
        steps = rows["days"].scaled(scale).to_dict() if rows["days"].is_known else None
        given = None
        if self.given is not None:
            given = {**self.given[0].to_dict(), "rank": self.given[1]}
        return {
            "name": self.spec.name,
            "objective": self.spec.objective,
            "stage": self.spec.stage.label,
            "staleness": self.spec.staleness,
            "best": {**self.best.to_dict(), **priced, "step_seconds": steps},
            "runners_up": [each.to_dict() for each in self.runners_up],
            "pareto": [each.to_dict() for each in self.front],
            "in_turn": None if self.shared is None else self.shared.to_dict(),
            "given": given,
            "answer_lengths": [
                {**each._asdict(), "best": each.best._asdict()} for each in self.answers
            ],
            "curve": [
                {
                    "generators": each.split.generators,
                    "trainers": each.split.trainers,
                    "days": each.days,
                    "days_by_answer": list(each.days_by_answer),
                    "cost_usd": _known(each.cost_usd),
                }
                for each in self.curve
            ],
            "splits_tried": self.tried,
            "splits_left_out": [
                {"reason": reason, "count": count} for reason, count in self.dropped.items()
            ],
            "moved_seconds": _known(self.moved_seconds),
            "search_seconds": self.search_seconds,
            "notes": whole["notes"],
            "assumptions": [each.to_dict() for each in self.assumptions],
            "samples": whole["samples"],
            "seed": whole["seed"],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return one row a split: the best, the next, the front, and that of one pool."""
        import pandas as pd

        groups = [("best", [self.best]), ("runner-up", self.runners_up), ("front", self.front)]
        groups.append(("in turn", [] if self.shared is None else [self.shared]))
        rows = [
            {
                "role": role,
                **each.split._asdict(),
                **{key: each.figure(key) for key in FIGURES},
                "step_seconds": each.step_seconds,
                "train_idle": each.train_idle,
                "write_idle": each.write_idle,
            }
            for role, group in groups
            for each in group
        ]
        return pd.DataFrame(rows)
