"""What the device in this machine reaches, how far that is from its datasheet, and what it changes.

Named after what it does, not ``bench``: ``computebill.bench`` is the function.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch

from computebill.base.errors import RequestError, shown
from computebill.hardware.accelerators import Accelerator
from computebill.kernels.measure.copies import Traffic, fastest
from computebill.kernels.measure.devices import Conditions, Hardware, describe
from computebill.kernels.measure.matmul import DTYPES
from computebill.kernels.measure.outcome import Skip, attempt
from computebill.kernels.measure.step import TrainingStep

from .check import changes, predicted_and_run
from .detect import choose, datasheet, told
from .models import PREDICTED
from .profile import LEAST_STEPS, fitted_on, measured_profile
from .profile import write_accelerator as write_accelerator
from .result import (
    PRODUCTS,
    QUIET,
    Checked,
    T,
    Timed,
    best_products,
    fastest_probe,
    reached_rates,
    steadiest,
)
from .result import Bench as Bench
from .suite import FULL, PARTS, QUICK, Suite

Progress = Callable[[str, float], None]
"""Takes what was done, and its share of the whole."""

CHECK_SHARE = 0.5
"""Share of the whole time that the check takes."""


def bench(
    *,
    quick: bool = False,
    only: Sequence[str] | None = None,
    dtypes: Sequence[str] | None = None,
    check: bool = False,
    device: str = "auto",
    name: str | None = None,
    profiles: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Bench:
    """Measure a device, and fit the step model's efficiencies to it.

    An interrupt ends it early, with what there is. The device's settings stay as they are.

    Args:
        quick: under a minute instead of a few.
        only: parts, of ``benchmark.suite.PARTS``; all if not given.
        dtypes: dtypes of products: fp32, tf32, bf16, fp16, fp8; all that the device has if not
            given.
        check: also predict training steps that nothing was fitted to, and run them.
        device: auto, cpu, cuda, cuda:1, mps.
        name: name of the measured profile; the datasheet's with ``-measured`` if not given.
        profiles: folders of profiles of one's own, for the datasheet.
        progress: told after each measurement.

    Raises:
        RequestError: naming the part, dtype or device that does not exist.
    """
    parts = _known("only", only, PARTS)
    kinds = None if dtypes is None else _known("dtype", dtypes, tuple(DTYPES))
    if check and "step" not in parts:
        raise RequestError("only", "leaves out step, and a check needs what is fitted to it")
    chosen = choose(device)
    if isinstance(chosen, Skip):
        return _nothing(quick, chosen)
    hardware = attempt("device", lambda: describe(chosen))
    if isinstance(hardware, Skip):
        return _nothing(quick, hardware)
    run = _Run(chosen, hardware, device, quick, check, name, profiles, progress)
    return run.bench(parts, kinds)


def _known(field: str, given: Sequence[str] | None, allowed: Sequence[str]) -> tuple[str, ...]:
    for each in given or ():
        if each not in allowed:
            raise RequestError(field, f"got {shown(each)}; allowed: {', '.join(allowed)}")
    return tuple(allowed) if given is None else tuple(given)


def _nothing(quick: bool, why: Skip) -> Bench:
    return Bench(
        date=dt.date.today(),
        version=version("computebill"),
        budget=(QUICK if quick else FULL).name,
        seconds=0.0,
        is_interrupted=False,
        device=None,
        datasheet=None,
        remarks=(),
        results=(),
        skipped=(why,),
    )


class _Run:
    """One benchmark: what it has found so far."""

    def __init__(
        self,
        device: torch.device,
        hardware: Hardware,
        asked: str,
        quick: bool,
        check: bool,
        name: str | None,
        profiles: Sequence[Path],
        progress: Progress | None,
    ) -> None:
        self._device, self._checks = device, check
        self._budget = QUICK if quick else FULL
        self._hardware = hardware
        self._known = datasheet(self._hardware, profiles)
        self._remarks = told(device, self._hardware, self._known, asked)
        self._name = name or (f"{self._known.name}-measured" if self._known else "measured")
        self._progress = progress or (lambda what, share: None)
        self._results: list[object] = []

    def bench(self, parts: Sequence[str], dtypes: Sequence[str] | None) -> Bench:
        start = time.perf_counter()
        suite = Suite(self._device, self._budget, parts, dtypes)
        part = 1 - CHECK_SHARE if self._checks else 1.0
        is_whole = self._collect(
            (done.what, done.share * part, done.results) for done in suite.run()
        )
        date, own = dt.date.today(), version("computebill")
        self._results = steadiest(self._results)
        profile = self._profile(date, own)
        steps, fit_error = _quiet(_of(self._results, Timed)), None
        if profile is not None:
            fitted = attempt("fit", partial(_fitted, profile, steps, f"computebill bench {date}"))
            if isinstance(fitted, Skip):
                self._results.append(fitted)
            else:
                profile, fit_error = fitted
        if is_whole and self._checks:
            is_whole = self._check(suite, profile, steps)
        precision = PRODUCTS[steps[0].policy] if steps else None
        return Bench(
            date=date,
            version=own,
            budget=self._budget.name,
            seconds=time.perf_counter() - start,
            is_interrupted=not is_whole,
            device=self._hardware,
            datasheet=self._known,
            remarks=self._remarks,
            results=tuple(each for each in self._results if not isinstance(each, (Skip, Checked))),
            skipped=tuple(_of(self._results, Skip)),
            load=next(iter(_of(self._results, Conditions)), None),
            profile=profile,
            fit_error=fit_error,
            changes=()
            if profile is None or fit_error is None or precision is None
            else changes(profile, self._known, precision),
            checks=tuple(_of(self._results, Checked)),
        )

    def _profile(self, date: dt.date, own: str) -> Accelerator | None:
        best, moved = best_products(self._results), fastest(_of(self._results, Traffic))
        reached = reached_rates(self._results)
        slow = [name for name, each in best.items() if each.flop_per_s < reached.get(name, 0.0)]
        for name in slow:
            self._remarks += (
                f"the best {name} product was slower than a whole step: other work was beside it",
            )
        return measured_profile(
            self._name, self._hardware, self._known, best, moved, reached, date, own
        )

    def _check(
        self, suite: Suite, profile: Accelerator | None, steps: Sequence[TrainingStep]
    ) -> bool:
        if profile is None or profile.efficiency is None:
            self._results.append(Skip("check", "nothing was fitted: too little was measured"))
            return True
        share = CHECK_SHARE / len(PREDICTED)
        found = predicted_and_run(profile, PRODUCTS[steps[0].policy], suite.unit(), suite.step)
        return self._collect(("check", share, (each,)) for each in found)

    def _collect(self, done: Iterable[tuple[str, float, Sequence[object]]]) -> bool:
        """Keep what comes; whether it came to its end."""
        try:
            for what, share, results in done:
                self._results.extend(results)
                self._progress(what, share)
        except KeyboardInterrupt:
            return False
        return True


def _fitted(
    profile: Accelerator, steps: Sequence[TrainingStep], title: str
) -> tuple[Accelerator, float | None]:
    found = fitted_on(steps, profile, title)
    if found is None:
        return profile, None
    return profile.model_copy(update={"efficiency": found[0]}), found[1]


def _quiet(timed: Sequence[Timed]) -> list[TrainingStep]:
    """Steps that were measured while the device was at its best; all, where those are too few."""
    least = QUIET * fastest_probe(timed)
    quiet = [each.step for each in timed if each.probe >= least]
    return quiet if len(quiet) >= LEAST_STEPS else [each.step for each in timed]


def _of(results: Iterable[object], kind: type[T]) -> list[T]:
    return [each for each in results if isinstance(each, kind)]
