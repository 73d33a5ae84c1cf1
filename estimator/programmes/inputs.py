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
            text = value.text if isinstance(value, Quantity) else value
            if isinstance(value, Regression):
                text = f"{value.size.text} by the line through models of {value.on}"
            if text is not None:
                label = key.replace("_", " ").replace("flop", "FLOP").replace("mfu", "MFU")
                text = text.replace("e+", "e")
                yield Assumption(f"{run.name}: {label}", text, titles[run.source])


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
