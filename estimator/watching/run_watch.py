"""A watch on a run: fed with each update's tokens, it tells utilisation, dollars and days left."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from computebill.base.errors import RequestError, shown
from computebill.base.specfile import read_text
from computebill.base.writing import replacing
from computebill.kernels.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from computebill.runs.spec import RunSpec

from .done import Done, as_number, passport
from .passport import Basis, Passport, installed
from .sinks import Sink, kept_from_stopping, sink_of
from .subject import read_subject
from .totals import Totals

PREFIX = "computebill/"
"""Of metrics, so that a tool groups them."""


class RunWatch:
    """A run as it trains.

    Args:
        spec: fields of a run (``RunSpec``): a mapping, a TOML file, or nothing. ``count``,
            ``tokens`` and an ``accelerator`` are needed.
        to: where metrics go: a run of Weights & Biases, MLflow, a TensorBoard writer, or a
            function of the metrics and the step; or several.
        every: updates from one report to the next.
        leave_out: first updates of the program, which compile and warm up: they cost money, and
            say nothing of utilisation or of the days that are left.
        keep: a file in which totals are kept from one start of the program to the next.
        profiles: folders of accelerator profiles of one's own.
        clock: seconds, for updates whose time is not given.
        given: fields of a run, which go before those of ``spec``.

    Raises:
        RequestError: naming the field that is wrong or missing.
    """

    def __init__(
        self,
        spec: RunSpec | str | Path | Mapping[str, Any] | None = None,
        *,
        to: Any = (),
        every: int = 10,
        leave_out: int = 5,
        keep: str | Path | None = None,
        profiles: Sequence[Path] = (),
        clock: Callable[[], float] = time.perf_counter,
        **given: Any,
    ) -> None:
        for name, value, least in (("every", every, 1), ("leave_out", leave_out, 0)):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise RequestError(name, f"got {shown(value)}; allowed: {least} or more")
        self.subject = read_subject(spec, given, profiles)
        targets = to if isinstance(to, list | tuple) else (to,)
        self._sinks: list[Sink] = [sink_of(each) for each in targets]
        self._every, self._clock, self._mark = every, clock, clock()
        self._totals = Totals(leave_out)
        self._window = [0.0, 0.0]
        self._speed: float | None = None
        self.tokens_are: Basis = "measured"
        self._keep = None if keep is None else Path(keep)
        if self._keep is not None and self._keep.exists():
            self._totals.go_on(self._kept(self._keep), str(self._keep))
        self._remember = kept_from_stopping(lambda *_: self._write(), "totals could not be kept")
        self._sinks.append(self._remember)

    def step(
        self,
        tokens: float,
        seconds: float | None = None,
        *,
        step: int | None = None,
        other_seconds: float = 0.0,
    ) -> dict[str, float] | None:
        """Add an update, and report where it is time to.

        Args:
            tokens: that all accelerators trained on in it.
            seconds: that it took [s]; since the update before, by the watch's own clock, if not
                given.
            step: its number; the one after the last if not given. One that was already there says
                that the run went back to a checkpoint: what is done again costs, and does not
                count as progress.
            other_seconds: time since the update before that trained nothing: evaluation,
                checkpoints [s].

        Returns:
            Metrics, where they were reported.

        Raises:
            RequestError: naming what is no number above zero.
        """
        tokens = as_number("tokens", tokens, zero=False)
        other_seconds = as_number("other_seconds", other_seconds, zero=True)
        now = self._clock()
        seconds = now - self._mark - other_seconds if seconds is None else seconds
        seconds = as_number("seconds", seconds, zero=False)
        totals = self._totals
        number = totals.counts.last_step + 1 if step is None else _step(step)
        self._mark = now
        steady = totals.add(number, tokens, seconds, other_seconds)
        if steady is not None:
            self._window[0] += steady
            self._window[1] += seconds
        if totals.counts.updates % self._every:
            return None
        metrics = self.metrics()
        for send in self._sinks:
            send(metrics, number)
        return metrics

    def lost(self, seconds: float) -> None:
        """Add time that the cluster was held while nothing trained: a restart, a repair [s]."""
        self._totals.add_lost(as_number("seconds", seconds, zero=True))
        self._mark = self._clock()

    def metrics(self) -> dict[str, float]:
        """Return what is known now, by metric; utilisation is that since the last report.

        Utilisation by convention, tokens a second and accelerator, dollars, kWh and kg CO2e so
        far, accelerator-hours, goodput, tokens, days left and dollars at the end. What is
        uncertain also has ``_p5`` and ``_p95``.
        """
        return {f"{PREFIX}{name}": value for name, value in self._metrics()}

    def _metrics(self) -> Iterator[tuple[str, float]]:
        totals, subject = self._totals, self.subject
        tokens, seconds = self._window
        if seconds:
            self._speed = tokens / seconds / subject.count
            self._window = [0.0, 0.0]
        if self._speed is not None:
            for name, share in subject.shares(self._speed).items():
                yield (name if name == "hfu" else f"mfu_{name}"), share
            yield "tokens_per_second_per_gpu", self._speed
        yield "tokens", totals.counts.tokens
        wall = totals.wall_seconds
        yield "gpu_hours", wall * subject.count / SECONDS_PER_HOUR
        for name, rate in subject.rates.items():
            yield f"{name}_so_far", rate.p50 * wall
            if not rate.is_exact:
                yield f"{name}_so_far_p5", rate.p5 * wall
                yield f"{name}_so_far_p95", rate.p95 * wall
        if totals.goodput is not None:
            yield "goodput", totals.goodput
        yield "restarts", float(totals.counts.restarts)
        yield "stalls", float(totals.counts.stalls)
        left = totals.left(max(0.0, subject.tokens - totals.counts.tokens))
        if left is None:
            return
        yield "days_left", left.p50 / SECONDS_PER_DAY
        if left.p5 is not None and left.p95 is not None:
            yield "days_left_p5", left.p5 / SECONDS_PER_DAY
            yield "days_left_p95", left.p95 / SECONDS_PER_DAY
        if "usd" in subject.rates:
            yield "usd_at_end", subject.rates["usd"].p50 * (wall + left.p50)

    @property
    def updates(self) -> int:
        """Updates so far, those done again included."""
        return self._totals.counts.updates

    def passport(self, *, kwh: float | None = None, name: str | None = None) -> Passport:
        """Return the run's passport as it stands now.

        Args:
            kwh: electricity that a meter measured, of the whole run [kWh].
            name: of the run; its own if not given.

        Raises:
            RequestError: where the meter's figure is no number above zero.
        """
        self._remember({}, 0)
        return passport(self.subject, self._done(), kwh=kwh, name=name)

    def _done(self) -> Done:
        counts = self._totals.counts
        seen = "counted as it trained"
        are_counted = self.tokens_are == "measured"
        speed = None
        if counts.steady_seconds:
            speed = counts.steady_tokens / counts.steady_seconds / self.subject.count
        return Done(
            tokens=counts.tokens,
            tokens_computed=counts.tokens_computed,
            tokens_are=self.tokens_are,
            updates=counts.updates,
            seconds=self._totals.wall_seconds,
            goodput=self._totals.goodput,
            restarts=counts.restarts,
            stalls=counts.stalls,
            speed=speed,
            sources={
                "tokens": seen if are_counted else "updates times the batch as declared",
                "updates": seen,
                "hours": "updates and time between them",
                "goodput": "without stalls, updates done again, and time between updates",
                "restarts": "went back, or anew",
                "stalls": "over 3 times the usual",
            },
            software=installed(),
        )

    def _write(self) -> None:
        if self._keep is None:
            return
        state = {"model": self.subject.params, **self._totals.state()}
        with replacing(self._keep) as temporary:
            temporary.write_text(json.dumps(state), encoding="utf-8")

    def _kept(self, path: Path) -> dict[str, Any]:
        try:
            state = json.loads(read_text(path))
        except ValueError as error:
            if isinstance(error, RequestError):
                raise
            raise RequestError(str(path), f"is not JSON: {error}") from None
        if not isinstance(state, dict) or state.get("model") != self.subject.params:
            raise RequestError(str(path), "is of another run; allowed: a file of this model's")
        return state


def _step(value: object) -> int:
    """Return an update's number.

    Raises:
        RequestError: where it is none.
    """
    found = as_number("step", value, zero=True)
    if not found.is_integer():
        raise RequestError("step", f"got {shown(value)}; allowed: a whole number")
    return int(found)
