"""A programme's final runs against its R&D compute: totals, and the bill of one who follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from computebill.uncertainty.distribution import Distribution
from computebill.uncertainty.draws import Method, Settings, choose_device, settings

from .compiled import CompiledProgramme, Outcome, compile_programme
from .grades import Graded, amount_bounds, graded
from .loading import BY_FLAG, LoadedProgramme, load_programme
from .regressions import Regressions
from .spec import BASE_VARIANT, Programme
from .totals import Chunk, Sampled, Totals, sample

SKIPPED = tuple(step / 20 for step in range(21))
"""Parts of the exploration that a follower skips, for the follower's bill."""

SHOWN_SKIPS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Those of them that stand in a table."""

Progress = Callable[[int], None]
Given = str | Path | Mapping[str, Any] | Programme | LoadedProgramme
"""A programme as a caller names it."""


@dataclass(frozen=True, repr=False)
class SpendTotals:
    """What ``compare_totals`` finds.

    Attributes:
        name: of the programme, as asked for.
        variant: which set of assumptions the figures are under.
        programme: the spec they come from, the variant's changes made.
        totals: final runs, R&D compute, share, exploration.
        follower: the bill of one who skips each part of ``skipped``.
        graded: how far the share can be relied on, and why.
        settings: draws, seed, device.
        changes: what flags changed of the file, as they were given.
        skipped: parts of the exploration that a follower skips.
    """

    name: str
    variant: str
    programme: Programme
    totals: Totals
    follower: tuple[Distribution, ...]
    graded: Graded
    settings: Settings
    changes: tuple[str, ...]
    skipped: tuple[float, ...] = field(default=SKIPPED, kw_only=True)

    @property
    def price_given(self) -> str | None:
        """Price of an hour that a flag put in the file's place; None where the file's holds."""
        price = self.programme.assumptions.price
        return price.value.text if price is not None and price.source == BY_FLAG else None

    @property
    def heading(self) -> str:
        """The variant, and what a flag changed of it."""
        price = () if self.price_given is None else (f"price {self.price_given}",)
        return ", ".join((self.variant, *price, *self.changes))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of what is compared; its keys are a contract."""
        window, releases = self.programme.window.months, self.programme.released_in
        return {
            "programme": self.name,
            "organisation": self.programme.organisation,
            "title": self.programme.title,
            "variant": self.variant,
            "price_given": self.price_given,
            "set": list(self.changes),
            "grade": self.graded.grade,
            "grade_reasons": list(self.graded.reasons),
            "bound": self.graded.bound,
            "bounds": amount_bounds(self.programme),
            "basis": self.programme.basis,
            "unit": self.programme.counted_in.unit,
            "window": {"start": str(window.first_day), "end": str(window.last_day)},
            "releases": {"start": str(releases.first_day), "end": str(releases.last_day)},
            **self.totals.to_dict(),
        }


def compare_totals(
    programme: Given,
    *,
    variant: str = BASE_VARIANT,
    samples: int | None = None,
    seed: int = 0,
    device: str = "auto",
    method: Method = "sobol",
    profiles: Sequence[Path] = (),
    progress: Progress | None = None,
    regressions: Regressions | None = None,
    skipped: tuple[float, ...] = SKIPPED,
) -> SpendTotals:
    """Return a programme's totals and the follower's bill, and nothing else: soon done.

    The figures are those of ``compare_spend``, whose arguments these are, and two more:
    ``regressions``, those of another programme of the same seed, device and published models; and
    ``skipped``, the parts that a follower skips: their bills take most of the time.

    Raises:
        RequestError: naming the field that is wrong.
    """
    chosen = settings(samples, seed, device, method)
    asked = ask(programme, variant, chosen, profiles, regressions)

    def tell(chunk: Chunk) -> None:
        if progress is not None:
            progress(chunk.drawn)

    def rows(outcome: Outcome) -> Tensor:
        return followed(outcome, skipped)

    sampled = sample(asked.compiled, chosen, rows, tell)
    return SpendTotals(**asked.fields(sampled, chosen, skipped))


def shared_regressions(
    loaded: Sequence[LoadedProgramme], seed: int, device: str
) -> dict[str, Regressions]:
    """Return one set of regressions for all programmes that read off the shipped models.

    Args:
        loaded: programmes.
        seed: of the draws.
        device: that they are priced on, as a caller names it.

    Returns:
        The set by the name of each such programme.
    """
    shipped = [each for each in loaded if each.programme.regression_models is None]
    if not shipped:
        return {}
    known = Regressions(shipped[0].regression_models(), seed, choose_device(device))
    return {each.name: known for each in shipped}


class Asked(NamedTuple):
    """A programme as asked for.

    Attributes:
        loaded: its file.
        variant: under the name that people read.
        is_base: whether nothing of the file is changed.
        compiled: with the variant's changes made.
        graded: how far its share can be relied on.
        compile: lays another stage of it out.
    """

    loaded: LoadedProgramme
    variant: str
    is_base: bool
    compiled: CompiledProgramme
    graded: Graded
    compile: Callable[[Programme], CompiledProgramme]

    def fields(
        self, sampled: Sampled, chosen: Settings, skipped: tuple[float, ...] = SKIPPED
    ) -> dict[str, Any]:
        """Return the fields of SpendTotals; the follower's bills come first beside the totals."""
        return {
            "name": self.loaded.name,
            "variant": self.variant,
            "programme": self.compiled.programme,
            "totals": sampled.totals,
            "follower": tuple(sampled.more[: len(skipped)]),
            "skipped": skipped,
            "graded": self.graded,
            "settings": chosen,
            "changes": self.loaded.changes,
        }


def ask(
    programme: Given,
    variant: str,
    chosen: Settings,
    profiles: Sequence[Path],
    regressions: Regressions | None = None,
) -> Asked:
    """Load a programme and lay it out under a variant.

    Raises:
        RequestError: naming the field that is wrong.
    """
    loaded = load_programme(programme)
    if regressions is None:
        regressions = Regressions(loaded.regression_models(), chosen.seed, chosen.device)

    def compiled(spec: Programme) -> CompiledProgramme:
        return compile_programme(spec, regressions, chosen.device, profiles)

    is_base = variant in (BASE_VARIANT, loaded.programme.base_name)
    name = loaded.programme.base_name if is_base else variant
    laid_out = compiled(loaded.stages(variant)[-1][1])
    return Asked(loaded, name, is_base, laid_out, graded(laid_out), compiled)


def followed(outcome: Outcome, skipped: Sequence[float] = SKIPPED) -> Tensor:
    """Bill of one who skips each part of the exploration, ``(parts, draws)``."""
    left = 1 - torch.tensor(skipped, dtype=torch.float64, device=outcome.final.device)[:, None]
    return outcome.final + left * outcome.exploration
