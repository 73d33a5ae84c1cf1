"""A programme, or a run, priced again and again while its assumptions are moved.

What does not depend on them is done once; few draws are enough for the eye.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import torch

from computebill.base.errors import RequestError, shown
from computebill.base.quantity import Positive, Quantity, Share
from computebill.base.specfile import Spec, validate
from computebill.hardware.accelerators import list_accelerators
from computebill.programmes.bases import DOLLARS
from computebill.programmes.compiled import compile_programme
from computebill.programmes.loading import PUBLISHED, LoadedProgramme, load_programme
from computebill.programmes.regressions import Regressions
from computebill.programmes.spec import Programme, Run
from computebill.programmes.spend import SpendEstimate, compare_spend, share_swings
from computebill.programmes.totals import Totals, sample
from computebill.runs.estimate import RunEstimate, estimate_run
from computebill.runs.spec import RunSpec
from computebill.sweep.spec import shipped_sweeps, sweep_data
from computebill.uncertainty.distribution import Distribution
from computebill.uncertainty.draws import Settings, settings
from computebill.uncertainty.sensitivity import Swing

SAMPLES = 2**12
"""Draws of an answer: as many as let fifty people move sliders on two cores and not wait."""

MOVED_BY_HAND = "moved by hand"
SOURCE = {"by-hand": {"title": "Moved by hand"}}
"""Source of what was moved."""

RUN_FIELDS = ("params", "params_active", "tokens", "count", "mfu", "price", "final_share", "date")
"""Fields of a run that can be given, besides its accelerator."""

FRACTIONS = ("mfu", "final_share")
"""Fields that are shares: no other is given in percent."""

S = TypeVar("S", bound=Spec)


class Moves(Spec):
    """What of a programme can be moved.

    Attributes:
        mfu: utilisation of all runs that do not state their own.
        price: USD per accelerator-hour.
        rnd_compute: R&D compute of the window in USD, in place of what was reported.
    """

    mfu: Share | None = None
    price: Positive | None = None
    rnd_compute: Positive | None = None


@dataclass(frozen=True)
class SpendAnswer:
    """Shares and sums of a programme whose assumptions are moved.

    Attributes:
        loaded: with what was moved.
        totals: its sums.
        runs: each run, whether it counts, and what it costs.
        swings: how far each assumption moves the share.
        chosen: draws.
    """

    loaded: LoadedProgramme
    totals: Totals
    runs: tuple[tuple[Run, bool, Distribution], ...]
    swings: tuple[Swing, ...]
    chosen: Settings

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "programme": self.loaded.name,
            "title": self.loaded.programme.title,
            "variant": self.loaded.programme.base_name,
            **self.totals.to_dict(),
            "runs": [
                {"name": run.name, "counted": is_counted, "cost_usd": cost.to_dict()}
                for run, is_counted, cost in self.runs
            ],
            "swings": [swing.to_dict() for swing in self.swings],
            "samples": self.chosen.samples,
            "seed": self.chosen.seed,
        }


@dataclass(frozen=True)
class WhatIf:
    """A programme whose assumptions can be moved.

    Attributes:
        loaded: as its file has it.
        regressions: of runs whose FLOP nobody published; made once.
        chosen: draws.
        is_shipped: whether it is known by its name alone.
    """

    loaded: LoadedProgramme
    regressions: Regressions
    chosen: Settings
    is_shipped: bool = True

    def assumed(self) -> dict[str, Quantity]:
        """Return the assumptions that can be moved, as the file has them."""
        assumptions = self.loaded.programme.assumptions
        found = {name: getattr(assumptions, name) for name in ("mfu", "price")}
        return {name: each.value for name, each in found.items() if each is not None}

    def reported(self) -> tuple[float, float, float]:
        """Return the 10th, 50th and 90th percentile of R&D compute as the file has it, in USD."""
        compiled = compile_programme(self.loaded.programme, self.regressions, self.chosen.device)
        drawn = [
            compiled.evaluate(points, replicate).rnd.expand(points.shape[1])
            for replicate, points in compiled.columns.chunks(self.chosen)
        ]
        at = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
        low, middle, high = torch.quantile(torch.cat(drawn), at).tolist()
        return low, middle, high

    def movable(self) -> tuple[str, ...]:
        """Return the names of what can be moved."""
        return (*self.assumed(), "rnd_compute")

    def moved(self, given: Mapping[str, str]) -> LoadedProgramme:
        """Return the programme with its assumptions moved, and no other variants.

        Args:
            given: numbers as people write them, ``0.2..0.4``, by the assumption's name.

        Raises:
            RequestError: naming the assumption that is none, or out of its range.
        """
        if not given:
            return self.loaded
        known = self.movable()
        for name in given:
            if name not in known:
                raise RequestError(name, f"is not moved here; allowed: {', '.join(known)}")
        _validated(Moves, given)
        # A variant starts from the published assumptions; from others it may not even hold.
        data = {
            **{key: value for key, value in self.loaded.data.items() if key != "variants"},
            "base_name": MOVED_BY_HAND,
            "sources": {**self.loaded.data["sources"], **SOURCE},
            "assumptions": dict(self.loaded.data.get("assumptions", {})),
        }
        for name, value in given.items():
            if name == "rnd_compute":
                data = _reporting(data, value)
            else:
                data["assumptions"][name] = {"value": value, "source": "by-hand"}
        programme = validate(Programme, data, self.loaded.name)
        return self.loaded._replace(data=data, programme=programme)

    def answer(self, given: Mapping[str, str]) -> SpendAnswer:
        """Return the shares and sums, and how far each assumption moves the share.

        Raises:
            RequestError: as `moved`.
        """
        loaded = self.moved(given)
        compiled = compile_programme(loaded.programme, self.regressions, self.chosen.device)
        found = sample(compiled, self.chosen, lambda outcome: outcome.bill.usd)
        runs = tuple(zip(loaded.programme.runs, compiled.counted, found.more, strict=True))
        moving = tuple(share_swings(compiled))
        return SpendAnswer(loaded, found.totals, runs, moving, self.chosen)

    def file(self, given: Mapping[str, str]) -> LoadedProgramme:
        """Return what the command takes: as moved, without scenarios where nothing is left to them.

        Raises:
            RequestError: as `moved`.
        """
        loaded = self.moved(given)
        if not given or self._totals(loaded).excess < 1:
            return loaded
        data = {key: value for key, value in loaded.data.items() if key != "scenarios"}
        return loaded._replace(data=data, programme=validate(Programme, data, loaded.name))

    def _totals(self, loaded: LoadedProgramme) -> Totals:
        compiled = compile_programme(loaded.programme, self.regressions, self.chosen.device)
        return sample(compiled, self.chosen).totals

    def estimate(self, given: Mapping[str, str]) -> SpendEstimate:
        """Return the whole result, of the same draws as the answer.

        Raises:
            RequestError: as `moved`.
        """
        return compare_spend(self.file(given), samples=self.chosen.samples, device="cpu")


def _reporting(data: Mapping[str, Any], value: str) -> dict[str, Any]:
    """Return a programme's data with one reported item of R&D compute, of another amount."""
    kept = [item for item in data["reported"] if item["counts_as"] != "rnd_compute"]
    window = data["window"]
    ends = dict.fromkeys((str(window["first"]), str(window["last"])))
    item = {
        "item": "R&D compute, moved by hand",
        "counts_as": "rnd_compute",
        "currency": "USD",
        "source": "by-hand",
        "periods": [{"period": "..".join(ends), "amount": value}],
    }
    used = {each.get("currency") for each in kept}
    rates = {code: rate for code, rate in data.get("currencies", {}).items() if code in used}
    return {**data, "reported": [item, *kept], "currencies": rates}


