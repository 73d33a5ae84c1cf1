"""Every organisation that ships side by side, and one of them opened: its rest, its methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from computebill.base.errors import RequestError, shown
from computebill.programmes.comparison import SpendTotals, ask, compare_totals, shared_regressions
from computebill.programmes.exploration import Exploration, split_rest
from computebill.programmes.loading import load_programme, shipped_programmes
from computebill.programmes.multiverse import multiverse
from computebill.programmes.spec import BASE_VARIANT
from computebill.programmes.totals import AMOUNTS
from computebill.uncertainty.draws import settings
from computebill.views.charts import organisations as charts
from computebill.views.charts.spend import unit_of
from computebill.views.exploration import kept_told
from computebill.views.result import amount_of, distribution
from computebill.views.spend import grades, share_told
from computebill.views.text import percent_interval

from .screen import FRACTION, Row, Unit, drawn, figure, group
from .what_if import SAMPLES

Told = dict[str, Any]

GRADES = {"A": "A", "B": "A and B", "C": "A, B and C"}
METHODS = {"none": "not shown", "all": "every combination (takes seconds)"}
BEGIN = {"grade": "B", "opened": "minimax-fy2025", "methods": "none"}
"""What the page begins with."""
LABELS = {
    "final_runs": "Final runs",
    "exploration": "Experiments and all else",
    "rnd_compute": "R&D compute",
}


class Organisations:
    """What the page tells of the programmes that ship, each worked out once and kept.

    All that may be asked comes to a few dozen answers, so that nobody can make it work on and on.
    """

    def __init__(self) -> None:
        loaded = {name: load_programme(name).programme for name in shipped_programmes()}
        order = sorted(loaded, key=lambda name: loaded[name].title)
        self.options: dict[str, dict[str, str]] = {
            "grade": GRADES,
            "opened": {name: f"{loaded[name].title}: {loaded[name].grade}" for name in order},
            "methods": METHODS,
        }
        self._chosen = settings(SAMPLES, device="cpu")
        self._compared = lru_cache(maxsize=None)(self._compare)
        self._opened = lru_cache(maxsize=None)(self._open)
        self._combined = lru_cache(maxsize=None)(self._combine)

    def answer(self, given: Mapping[str, str]) -> Told:
        """Return what is known of all, and of the one that is opened, and how it is shown.

        Args:
            given: ``grade``, ``opened`` and ``methods``, by what the options have.

        Raises:
            RequestError: naming the field that is none, or has another value.
        """
        for name, value in given.items():
            if name not in self.options:
                raise RequestError(name, f"is not chosen here; allowed: {', '.join(self.options)}")
            if value not in self.options[name]:
                allowed = ", ".join(self.options[name])
                raise RequestError(name, f"got {shown(value)}; allowed: {allowed}")
        grade, name, methods = ({**BEGIN, **given}[key] for key in BEGIN)
        several, (one, rest) = self._compared(grade), self._opened(name)
        told = {"programmes": [each.to_dict() for each in several], **one.to_dict()}
        told["exploration"] = rest.to_dict()
        told["multiverse"] = self._combined(name) if methods == "all" else None
        return {**told, "shown": _shown(told, several, one, rest)}

    def _compare(self, grade: str) -> tuple[SpendTotals, ...]:
        loaded = [load_programme(name) for name in shipped_programmes(grade)]
        known = shared_regressions(loaded, self._chosen.seed, self._chosen.device)
        samples, device = self._chosen.samples, self._chosen.device
        return tuple(
            compare_totals(each, samples=samples, device=device, regressions=known.get(each.name))
            for each in loaded
        )

    def _open(self, name: str) -> tuple[SpendTotals, Exploration]:
        samples, device = self._chosen.samples, self._chosen.device
        asked = ask(name, BASE_VARIANT, self._chosen, ())
        found = split_rest(asked.compiled, asked.loaded, self._chosen)
        return compare_totals(asked.loaded, samples=samples, device=device), found

    def _combine(self, name: str) -> Told | None:
        one, _ = self._opened(name)
        if not one.totals.final_share.is_known:
            return None
        return multiverse(load_programme(name)).to_dict()


def _shown(
    told: Told, several: Sequence[SpendTotals], one: SpendTotals, rest: Exploration
) -> dict[str, Any]:
    pictures = [charts.overview(told["programmes"]), charts.rest(told), charts.multiverse(told)]
    share: Row = ("Share of final runs", one.totals.final_share, FRACTION)
    unit, bounds = Unit(*unit_of(told)[:2]), told["bounds"]
    sums = [(LABELS[name], amount_of(told, name), unit) for name in AMOUNTS]
    figures = [figure(*share, told["bound"])]
    figures += [figure(*row, bounds[name]) for name, row in zip(AMOUNTS, sums, strict=True)]
    kinds: list[Row] = [(each.kind, each.share, FRACTION) for each in rest.kinds]
    kinds.append(("unexplained", rest.unexplained_share, FRACTION))
    groups = [
        group("Final share by organisation", [_share_row(each) for each in several]),
        group(f"{one.programme.title}: sums", [share, *sums]),
        group(f"{one.programme.title}: the rest, of R&D compute", kinds),
        group("Median share by choice of method", list(_choices(told["multiverse"]))),
    ]
    return {
        "title": f"{one.programme.title} among {len(several)} programmes",
        "headline": _headline(one, rest),
        "notes": _notes(told, several, one, rest),
        "figures": figures,
        "charts": drawn(pictures),
        "table": [each for each in groups if each["rows"]],
        "fields": {},
    }


def _share_row(each: SpendTotals) -> Row:
    return each.programme.title, each.totals.final_share, FRACTION


def _choices(found: Told | None) -> list[Row]:
    """Return the medians with each option, as rows of a table."""
    if found is None:
        return []
    return [
        (
            f"{axis['axis']}: {option['option']}",
            distribution({**option["median_share"], "mean": option["median_share"]["p50"]}),
            FRACTION,
        )
        for axis in found["axes"]
        for option in axis["options"]
    ]


def _headline(one: SpendTotals, rest: Exploration) -> str:
    who = one.programme.title
    if not one.totals.final_share.is_known:
        return f"{who}: no final run has a published size, so that the share cannot be told."
    took = f"{who}: final runs took {share_told(one)} of R&D compute"
    if not rest.unexplained_share.is_known:
        return f"{took}."
    left = percent_interval(rest.unexplained_share)
    return f"{took}; of {left} nothing public says what it went to."


def _notes(
    told: Told, several: Sequence[SpendTotals], one: SpendTotals, rest: Exploration
) -> list[str]:
    first, *_ = one.graded.reasons
    notes = [f"Grade {one.graded.grade}: {first}.", kept_told(rest), grades(several).strip()]
    found = told["multiverse"]
    if found is not None:
        medians = distribution({**found["median_share"], "mean": found["median_share"]["p50"]})
        notes.append(
            f"Under {found['specifications']:,} combinations of methods the median share is "
            f"{percent_interval(medians)}."
        )
    return notes
