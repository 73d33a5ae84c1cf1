"""Programme files: an organisation's reported spend, its final runs, and what was assumed.

The schema below is the whole format; ``programmes/*.toml`` are worked examples of it.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from computebill.base.amounts import Parameters, Tokens
from computebill.base.errors import shown
from computebill.base.quantity import NotNegative, Positive, Share
from computebill.base.specfile import Name, SourceNote, Spec

from .bases import BASES, DOLLARS, HOURS, Basis, BasisName, Mark
from .lines import Currency, ReportedItem, Window
from .periods import Months, check_sum, parse_period
from .stated import StatedPart, check_kinds

BASE_VARIANT = "as-published"
MOST_RUNS = 1000
"""Runs of a programme: all of their draws are held at once, 10 MB a run."""

SIZE_KEYS = (
    "flop",
    "params_active",
    "params",
    "tokens",
    "count",
    "days",
    "accelerator_hours",
    "cost_usd",
    "energy_mwh",
    "emissions_t",
    "base",
    "fraction",
    "regression",
    "unsized",
)
"""Every key that can say how large a run is."""

SIZE_FORMS: tuple[frozenset[str], ...] = (
    frozenset({"flop"}),
    frozenset({"params", "tokens"}),
    frozenset({"params_active", "tokens"}),
    frozenset({"params", "params_active", "tokens"}),
    frozenset({"count", "days"}),
    frozenset({"accelerator_hours"}),
    frozenset({"cost_usd"}),
    frozenset({"energy_mwh"}),
    frozenset({"emissions_t"}),
    frozenset({"base", "fraction"}),
    frozenset({"regression"}),
    frozenset({"unsized"}),
)
SIZE_TEXT = (
    "flop; params or params_active with tokens; count with days; accelerator_hours; cost_usd; "
    "energy_mwh; emissions_t; base with fraction; regression; or unsized, where nobody knows it"
)
NEVER = "never"
"""When a run was released that is told of as ``released = false``."""

Grade = Literal["A", "B", "C"]


RegressionDraw = Literal["uniform", "line", "predictive"]


class Assumed(Spec):
    """A number that all runs share, drawn once.

    Attributes:
        value: the number.
        source: key of the source.
        note: what a reader should know of it.
    """

    value: Positive
    source: str
    note: str | None = None


class AssumedShare(Assumed):
    """A share that all runs share, drawn once.

    Attributes:
        value: the share, of 1.
    """

    value: Share


class Lag(Spec):
    """Months that releases lie behind the spend that they rest on, drawn once.

    Attributes:
        value: months, in place of those between the file's two windows.
        growth: of R&D compute, a ratio a year, for months that no reported period reaches.
    """

    value: NotNegative
    growth: Positive


class AssumedLag(Lag):
    """A lag with its source.

    Attributes:
        source: key of the source.
        note: what a reader should know of it.
    """

    source: str
    note: str | None = None


class Assumptions(Spec):
    """What holds for every run that does not say otherwise.

    Attributes:
        accelerator: accelerator whose peak utilisation is a share of.
        precision: precision of that peak.
        peak_flop_per_s: the peak in their place [FLOP/s].
        mfu: model FLOP utilisation, share of that peak.
        price: rent [USD an accelerator-hour].
        lag: of releases behind spend [months]; that of the two windows where not given.
        regression_draw: what is drawn about a regression's line: predictive (with the scatter),
            line, or uniform between its 5th and 95th percentile.
        within_spend: whether the draws are left out in which the final runs cost more than all
            R&D compute: the assumptions cannot all hold there.
    """

    accelerator: str | None = None
    precision: str | None = None
    peak_flop_per_s: Positive | None = None
    mfu: AssumedShare | None = None
    price: Assumed | None = None
    lag: AssumedLag | None = None
    regression_draw: RegressionDraw = "predictive"
    within_spend: bool = False


class Regression(Spec):
    """A model whose FLOP is read off a line through published models.

    Attributes:
        on: name of the regression: video, image, speech, or one of the file's own.
        params: number of parameters.
        size: size of the training data, in the regression's unit.
    """

    on: Name
    params: Positive
    size: Positive

    @model_validator(mode="after")
    def _draws_its_own(self) -> Regression:
        for key in ("params", "size"):
            if getattr(self, key).shared is not None:
                raise ValueError(f"{key}.shared: a regression is drawn by itself; allowed: none")
        return self


class Run(Spec):
    """One training run; exactly one way of saying how large it was.

    Attributes:
        name: name of the run.
        released: period of its release; false where it never was.
        counted: false where it is left out of the sum though it was released in the window.
        stage: pretraining, or post-training on top of it.
        mark: what its size rests on.
        flop: training FLOP.
        params: number of parameters, with tokens.
        params_active: number of parameters that one token meets, with tokens.
        tokens: tokens trained on.
        count: number of accelerators, with days.
        days: duration [d].
        accelerator_hours: accelerator time [h].
        cost_usd: cost [USD].
        energy_mwh: energy [MWh].
        emissions_t: emissions [t CO2e].
        base: name of the run that it is a fraction of.
        fraction: its size over that run's.
        regression: line that its FLOP are read off.
        unsized: small or large, beside the others, where its size was never published.
        multiplier: number that the size is multiplied by.
        mfu: model FLOP utilisation of this run, in place of the shared one.
        price: rent of this run [USD an accelerator-hour], in place of the shared one.
        accelerator: accelerator of this run, in place of the shared one.
        precision: precision of its peak, in place of the shared one.
        peak_flop_per_s: peak of this run [FLOP/s], in place of the shared one.
        source: key of the source.
        note: what a reader should know of it.
    """

    name: Name
    released: Annotated[str, BeforeValidator(lambda value: NEVER if value is False else value)]
    counted: bool = True
    stage: Literal["pretraining", "post-training"] = "pretraining"
    mark: Mark = "unmarked"
    flop: Positive | None = None
    params: Parameters | None = None
    params_active: Parameters | None = None
    tokens: Tokens | None = None
    count: Positive | None = None
    days: Positive | None = None
    accelerator_hours: Positive | None = None
    cost_usd: Positive | None = None
    energy_mwh: Positive | None = None
    emissions_t: Positive | None = None
    base: str | None = None
    fraction: Positive | None = None
    regression: Regression | None = None
    unsized: Literal["small", "large"] | None = None
    multiplier: Positive | None = None
    mfu: Share | None = None
    price: Positive | None = None
    accelerator: str | None = None
    precision: str | None = None
    peak_flop_per_s: Positive | None = None
    source: str
    note: str | None = None

    @field_validator("released")
    @classmethod
    def _readable(cls, value: str) -> str:
        if value != NEVER:
            parse_period(value)
        return value

    @model_validator(mode="after")
    def _one_size(self) -> Run:
        given = frozenset(key for key in SIZE_KEYS if getattr(self, key) is not None)
        if given not in SIZE_FORMS:
            named = ", ".join(sorted(given)) or "nothing"
            raise ValueError(f"the run's size: got {named}; allowed: {SIZE_TEXT}")
        return self


class Change(Spec):
    """One difference of a variant from what stands before it.

    Attributes:
        name: name of the change.
        why: reason for it.
        source: key of the source.
        regression_draw: what is drawn about a regression's line, where that changes.
        within_spend: whether draws beyond the spend are left out, where that changes.
        basis: what the programme is counted in, where that changes.
        releases: months of the releases that count, where they change.
        assumptions: assumptions that are replaced.
        reported: items that are changed, by their names, or added.
        runs: runs that are changed, by their names.
    """

    name: Name
    why: str
    source: str
    regression_draw: RegressionDraw | None = None
    within_spend: bool | None = None
    basis: BasisName | None = None
    releases: Window | None = None
    assumptions: dict[str, Any] = Field(default_factory=dict)
    reported: tuple[dict[str, Any], ...] = ()
    runs: tuple[dict[str, Any], ...] = ()


class Variant(Spec):
    """The programme under other assumptions.

    Attributes:
        name: name of the variant.
        description: what it stands for.
        changes: changes, applied in their order.
    """

    name: Name
    description: str
    changes: Annotated[tuple[Change, ...], Field(min_length=1)]


class Scenario(Spec):
    """A stated set of experiments, to tell how much of the exploration it would explain.

    Attributes:
        name: name of the scenario.
        description: what it stands for, and that it is a scenario.
        source: source of what it is modelled on.
        sweep: a sweep's fields, a preset's name, or a file beside the programme's.
    """

    name: Name
    description: str
    source: str
    sweep: str | dict[str, Any]


class Programme(Spec):
    """A whole programme file.

    Attributes:
        organisation: name of the organisation.
        title: name of the programme.
        description: what it is.
        base_name: name of the file's own assumptions among the variants.
        basis: what it is counted in.
        grade: how far its share can be relied on, by the rules; checked against them.
        laboratory: kind of laboratory, which a prior of the final share is told for.
        window: months of the spend.
        releases: months of the releases that count; the spend's where not given.
        sources: sources by the key that figures cite.
        currencies: exchange rates by the code of the currency.
        regression_models: table of published models beside the file, in place of the shipped one.
        assumptions: what holds for every run.
        reported: lines of the accounts.
        runs: training runs.
        variants: the programme under other assumptions.
        exploration: what was stated of the rest.
        scenarios: sets of experiments that may explain the exploration.
    """

    organisation: Name
    title: Name
    description: str = ""
    base_name: Name = BASE_VARIANT
    basis: BasisName = "dollars"
    grade: Grade | None = None
    laboratory: Literal["open", "commercial", "frontier"] | None = None
    window: Window
    releases: Window | None = None
    sources: dict[str, SourceNote]
    currencies: dict[str, Currency] = Field(default_factory=dict)
    regression_models: str | None = None
    assumptions: Assumptions = Assumptions()
    reported: Annotated[tuple[ReportedItem, ...], Field(min_length=1)]
    runs: Annotated[tuple[Run, ...], Field(min_length=1, max_length=MOST_RUNS)]
    variants: tuple[Variant, ...] = ()
    exploration: tuple[StatedPart, ...] = ()
    scenarios: tuple[Scenario, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Programme:
        self._check_names()
        self._check_reported()
        self._check_runs()
        self._check_bases()
        self._check_exploration()
        self._check_sources()
        return self

    def _check_names(self) -> None:
        bases = {BASE_VARIANT, self.base_name}
        for kind, names in (
            ("runs", [run.name for run in self.runs]),
            ("reported", [item.item for item in self.reported]),
            ("variants", [*bases, *(variant.name for variant in self.variants)]),
            ("exploration", [part.name for part in self.exploration]),
            ("scenarios", [scenario.name for scenario in self.scenarios]),
        ):
            for name, times in Counter(names).items():
                if times > 1:
                    raise ValueError(f"{kind}: the name {shown(name)} is given twice")

    def _check_reported(self) -> None:
        if not any(item.is_base for item in self.reported):
            raise ValueError("reported: no item with counts_as = 'rnd_compute', the share's base")
        for i, item in enumerate(self.reported):
            terms = [(term.sign, parse_period(term.period)) for term in item.periods]
            try:
                check_sum(terms, self.window.months)
            except ValueError as error:
                raise ValueError(f"reported[{i}].periods: {error}") from None
            try:
                item.check_unit(self.counted_in, self.currencies)
            except ValueError as error:
                raise ValueError(f"reported[{i}].{error}") from None

    def _check_runs(self) -> None:
        """Refuse sizes that the basis cannot use, and counted runs of another window."""
        basis = self.counted_in
        for i, run in enumerate(self.runs):
            given = next(key for key in SIZE_KEYS if getattr(run, key) is not None)
            own = {each.size for each in BASES.values()} - {HOURS.size, DOLLARS.size}
            if given not in (basis.size, "unsized") and (basis.size in own or given in own):
                allowed = "FLOP, hours or dollars" if given in own else basis.size
                if basis.size in own:
                    allowed = basis.size
                raise ValueError(
                    f"runs[{i}].{given}: is not in the programme's basis, {basis.name}; "
                    f"allowed: {allowed}"
                )
            if run.counted and "counted" in run.model_fields_set and not self.counts(run):
                raise ValueError(
                    f"runs[{i}].released: got {shown(run.released)}, which is outside "
                    f"{self.released_in}; allowed: a period inside, where counted = true"
                )

    def _check_bases(self) -> None:
        base_of = {run.name: run.base for run in self.runs}
        ends: set[str] = set()
        for i, run in enumerate(self.runs):
            if run.base is not None and run.base not in base_of:
                raise ValueError(
                    f"runs[{i}].base: got {shown(run.base)}; allowed: the name of another run"
                )
            seen: dict[str, None] = {}
            name: str | None = run.name
            while name in base_of and name not in ends:
                if name in seen:
                    chain = " → ".join([*seen, name])
                    raise ValueError(f"runs[{i}].base: the references run in a circle: {chain}")
                seen[name] = None
                name = base_of[name]
            ends.update(seen)
        if not any(self.counts(run) for run in self.runs):
            raise ValueError("runs: none is counted; allowed: at least one released in the window")

    def _check_exploration(self) -> None:
        check_kinds(self.exploration)
        names = {run.name for run in self.runs}
        for i, part in enumerate(self.exploration):
            if part.run is not None and part.run not in names:
                raise ValueError(
                    f"exploration[{i}].run: got {shown(part.run)}; allowed: the name of a run"
                )
            if part.people is not None and self.basis != "dollars":
                raise ValueError(
                    f"exploration[{i}].people: dollars a day are not in the programme's basis, "
                    f"{self.basis}; allowed: amount, share_of_total or share_of_rest"
                )

    def _check_sources(self) -> None:
        cited: list[tuple[str, str]] = [
            *((f"reported[{i}]", item.source) for i, item in enumerate(self.reported)),
            *((f"runs[{i}]", run.source) for i, run in enumerate(self.runs)),
            *((f"currencies.{key}", rate.source) for key, rate in self.currencies.items()),
            *((f"exploration[{i}]", part.source) for i, part in enumerate(self.exploration)),
            *((f"scenarios[{i}]", scenario.source) for i, scenario in enumerate(self.scenarios)),
        ]
        for key in ("mfu", "price", "lag"):
            assumed = getattr(self.assumptions, key)
            if assumed is not None:
                cited.append((f"assumptions.{key}", assumed.source))
        for i, variant in enumerate(self.variants):
            for j, change in enumerate(variant.changes):
                cited.append((f"variants[{i}].changes[{j}]", change.source))
        for place, key in cited:
            if key not in self.sources:
                raise ValueError(
                    f"{place}.source: got {shown(key)}; allowed: a key of [sources] "
                    f"({', '.join(self.sources)})"
                )

    @property
    def counted_in(self) -> Basis:
        """What the programme is counted in."""
        return BASES[self.basis]

    @property
    def released_in(self) -> Months:
        """The months whose releases count."""
        return (self.releases or self.window).months

    def per_usd(self, item: ReportedItem) -> float:
        """Return units of a line's currency for one dollar; 1 where its amounts are no money."""
        return self.currencies[item.money].per_usd if item.money in self.currencies else 1.0

    def counts(self, run: Run) -> bool:
        """Whether a run belongs to the final runs: released in the window, and not excluded."""
        if not run.counted or run.released == NEVER:
            return False
        return self.released_in.holds(parse_period(run.released))

    def is_priced(self, run: Run) -> bool:
        """Whether a run belongs to the final runs and has a size to add."""
        return self.counts(run) and run.unsized is None