def _validated(model: type[S], given: Mapping[str, str]) -> S:
    """Validate fields; what is wrong is told by the field's own name."""
    for name, value in given.items():
        if "%" in value and name not in FRACTIONS:
            raise RequestError(name, f"got {shown(value)}; allowed: a number that is no percentage")
    try:
        return validate(model, given, "run", frozenset(given))
    except RequestError as error:
        field, problem = error.field.removeprefix("--").replace("-", "_"), error.problem
        name, _, rest = problem.partition(": ")
        if field not in given and name in model.model_fields:
            field, problem = name, rest
        raise RequestError(field, problem) from None


def programmes(files: Sequence[str | Path] = ()) -> dict[str, WhatIf]:
    """Return the programmes to play with, by name: one's own, then those that were published.

    Args:
        files: programmes of one's own; read now, and never again.

    Raises:
        RequestError: naming the file that cannot be read, or has the name of another.
    """
    chosen = settings(SAMPLES, device="cpu")
    found: dict[str, WhatIf] = {}
    sources: list[str | Path] = [*map(Path, files), *PUBLISHED]
    for source in sources:
        loaded = _alone(load_programme(source))
        if loaded.programme.basis != DOLLARS.name:
            raise RequestError(
                f"{source}: basis", f"got {loaded.programme.basis}; allowed: dollars, on this page"
            )
        if loaded.name in found:
            known = found[loaded.name].loaded.folder or Path()
            raise RequestError(
                str(known / f"{loaded.name}.toml"),
                f"has the name of another programme, {loaded.name}; allowed: one of its own",
            )
        regressions = Regressions(loaded.regression_models(), 0, chosen.device)
        found[loaded.name] = WhatIf(loaded, regressions, chosen, isinstance(source, str))
    return found


