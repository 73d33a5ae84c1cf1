"""Generations of training software: what each can do, and which one a framework and a date mean."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, get_args

from computebill.base.assumptions import GIVEN
from computebill.base.errors import RequestError, shown

FRAMEWORKS_FILE = Path(__file__).with_name("frameworks.toml")

PLAIN = "pytorch"
"""What a framework is whose name is not known."""

Stage = TypeVar("Stage")

Software = Literal[
    "early", "megatron", "eager", "fused", "modern", "graphed", "compiled", "scripts"
]
"""Training software, by what it does with element-wise kernels and communication.

early: DeepSpeed pipelines and plain attention, to 2022; megatron: Megatron-LM to 2022, some
kernels fused; eager: PyTorch FSDP and its like, with flash attention; fused: Transformer Engine,
communication behind products; modern: the same from 2025 on; graphed: the same
from June 2026 on, experts' kernels in CUDA graphs; compiled: XLA; scripts: fine-tuning
scripts, bound by the host.
"""


SOFTWARE: tuple[Software, ...] = get_args(Software)


LACKS: dict[str, dict[str, tuple[int, ...]]] = {
    "early": {"vpp": (1,), "cp": (1,)},
    "megatron": {"cp": (1,)},
    "scripts": {"tp": (1,), "pp": (1,), "cp": (1,)},
}
"""Choices of a layout that a generation of software has, where it lacks others: DeepSpeed's
pipelines do not interleave; context parallelism came to Megatron in 2023."""


class Running(NamedTuple):
    """What a framework does at a date.

    Attributes:
        framework: its name in the table of frameworks.
        title: its name, for people.
        is_known: whether that is what was asked for; a name that is not known is plain PyTorch.
        software: generation of it.
        attention: its attention kernel: unfused, flash1, flash2, flash3, sdpa, fused.
        kernels: fused, where it fuses element-wise kernels if nobody says otherwise; else eager.
        options: fields of a layout that words after the name set.
        recipe: what mixed precision holds for each parameter; None where ZeRO decides.
        loss: how its loss is computed.
        compiled_loss: the same where kernels are fused.
        reduces: bits of a gradient on its way between replicas, where it is known to differ from
            its generation's.
        experts: looped, where experts are computed one after the other; else grouped.
        checkpoints: whole or needed: what its checkpoints of layers compute again, where it is
            known to differ from its generation's.
    """

    framework: str
    title: str
    is_known: bool
    software: Software
    attention: str
    kernels: Literal["eager", "fused"]
    options: Mapping[str, str]
    recipe: str | None
    loss: str
    compiled_loss: str
    reduces: str | None
    experts: str
    checkpoints: str | None

    @property
    def settings(self) -> dict[str, str]:
        """Fields of a layout that the framework decides where its user does not."""
        found = {"attention": "unfused", "kernels": self.kernels, "experts": self.experts}
        if self.attention != "unfused":
            found |= {"attention": "flash", "attention_kernel": self.attention}
        if self.reduces is not None:
            found["reduce_bits"] = self.reduces
        if self.checkpoints is not None:
            found["early_stop"] = "true" if self.checkpoints == "needed" else "false"
        if self.recipe is not None:
            found["recipe"] = self.recipe
        if self.loss_of(self.kernels) != "plain":  # a trainer's recipe may know better
            found["loss"] = self.loss_of(self.kernels)
        return {**found, **self.options}

    def loss_of(self, kernels: str) -> str:
        """How the loss is computed beside fused or eager kernels."""
        return self.options.get("loss", self.compiled_loss if kernels == "fused" else self.loss)

    def told(self, asked: str, day: dt.date | None) -> str:
        """Return why, as an assumption is told."""
        when = "of today" if day is None else f"in {day:%B %Y}"
        if self.is_known:
            return f"{self.title} {when} (training/frameworks.toml)"
        return f"framework {asked}: not known, so {self.title} {when}"


PLAIN_LOSS = ((0.0, "plain"),)


class _Framework(NamedTuple):
    title: str
    software: tuple[tuple[float, Software], ...]
    attention: tuple[tuple[float, str], ...]
    kernels: Literal["eager", "fused"]
    recipe: tuple[tuple[float, str], ...] | None
    loss: tuple[tuple[float, str], ...]
    compiled_loss: tuple[tuple[float, str], ...]
    reduces: str | None
    experts: tuple[tuple[float, str], ...]
    checkpoints: tuple[tuple[float, str], ...]


def running(framework: str, year: float | None) -> Running:
    """Return what a framework does in a year, or today.

    Args:
        framework: any name in use; parts after a known one are versions and options.
        year: of its release, 2024.5 for July 2024; the newest if not known.
    """
    name = _find(framework)
    found = _frameworks()[0][name or PLAIN]
    return Running(
        framework=name or PLAIN,
        title=found.title,
        is_known=name is not None,
        software=_at(found.software, year),
        attention=_at(found.attention, year),
        kernels=found.kernels,
        options=_options(framework),
        recipe=None if found.recipe is None else _at(found.recipe, year),
        loss=_at(found.loss, year),
        compiled_loss=_at(found.compiled_loss, year),
        reduces=found.reduces,
        experts=_at(found.experts, year),
        checkpoints=_at(found.checkpoints, year) if found.checkpoints else None,
    )


class Choice(NamedTuple):
    """Software that a step is timed on.

    Attributes:
        software: generation of it.
        settings: fields of a layout that it decides where its user does not.
        source: why, as an assumption is told.
        is_known: whether somebody named it, by a name that is known.
        framework: its name in the table of frameworks, where one was named and is known.
        year: of its release; the newest if not known.
    """

    software: Software
    settings: Mapping[str, str]
    source: str
    is_known: bool = True
    framework: str | None = None
    year: float | None = None


def choose_software(
    software: str, framework: str | None, day: dt.date | None, *, is_given: bool
) -> Choice:
    """Return the software that a user means.

    Args:
        software: name of a generation.
        framework: name of a framework in its place, or None.
        day: of the run; of a framework without one, today's release is meant.
        is_given: whether the generation was named, or is the default.

    Raises:
        RequestError: where there is no such generation.
    """
    if framework is None:
        source = GIVEN if is_given else "assumed (the default; none was named)"
        return Choice(read_software(software), {}, source, is_given)
    year = year_of(day)
    found = running(framework, year)
    told = found.told(framework, day)
    name = found.framework if found.is_known else None
    return Choice(found.software, found.settings, told, found.is_known, name, year)


def year_of(day: dt.date | None) -> float | None:
    """Return a day as a year, to the month."""
    return None if day is None else month_of(day.year, day.month)


def month_of(year: int, month: int) -> float:
    """Return a month as a year: its first day."""
    return year + (month - 1) / 12


def read_month(text: str) -> float:
    """Return a month, as the tables have it, as a year: ``2024-07`` is 2024.5."""
    year, month = text.split("-")
    return month_of(int(year), int(month))


def _find(framework: str) -> str | None:
    """Return a framework by any of its names: whole, the longest that it begins with, or a part."""
    spelled = _frameworks()[1]
    words = re.split(r"[^a-z0-9.]+", framework.lower().strip())
    for length in range(len(words), 0, -1):
        found = spelled.get("-".join(words[:length]))
        if found is not None:
            return found
    # "accelerate+deepspeed" begins with a known name; "my-deepspeed" holds one.
    return next((spelled[word] for word in words if word in spelled), None)


def _options(framework: str) -> dict[str, str]:
    """Return what words after a framework's name set."""
    words, options = framework.lower().split(), _options_by_word()
    return {name: value for word in words[1:] for name, value in options.get(word, {}).items()}


