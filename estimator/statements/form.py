"""The fields of the Commission's documentation form that a statement fills."""

from __future__ import annotations

import datetime as dt
import math
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from computebill.base.specfile import Name, SourceNote, Spec, validate
from computebill.regulation import rules
from computebill.regulation.thresholds import in_figures

from .estimate import BOUNDARY, MAIN, Statement
from .modification import originals

FILE = Path(rules.__file__).with_name("form.toml")

RANGES = ((30.4, "less than 1 month"), (91.3, "1 to 3 months"), (182.6, "3 to 6 months"))
"""Ranges of the training time [days] and their names; beyond, more than 6 months."""

NO_FIELD = "for its author to fill in"


class FormField(Spec):
    """A field of the form.

    Attributes:
        key: what fills it.
        section: section of the form.
        title: what it asks for.
        to: who is told, ``for`` in the file.
    """

    key: str
    section: Name
    title: Name
    to: Annotated[Name, Field(alias="for")]


class Form(Spec):
    """The form, as its file has it.

    Attributes:
        read_on: day of reading.
        read: primary or secondary.
        how_read: how far it was read.
        source: the form.
        field: fields.
    """

    read_on: dt.date
    read: Literal["primary", "secondary"]
    how_read: str
    source: SourceNote
    field: tuple[FormField, ...]


class Filled(NamedTuple):
    """A field with what a statement says.

    Attributes:
        section: section of the form.
        title: what it asks for.
        value: what the statement says.
        to: who is told.
    """

    section: str
    title: str
    value: str
    to: str


@cache
def documentation_form() -> Form:
    """Return the form's fields."""
    return validate(Form, tomllib.loads(FILE.read_text(encoding="utf-8")), FILE.name)


def filled_form(found: Statement) -> tuple[Filled, ...]:
    """Return the fields of the form, filled as far as a statement goes."""
    told = _texts(found)
    return tuple(
        Filled(each.section, each.title, told.get(each.key) or NO_FIELD, each.to)
        for each in documentation_form().field
    )


def form_dict(found: Statement) -> dict[str, Any]:
    """Return the JSON form of the fields."""
    form = documentation_form()
    return {
        "name": found.name,
        "read_on": str(form.read_on),
        "how_read": form.how_read,
        "source": form.source.model_dump(),
        "fields": [each._asdict() for each in filled_form(found)],
        "notes": list(found.notes),
    }


def _texts(found: Statement) -> dict[str, str | None]:
    """Return what fills each field; nothing where nobody said."""
    model = found.spec.model
    total = found.total(_rules(found)).total
    hours = [stage.gpu_hours.median for stage in found.spec.stage if stage.gpu_hours is not None]
    wall = _wall_clock_days(found)
    energy = found.whole_energy.p50
    size = model.params or model.params_active
    return {
        "provider": model.provider,
        "name": model.name,
        "released": str(model.released) if model.released else None,
        "placed_in_union": str(model.placed_in_union) if model.placed_in_union else None,
        "dependencies": ", ".join(each.name for each in originals(found.spec)) or "N/A",
        "architecture": model.architecture,
        "params": f"{in_figures(size.median)} parameters" if size else None,
        "time_range": _range(wall) if wall is not None else None,
        "wall_clock_days": f"{wall:,.2g} days" if wall is not None else None,
        "hardware_days": f"{in_figures(sum(hours) / 24)} {_parts(found)} days" if hours else None,
        "magnitude": f"10^{math.floor(math.log10(total.flop.p50))} FLOP"
        if total.flop.p50 > 0
        else None,
        "flop": f"{total.two_figures} FLOP",
        "methodology": _methodology(found),
        "energy": f"{in_figures(energy)} MWh" if energy > 0 else None,
        "energy_methodology": f"estimated or metered: {BOUNDARY}" if energy > 0 else None,
    }


def _rules(found: Statement) -> str:
    """Return the rule set whose total the form is told: cumulative compute where it is there."""
    names = [each.name for each in found.rules]
    return MAIN if MAIN in names else names[0]


def _wall_clock_days(found: Statement) -> float | None:
    """Return days from the first stage's start to the last one's end; None without days."""
    starts = [start for start, _ in found.spans if start is not None]
    ends = [end for _, end in found.spans if end is not None]
    return float((max(ends) - min(starts)).days) if starts and ends else None


def _range(days: float) -> str:
    return next((name for limit, name in RANGES if days < limit), "more than 6 months")


def _parts(found: Statement) -> str:
    """Return the accelerators that stages with hours name."""
    stages = (stage for stage in found.spec.stage if stage.gpu_hours is not None)
    return ", ".join(dict.fromkeys(stage.accelerator or "accelerator" for stage in stages))


def _methodology(found: Statement) -> str:
    ways = {
        "architecture": "passes times operations, about 6PD",
        "hardware": "accelerators times seconds times peak times utilisation",
        "given": "FLOP as stated by their source",
    }
    used = dict.fromkeys(each.chosen for each in found.methods)
    rules_used = found.total(_rules(found)).rules
    rounded = "cut" if rules_used.rounding == "cut" else "rounded to the nearest"
    told = "; ".join(ways[each] for each in used)
    return f"{told}. {rules_used.title}. Two significant figures, {rounded}."
