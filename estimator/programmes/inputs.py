"""Every number that a programme is made of, and every source that it cites."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from computebill.base.assumptions import Assumption
from computebill.base.quantity import Quantity
from computebill.base.specfile import SourceNote
from computebill.sweep.priced import described_by

from .scenarios import PricedScenario
from .spec import SIZE_KEYS, Programme, Regression


def programme_assumptions(programme: Programme) -> Iterator[Assumption]:
    """Yield every number that went in, with its source."""
    titles = {key: source.title for key, source in programme.sources.items()}
    for item in programme.reported:
        signs = ((term, "less " if term.sign < 0 else "") for term in item.periods)
        amounts = ", ".join(f"{sign}{term.amount.text} ({term.period})" for term, sign in signs)
        yield Assumption(item.item, f"{amounts} {item.money or item.unit}", titles[item.source])
    for name, rate in programme.currencies.items():
        yield Assumption(f"{name} per USD", f"{rate.per_usd:g}", titles[rate.source])
    assumed = programme.assumptions
    for label, each in (("utilisation", assumed.mfu), ("price, USD an hour", assumed.price)):
        if each is not None:
            yield Assumption(label, each.value.text, titles[each.source])
    if assumed.lag is not None:
        source = titles[assumed.lag.source]
        yield Assumption("lag of release behind spend, months", assumed.lag.value.text, source)
        yield Assumption(
            "growth a year where no period is reported", assumed.lag.growth.text, source
        )
    for run in programme.runs:
        for key in (*SIZE_KEYS, "multiplier", "mfu", "price"):
            value = getattr(run, key)
            if value is not None:
                label = key.replace("_", " ").replace("flop", "FLOP").replace("mfu", "MFU")
                text = _text(value).replace("e+", "e")
                yield Assumption(f"{run.name}: {label}", text, titles[run.source])


def run_inputs(programme: Programme) -> dict[str, dict[str, str | None]]:
    """Return what each run is priced by, in words, its own or shared, by the run's name."""
    shared = programme.assumptions
    titles = {key: source.title for key, source in programme.sources.items()}
    found: dict[str, dict[str, str | None]] = {}
    for run in programme.runs:
        mfu = run.mfu or (shared.mfu.value if shared.mfu else None)
        price = run.price or (shared.price.value if shared.price else None)
        size = [
            f"{key} {_text(getattr(run, key))}"
            for key in (*SIZE_KEYS, "multiplier")
            if getattr(run, key) is not None
        ]
        found[run.name] = {
            "size_given": ", ".join(size),
            "utilisation_given": None if mfu is None else mfu.text,
            "price_usd_per_gpu_hour_given": None if price is None else price.text,
            "source_title": titles[run.source],
        }
    return found


def _text(value: object) -> str:
    """Write a part of a run's size."""
    if isinstance(value, Regression):
        return f"{value.size.text} by the line through models of {value.on}"
    return value.text if isinstance(value, Quantity) else str(value)


def scenario_inputs(scenarios: Iterable[PricedScenario]) -> Iterator[Assumption]:
    """Yield what the experiments of scenarios were described by."""
    for priced in scenarios:
        for each in described_by(priced.spec):
            yield replace(each, name=f"{priced.scenario.name}: {each.name}")


def sources_of(
    programme: Programme, scenarios: Iterable[PricedScenario] = ()
) -> dict[str, SourceNote]:
    """Return a programme's sources, and those of its scenarios after the scenario's name."""
    found = dict(programme.sources)
    for priced in scenarios:
        name = priced.scenario.name
        found |= {f"{name}: {key}": source for key, source in priced.spec.sources.items()}
    return found
