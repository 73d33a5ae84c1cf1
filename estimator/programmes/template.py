"""A programme file to start from: what an organisation knows of itself, with comments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import Field, model_validator

from computebill.base.amounts import Parameters, Tokens
from computebill.base.quantity import NotNegative, Positive, Share
from computebill.base.specfile import Name, Spec

from .lines import Period

HEAD = """\
# A programme: what was spent on R&D compute, which runs it led to, and what is assumed.
# computebill spend {file} sets the one against the other; docs/programme-files.md has every key.
# A number may be a range: {{ p10 = 1.5, p90 = 3.0 }}, or {{ low = 1.5, high = 3.0 }}.
"""
MORE = """
# Further runs, one table each. Sizes: flop; params with tokens; count with days; accelerator_hours;
# cost_usd; base with fraction. A run that was never released is a part of the rest:
# [[runs]]
# name = "abandoned"
# released = false
# accelerator_hours = 20e3
# mark = "measured"
# source = "own"

# What you know of the rest, by kind; what you leave out is drawn from other programmes.
# [[exploration]]
# name = "ablations"
# kind = "pretraining research"
# amount = {amount}  # {unit}
# mark = "measured"
# source = "own"
"""

REPORTED = """\
What the accounts say. Periods may be added and subtracted (sign = -1), and an amount may be
# multiplied by the share of it that is compute (factor = 0.7)."""
OWN_FIGURE: dict[str, Any] = {"mark": "measured", "source": "own"}


class Answers(Spec):
    """What is needed of an organisation.

    Attributes:
        organisation: its name.
        first: period that the spend begins with.
        last: period that it ends with.
        basis: what both sides are counted in.
        spend: R&D compute, in dollars or accelerator-hours.
        run: name of the largest final run.
        released: period of its release.
        gpu_hours: accelerator-hours of it.
        params: its parameters; those that a token meets, of a mixture of experts.
        tokens: tokens that it was trained on.
        accelerator: accelerator that it was trained on.
        mfu: utilisation.
        price: rent of an hour [USD].
    """

    organisation: Name
    first: Period
    last: Period
    basis: Literal["dollars", "hours"]
    spend: NotNegative
    run: Name
    released: Period
    gpu_hours: Positive | None = None
    params: Parameters | None = None
    tokens: Tokens | None = None
    accelerator: Annotated[str, Field(min_length=1)] | None = None
    mfu: Share | None = None
    price: Positive | None = None

    @model_validator(mode="after")
    def _can_be_sized(self) -> Answers:
        if self.gpu_hours is None:
            for key in ("params", "tokens", "accelerator", "mfu"):
                if getattr(self, key) is None:
                    raise ValueError(f"--{key} is missing; allowed: a value, or --gpu-hours")
        elif self.params is not None or self.tokens is not None:
            raise ValueError("--params: got a size beside --gpu-hours; allowed: one of the two")
        if self.basis == "dollars" and self.price is None:
            raise ValueError("--price is missing; allowed: dollars an hour, 2.5 or 1.5..3")
        return self


def programme_text(answers: Answers, given: dict[str, Any], file: str) -> str:
    """Return a commented programme file.

    Args:
        answers: what is known, checked.
        given: the same as it was given; numbers are written as they were.
        file: name of the file, for the comment at its head.
    """
    numbers = {key: _number(value) for key, value in given.items() if value is not None}
    text = HEAD.format(file=file)
    for comment, block in _blocks(answers, numbers):
        head = f"# {comment}\n" if comment else ""
        text += f"\n{head}{tomli_w.dumps(block)}"
    in_hours = answers.basis == "hours"
    amount, unit = ("5e3", "GPU-hours") if in_hours else ("1e6", "USD")
    return text + MORE.format(amount=amount, unit=unit)


def _blocks(answers: Answers, numbers: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the tables of a programme file, each with the comment before it."""
    own = answers.organisation
    period = str(answers.first)
    if answers.first != answers.last:
        period = f"{answers.first}..{answers.last}"
    yield (
        "",
        {
            "organisation": own,
            "title": f"{own}, {period}",
            "basis": answers.basis,
            "base_name": "own",
        },
    )
    window = {"first": str(answers.first), "last": str(answers.last)}
    told = "The spend's window, both periods included; runs released in it count."
    yield told, {"window": window}
    yield "", {"sources": {"own": {"title": f"{own}'s own figures"}}}
    if assumed := _assumed(answers, numbers):
        yield "What holds for every run that does not say otherwise.", {"assumptions": assumed}
    unit = {"unit": "GPU-hours"} if answers.basis == "hours" else {"currency": "USD"}
    line = {"item": "R&D compute", "counts_as": "rnd_compute", **unit, **OWN_FIGURE}
    line["periods"] = [{"period": period, "amount": numbers["spend"]}]
    yield REPORTED, {"reported": [line]}
    size: dict[str, Any] = {key: numbers[key] for key in ("params", "tokens") if key in numbers}
    if answers.gpu_hours is not None:
        size = {"accelerator_hours": numbers["gpu_hours"]}
    run = {"name": answers.run, "released": str(answers.released), "stage": "pretraining"}
    yield "Final runs: those that were released.", {"runs": [{**run, **size, **OWN_FIGURE}]}


def _assumed(answers: Answers, numbers: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if answers.accelerator is not None:
        found["accelerator"] = answers.accelerator
    for key in ("mfu", "price"):
        if key in numbers:
            found[key] = {"value": numbers[key], "source": OWN_FIGURE["source"]}
    return found


def _number(value: object) -> object:
    """Return a number as a file may have it; a range of a flag stays a text."""
    if isinstance(value, str):
        try:
            return float(value) if not value.isdigit() else int(value)
        except ValueError:
            return value
    return value