def _alone(loaded: LoadedProgramme) -> LoadedProgramme:
    """Return a programme that holds wherever its file is written: sweeps in it, paths absolute.

    Raises:
        RequestError: naming the scenario whose sweep cannot be read.
    """
    if loaded.folder is None:
        return loaded
    folder, data = loaded.folder.resolve(), dict(loaded.data)
    if loaded.programme.regression_models is not None:
        data["regression_models"] = str(folder / loaded.programme.regression_models)
    if loaded.programme.scenarios:
        data["scenarios"] = [
            {**each, "sweep": _sweep_alone(each["sweep"], folder, i)}
            for i, each in enumerate(data["scenarios"])
        ]
    return loaded._replace(data=data, programme=validate(Programme, data, loaded.name))


def _sweep_alone(sweep: str | dict[str, Any], folder: Path, i: int) -> str | dict[str, Any]:
    if not isinstance(sweep, str) or sweep in shipped_sweeps():
        return sweep
    try:
        return sweep_data(folder / sweep)
    except RequestError as error:
        raise error.within(f"scenarios[{i}].sweep") from None


def run_of(given: Mapping[str, str]) -> RunSpec:
    """Return the run that fields describe; only shipped accelerators, and no files.

    Raises:
        RequestError: naming the field that is none, missing, or wrong.
    """
    for name in given:
        if name not in (*RUN_FIELDS, "accelerator"):
            allowed = ", ".join(("accelerator", *RUN_FIELDS))
            raise RequestError(name, f"is not moved here; allowed: {allowed}")
    name = given.get("accelerator", "")
    if name not in accelerators():
        raise RequestError("accelerator", f"got {shown(name)}; allowed: a shipped profile's name")
    if "params" not in given and "params_active" not in given:
        raise RequestError("params", "is missing; allowed: a number, 70B")
    if "tokens" not in given:
        raise RequestError("tokens", "is missing; allowed: a number, 15T")
    return _validated(RunSpec, given)


def estimate_of(given: Mapping[str, str], samples: int = SAMPLES) -> RunEstimate:
    """Return what a run takes and costs.

    Raises:
        RequestError: as `run_of`.
    """
    return estimate_run(run_of(given), samples=samples, device="cpu")


@lru_cache(maxsize=1)
def accelerators() -> dict[str, str]:
    """Return the titles of accelerators that ship, by name."""
    return {each.name: each.title for each in list_accelerators()}