def _at(history: tuple[tuple[float, Stage], ...], year: float | None) -> Stage:
    """Return what holds at a date; before the first entry, the first."""
    reached = [value for since, value in history if year is None or since <= year]
    return reached[-1] if reached else history[0][1]


@cache
def _options_by_word() -> dict[str, dict[str, str]]:
    options: dict[str, dict[str, str]] = _table()["options"]
    return options


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(FRAMEWORKS_FILE.read_text(encoding="utf-8"))


@cache
def _frameworks() -> tuple[dict[str, _Framework], dict[str, str]]:
    """Read the table: frameworks by name, and names by spelling."""
    data = _table()

    def losses(each: Mapping[str, str], *keys: str) -> tuple[tuple[float, str], ...]:
        known = (_history(histories["loss"][each[key]]) for key in keys if key in each)
        return next(known, PLAIN_LOSS)

    histories = data["histories"]
    table: dict[str, _Framework] = {}
    spelled: dict[str, str] = {}
    for name, each in data["frameworks"].items():
        generations = _history(histories["generation"][each["generation"]])
        table[name] = _Framework(
            title=each["title"],
            software=tuple((since, read_software(value)) for since, value in generations),
            attention=_history(histories["attention"][each["attention"]]),
            kernels=each["kernels"],
            recipe=_history(histories["recipe"][each["recipe"]]) if "recipe" in each else None,
            loss=losses(each, "loss"),
            compiled_loss=losses(each, "compiled_loss", "loss"),
            reduces=each.get("reduces"),
            experts=_history(histories["experts"][each.get("experts", "kernel")]),
            checkpoints=_history(histories["checkpoints"].get(each.get("checkpoints"), {})),
        )
        spelled |= dict.fromkeys((name, *each["names"]), name)
    return table, spelled


def _history(months: Mapping[str, str]) -> tuple[tuple[float, str], ...]:
    return tuple(sorted((read_month(text), value) for text, value in months.items()))


def read_software(value: str) -> Software:
    """Return a generation of software by its name.

    Raises:
        RequestError: where there is none of it.
    """
    for each in SOFTWARE:
        if value == each:
            return each
    raise RequestError("software", f"got {shown(value)}; allowed: {', '.join(SOFTWARE)}")


def number_format(precision: str) -> str:
    """Return the class of a precision: ``16`` or ``32`` for all of so many bits, else its name."""
    return {"bf16": "16", "fp16": "16", "fp32": "32", "tf32": "32"}.get(precision, precision)
