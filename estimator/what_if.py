"""A shipped programme, or a run, priced again and again while its assumptions are moved.

What does not depend on them is done once; few draws are enough for the eye.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .accelerators import list_accelerators
from .billing import ProgrammeBill
from .draws import Settings, settings
from .errors import RequestError, shown
from .programme import LoadedProgramme, Programme, load_programme, shipped_programmes
from .quantity import Quantity
from .regressions import Regressions
from .run import RunEstimate, RunSpec, estimate_run
from .sensitivity import swings
from .specfile import validate
from .spend import share_of, simulate

SAMPLES = 2048
MOVED = ("mfu", "price")
"""Assumptions of a programme that can be moved."""

BY_HAND = {"by-hand": {"title": "Moved by hand"}}
"""Source of what was moved."""

RUN_FIELDS = ("params", "params_active", "tokens", "count", "mfu", "price", "final_share", "date")
"""Fields of a run that can be given, besides its accelerator."""


@dataclass(frozen=True)
class WhatIf:
    """A shipped programme whose assumptions can be moved.

    Attributes:
        loaded: as it ships.
        regressions: of runs whose FLOP nobody published; made once.
        chosen: draws.
    """

    loaded: LoadedProgramme
    regressions: Regressions
    chosen: Settings

    def assumed(self) -> dict[str, Quantity]:
        """Return the assumptions that can be moved, as they ship."""
        found = {}
        for name in MOVED:
            assumption = getattr(self.loaded.programme.assumptions, name)
            if assumption is not None:
                found[name] = assumption.value
        return found

    def moved(self, given: Mapping[str, str]) -> LoadedProgramme:
        """Return the programme with its assumptions moved.

        Args:
            given: numbers as people write them, ``0.2..0.4``, by the assumption's name.

        Raises:
            RequestError: naming the assumption that is none, or out of its range.
        """
        known = self.assumed()
        data = {**self.loaded.data, "sources": {**self.loaded.data["sources"], **BY_HAND}}
        data["assumptions"] = dict(data["assumptions"])
        for name, value in given.items():
            if name not in known:
                raise RequestError(name, f"is not moved here; allowed: {', '.join(known)}")
            data["assumptions"][name] = {"value": value, "source": "by-hand"}
        try:
            programme = validate(Programme, data, self.loaded.name)
        except RequestError as error:
            raise _of_field(error, given) from None
        return self.loaded._replace(data=data, programme=programme)

    def answer(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return the shares and sums, and how far each assumption moves the share.

        Raises:
            RequestError: as `moved`.
        """
        loaded = self.moved(given) if given else self.loaded
        bill = ProgrammeBill(loaded.programme, self.regressions, self.chosen.device)
        _, sampled = simulate(bill, self.chosen)
        totals = sampled.totals
        return {
            "programme": loaded.name,
            "title": loaded.programme.title,
            "final_share": totals.final_share.to_dict(),
            "final_runs_usd": totals.final_runs_usd.to_dict(),
            "exploration_usd": totals.exploration_usd.to_dict(),
            "rnd_compute_usd": totals.rnd_compute_usd.to_dict(),
            "runs": [
                {"name": each.run.name, "cost_usd": each.cost_usd.to_dict()}
                for each in sampled.runs
            ],
            "swings": [swing.to_dict() for swing in swings(bill.columns, share_of(bill))],
            "samples": self.chosen.samples,
            "seed": self.chosen.seed,
        }


def _of_field(error: RequestError, given: Mapping[str, str]) -> RequestError:
    """Return an error under the name of the field that was moved, where it is one of those."""
    for name in given:
        _, found, problem = str(error).partition(f"assumptions.{name}")
        if found:
            return RequestError(name, problem.partition(": ")[2] or error.problem)
    return error


@lru_cache(maxsize=16)
def what_if(name: str) -> WhatIf:
    """Return a shipped programme to play with.

    Raises:
        RequestError: where no programme that ships has that name; a file is none.
    """
    if name not in shipped_programmes():
        allowed = ", ".join(shipped_programmes())
        raise RequestError("programme", f"got {shown(name)}; allowed: {allowed}")
    loaded, chosen = load_programme(name), settings(SAMPLES, device="cpu")
    return WhatIf(loaded, Regressions(loaded.regression_models(), 0, chosen.device), chosen)


def run_of(given: Mapping[str, str]) -> RunSpec:
    """Return the run that fields describe; only shipped accelerators, and no files.

    Raises:
        RequestError: naming the field that is none, or wrong.
    """
    for name in given:
        if name not in (*RUN_FIELDS, "accelerator"):
            allowed = ", ".join(("accelerator", *RUN_FIELDS))
            raise RequestError(name, f"is not moved here; allowed: {allowed}")
    name = given.get("accelerator", "")
    if name not in accelerators():
        raise RequestError("accelerator", f"got {shown(name)}; allowed: a shipped profile's name")
    try:
        return validate(RunSpec, dict(given), "run", frozenset(given))
    except RequestError as error:
        raise RequestError(
            error.field.removeprefix("--").replace("-", "_"), error.problem
        ) from None


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
