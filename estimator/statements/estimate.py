"""A statement of a model's training compute, under each rule set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from computebill.base.assumptions import Assumption
from computebill.base.notebook import Shown
from computebill.base.quantity import Quantity
from computebill.base.specfile import as_data
from computebill.kernels.exceedance import share_above
from computebill.regulation.rules import RuleSet, items, rule_sets
from computebill.regulation.thresholds import marks, regulation
from computebill.uncertainty.distribution import Collector, Distribution
from computebill.uncertainty.draws import Method, Settings, settings
from computebill.uncertainty.sensitivity import Swing, swings

from .drawn import METHODS, Drawer, Drawn, Frame, method_of
from .inputs import gather
from .lines import Line, Span
from .methods import Methods, context_note
from .modification import Modification, Test, limit_of, modified, notions, originals
from .spec import StatementSpec, read_statement
from .timeline import Crossing, crossing, timeline
from .totals import Membership, RuleTotals, membership, rule_totals

if TYPE_CHECKING:
    import pandas as pd

SAMPLES = 2**13
"""Draws where nobody says: of scrambled Sobol points so many tell odds within half a percent."""

DISCLAIMER = (
    "Arithmetic under a reading of the rules, not legal advice: quote the rules, not this page."
)

BOUNDARY = (
    "servers of the accelerators that the stages name, over their hours, times the data centre's "
    "PUE; without storage, offices, stages whose hours nobody tells, and making the hardware"
)
"""What the electricity is of."""

MAIN = "eu-cumulative"
"""Rule set whose total is moved in ``swings``, where it is among those asked for."""


@dataclass(frozen=True, repr=False)
class Statement(Shown):
    """What ``state`` finds.

    Attributes:
        spec: the statement as its author writes it.
        rules: rule sets, in their order.
        lines: parts of stages, then other weights.
        flop: FLOP of each line.
        totals: totals under each rule set.
        methods: both methods, stage by stage.
        energy: electricity of each stage [MWh].
        whole_energy: electricity of all stages whose own is known [MWh].
        modifications: the model as a modification of each that it was begun from.
        crossings: when totals exceed thresholds; none where no stage has days.
        spans: first and last day of each stage, at the median.
        undated: stages without days of their own, where others have some.
        assumptions: every number that went in, with its source.
        settings: draws, seed, device.
        swings_of: rule set whose total is moved in ``swings``.
        swings: that total with one input at an end of its interval, the others at their medians.
        inputs_hash: SHA-256 of the statement's data, the rule sets' and the draws' settings.
    """

    spec: StatementSpec
    rules: tuple[RuleSet, ...]
    lines: tuple[Line, ...]
    flop: tuple[Distribution, ...]
    totals: tuple[RuleTotals, ...]
    methods: tuple[Methods, ...]
    energy: tuple[Distribution, ...]
    whole_energy: Distribution
    modifications: tuple[Modification, ...]
    crossings: tuple[Crossing, ...]
    spans: tuple[Span, ...]
    undated: tuple[str, ...]
    assumptions: tuple[Assumption, ...]
    settings: Settings
    swings_of: str
    swings: tuple[Swing, ...]
    inputs_hash: str

    @property
    def name(self) -> str:
        """Name of what is stated."""
        named = self.spec.name != type(self.spec).model_fields["name"].default
        return self.spec.name if named else self.spec.model.name

    def total(self, rule_set: str) -> RuleTotals:
        """Return what lines come to under a rule set."""
        return next(each for each in self.totals if each.rules.name == rule_set)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What contradicts itself, in sentences."""
        return tuple(each.warning for each in self.methods if each.warning)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know before the figures, in sentences."""
        return (*_notes(self), DISCLAIMER)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; its keys are a contract. What is not known is null."""
        return {
            "name": self.name,
            "model": _model_dict(self.spec),
            "date": str(self.spec.date) if self.spec.date else None,
            "stages": [_stage_dict(self, place) for place in range(len(self.spec.stage))],
            "lineage": [_lineage_dict(self, place) for place in range(len(self.spec.lineage))],
            "lines": [_line_dict(self, place) for place in range(len(self.lines))],
            "totals": {each.rules.name: each.to_dict() for each in self.totals},
            "rules": [_rules_dict(each) for each in self.rules],
            "modification": [each.to_dict() for each in self.modifications] or None,
            "crossing": [each.to_dict() for each in self.crossings],
            "undated": list(self.undated),
            "energy_mwh": self.whole_energy.to_dict(),
            "energy_boundary": BOUNDARY,
            "margin": regulation().margin.value,
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "swings_of": self.swings_of,
            "swings": [each.to_dict() for each in self.swings],
            "assumptions": [each.to_dict() for each in self.assumptions],
            "sources": _sources(self),
            "versions": {
                **{name: version(name) for name in ("computebill", "torch")},
                "rules_read_on": str(regulation().read_on),
            },
            "inputs_sha256": self.inputs_hash,
            "samples": self.settings.samples,
            "seed": self.settings.seed,
            "device": self.settings.device,
            "method": self.settings.method,
        }

    def to_frame(self) -> pd.DataFrame:
        """Return one row a line: its FLOP, and what becomes of it under each rule set."""
        import pandas as pd

        rows = []
        for place, (line, flop) in enumerate(zip(self.lines, self.flop, strict=True)):
            figures = {f"flop_{key}": getattr(flop, key) for key in ("p5", "p50", "p95", "mean")}
            treated = {each.rules.name: each.treatments[place] for each in self.totals}
            rows.append(
                {"source": line.source, "part": line.part, "item": line.item, **figures, **treated}
            )
        return pd.DataFrame(rows)


def state(
    spec: StatementSpec | str | Path | Mapping[str, Any],
    *,
    rules: Sequence[str | Path] = (),
    samples: int | None = None,
    seed: int = 0,
    device: str = "auto",
    method: Method = "sobol",
    profiles: Sequence[Path] = (),
) -> Statement:
    """State a model's training compute under public rules.

    Args:
        spec: a StatementSpec, a mapping of its fields, or a TOML file.
        rules: rule sets by name, or files of one's own; none: all that ship.
        samples: Monte Carlo draws, 8,192 where not given.
        seed: same seed, same draws.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
        method: ``sobol`` (scrambled) or ``random``.
        profiles: folders of accelerator profiles of one's own.

    Raises:
        RequestError: naming the field that is wrong.
    """
    chosen = settings(SAMPLES if samples is None else samples, seed, device, method)
    return _Statement(read_statement(spec), rule_sets(rules), chosen, profiles).made()


class _Statement:
    """Makes a statement: lays its lines out at the medians, then draws them."""

    def __init__(
        self,
        spec: StatementSpec,
        rules: tuple[RuleSet, ...],
        chosen: Settings,
        profiles: Sequence[Path],
    ) -> None:
        self.spec, self.rules, self.chosen = spec, rules, chosen
        self.inputs = gather(spec, profiles)
        self.drawer = Drawer(spec, self.inputs, chosen.device)
        self.frame = Frame(spec, self.drawer.middle())
        self.lines = tuple(self.frame.lines)
        self.members: Membership = membership(rules, self.lines)
        self.different = self.members.different.to(chosen.device)
        self.marks = torch.tensor(
            [each.value for each in marks()], dtype=torch.float64, device=chosen.device
        )
        self.is_dated = any(each.start is not None for each in self.lines)
        self.pairs = [
            (original, notion) for original in originals(spec) for notion in notions(original)
        ]

    def rows(self, drawn: Drawn, flop: Tensor) -> Tensor:
        """Return all figures of some draws, in the order in which they are told."""
        known = flop.nan_to_num(nan=0.0)
        methods = [*drawn.methods, drawn.observed]
        tested = [each for pair in self._tested(drawn, flop) for each in pair]
        parts = [
            flop,
            self.different @ known,
            *methods,
            drawn.energy,
            drawn.energy.nan_to_num(nan=0.0).sum(0, keepdim=True),
            *(each[None] for each in tested),
        ]
        return torch.cat(parts)

    def _tested(self, drawn: Drawn, flop: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield compute of each modification, its limit, and its share of the original's."""
        for original, notion in self.pairs:
            own = modified(self.lines, flop, notion)
            compute = drawn.lineage[self.spec.lineage.index(original)]
            yield own, limit_of(original, compute, notion), own / compute

    def made(self) -> Statement:
        """Draw, and return what is found."""
        chosen = self.chosen
        if not self.drawer.columns.dimensions:
            chosen = chosen._replace(samples=1)  # all draws are the same
        collector: Collector | None = None
        above, tests = 0.0, 0.0  # type: Any, Any
        dated: list[tuple[Tensor, Tensor]] = []
        for replicate, drawn in self.drawer.chunks(chosen):
            flop = self.frame.flop(drawn)
            rows, draws = self.rows(drawn, flop), flop.shape[1]
            collector = collector or Collector(len(rows), chosen)
            collector.add(replicate, rows)
            above = above + share_above(self._totals(rows), self.marks) * draws
            tests = tests + self._odds(rows) * draws
            if self.is_dated:
                dated.append((flop.cpu(), drawn.days.cpu()))
        assert collector is not None
        found = collector.finish()
        return self._told(found, above / chosen.samples, tests / chosen.samples, dated)

    def _totals(self, rows: Tensor) -> Tensor:
        first = len(self.lines)
        return rows[first : first + len(self.different)]

    def _odds(self, rows: Tensor) -> Tensor:
        """Return the share of draws in which each modification is above its limit."""
        tested = rows[len(rows) - 3 * len(self.pairs) :].reshape(len(self.pairs), 3, rows.shape[1])
        return (tested[:, 0] > tested[:, 1]).double().mean(-1)

    def _counted(self) -> Tensor:
        """Return the lines that each rule set counts; ``(rule sets, lines)``."""
        rows = [self.members.row(each.name, "counted") for each in self.rules]
        return self.members.different[rows]

    def _told(
        self,
        found: list[Distribution],
        above: Tensor,
        tests: Tensor,
        dated: list[tuple[Tensor, Tensor]],
    ) -> Statement:
        rest = iter(found)
        flop = tuple(next(rest) for _ in self.lines)
        totals = [next(rest) for _ in self.different]
        stages = self.spec.stage
        told = {name: [next(rest) for _ in stages] for name in METHODS}
        energy = tuple(next(rest) for _ in stages)
        whole = next(rest)
        tested = [(next(rest), next(rest), next(rest)) for _ in self.pairs]
        methods = tuple(
            Methods(
                stage,
                **{name: told[name][place] for name in METHODS},
                chosen="given" if stage.flop is not None else method_of(self.spec, place),
            )
            for place, stage in enumerate(stages)
        )
        swings_of, moved = self._swings()
        crossings, undated = self._crossed(dated)
        return Statement(
            spec=self.spec,
            rules=self.rules,
            lines=self.lines,
            flop=flop,
            totals=rule_totals(self.rules, self.lines, self.members, totals, above.tolist()),
            methods=methods,
            energy=energy,
            whole_energy=whole,
            modifications=self._modifications(tested, tests.tolist()),
            crossings=crossings,
            spans=self.frame.spans,
            undated=undated,
            assumptions=self.inputs.assumptions,
            settings=self.chosen,
            swings_of=swings_of,
            swings=moved,
            inputs_hash=_hash(self.spec, self.rules, self.chosen),
        )

    def _modifications(
        self, tested: list[tuple[Distribution, Distribution, Distribution]], odds: list[float]
    ) -> tuple[Modification, ...]:
        tests = [
            (original, Test(notion, *each, odds=chance))
            for (original, notion), each, chance in zip(self.pairs, tested, odds, strict=True)
        ]
        return tuple(
            Modification(original, tuple(test for each, test in tests if each is original))
            for original in originals(self.spec)
        )

    def _crossed(
        self, dated: list[tuple[Tensor, Tensor]]
    ) -> tuple[tuple[Crossing, ...], tuple[str, ...]]:
        """Return the crossings that any draw has, and the stages without days."""
        if not dated:
            return (), ()
        flop, lengths = (torch.cat(each, dim=1) for each in zip(*dated, strict=True))
        names = (stage.label for stage in self.spec.stage)
        days = timeline(self.lines, dict(zip(names, lengths, strict=True)))
        assert days is not None
        counted, crossed = self._counted().cpu(), []
        found = days.days(flop, counted)
        for rules, inside, rows in zip(self.rules, counted > 0, found, strict=True):
            for mark, day in zip(marks(), rows, strict=True):
                if bool(day.isfinite().any()):
                    crossed.append(crossing(rules.name, mark, day, self.lines, inside, days))
        return tuple(crossed), days.undated

    def _swings(self) -> tuple[str, tuple[Swing, ...]]:
        names = [each.name for each in self.rules]
        chosen = MAIN if MAIN in names else names[0]
        row = self.different[self.members.row(chosen, "counted")]

        def total(points: Tensor) -> Tensor:
            return row @ self.frame.flop(self.drawer.at(points)).nan_to_num(nan=0.0)

        return chosen, tuple(swings(self.drawer.columns, total))


def _notes(found: Statement) -> Iterator[str]:
    """Yield what a reader must know, what undoes the figures first."""
    yield from found.warnings
    for each in found.totals:
        if each.unknown:
            yield (
                f"{each.rules.name}: at least so much; nobody knows the FLOP of "
                f"{', '.join(dict.fromkeys(each.unknown))}, which counts."
            )
    for stage, told in zip(found.spec.stage, found.methods, strict=True):
        size = stage.params_active or stage.params
        if size is not None and stage.updates and told.chosen == "architecture":
            context = stage.sequence_length or found.spec.model.context
            if note := context_note(size.median, context):
                yield f"{stage.label}: {note}"
    second = [each.name for each in found.rules if each.is_second_hand]
    if second:
        yield f"Read second-hand, at least in part: {', '.join(second)}."
    partly = [each.name for each in found.rules if not each.is_whole]
    if partly:
        yield f"Not read whole, so that lines are open that it may speak of: {', '.join(partly)}."
    if not found.swings:
        yield (
            "No number is a range, so odds are 0 or 1; the rule allows an error of "
            f"{regulation().margin.value:.0%}: give ranges where figures are estimates."
        )
    if not found.modifications and "eu-modification" in (each.name for each in found.rules):
        yield "eu-modification: no lineage is a base, so that there is no original to compare with."
    if found.undated:
        yield (
            "Without days of their own, at the end of the stage before: "
            f"{', '.join(found.undated)}."
        )
    at_once = [
        stage.label
        for stage, (start, end) in zip(found.spec.stage, found.spans, strict=True)
        if start is not None and end is None
    ]
    if at_once:
        yield (
            "Nothing tells how long they take, so that all of it is on their first day; give end, "
            f"days or count: {', '.join(at_once)}."
        )


def _model_dict(spec: StatementSpec) -> dict[str, Any]:
    return {
        key: None if (value := getattr(spec.model, key)) is None else _text(value)
        for key in type(spec.model).model_fields
    }


def _text(value: object) -> object:
    if isinstance(value, Quantity):
        return value.value if value.is_constant else value.text
    return value if isinstance(value, int | float) else str(value)


def _stage_dict(found: Statement, place: int) -> dict[str, Any]:
    stage = found.spec.stage[place]
    start, end = found.spans[place]
    parts = {
        line.part: flop.to_dict()
        for line, flop in zip(found.lines, found.flop, strict=True)
        if line.source == stage.label and not line.is_lineage
    }
    return {
        "name": stage.label,
        "kind": stage.kind,
        "fate": stage.fate,
        "flop": parts,
        "methods": found.methods[place].to_dict(),
        "gpu_hours": None if stage.gpu_hours is None else stage.gpu_hours.median,
        "energy_mwh": found.energy[place].to_dict(),
        "start": str(start) if start else None,
        "end": str(end) if end else None,
        "source": found.spec.title_of(stage.source),
    }


def _lineage_dict(found: Statement, place: int) -> dict[str, Any]:
    each = found.spec.lineage[place]
    at = len(found.lines) - len(found.spec.lineage) + place
    return {
        "name": each.name,
        "relation": each.relation,
        "of": each.of or found.spec.model.name,
        "item": found.lines[at].item,
        "basis": each.told_basis,
        "flop": found.flop[at].to_dict(),
        "source": found.spec.title_of(each.source),
    }


def _line_dict(found: Statement, place: int) -> dict[str, Any]:
    line = found.lines[place]
    return {
        "source": line.source,
        "part": line.part,
        "item": line.item,
        "title": line.title,
        "flop": found.flop[place].to_dict(),
        "treatment": {each.rules.name: each.treatments[place] for each in found.totals},
    }


def _rules_dict(rules: RuleSet) -> dict[str, Any]:
    return {
        "name": rules.name,
        "title": rules.title,
        "measures": rules.measures,
        "read_on": str(rules.read_on),
        "how_read": rules.how_read,
        "is_second_hand": rules.is_second_hand,
        "is_whole": rules.is_whole,
        "lines": [
            {**each.model_dump(), "is_method": items()[each.item].kind == "method"}
            for each in rules.line
        ],
    }


def _sources(found: Statement) -> dict[str, dict[str, Any]]:
    """Return the sources of figures, rules and thresholds."""
    named = {f"figures: {key}": each for key, each in found.spec.sources.items()}
    for rules in found.rules:
        named |= {f"{rules.name}: {key}": each for key, each in rules.sources.items()}
    named |= {f"thresholds: {key}": each for key, each in regulation().sources.items()}
    seen: dict[str, dict[str, Any]] = {}
    for key, each in named.items():
        if each.title not in (told["title"] for told in seen.values()):
            seen[key] = each.model_dump()
    return seen


def _hash(spec: StatementSpec, rules: Sequence[RuleSet], chosen: Settings) -> str:
    """Return the SHA-256 of what a statement is made from."""
    made_from = {
        "statement": as_data(spec),
        "rules": [as_data(each) for each in rules],
        "thresholds": as_data(regulation()),
        "draws": chosen._asdict() | {"device": None},
    }

    def plain(value: object) -> object:
        return (value.family, value.parameters) if isinstance(value, Quantity) else str(value)

    text = json.dumps(made_from, sort_keys=True, default=plain)
    return hashlib.sha256(text.encode()).hexdigest()
