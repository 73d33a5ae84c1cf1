"""Programmes by name or file: the shipped ones, their variants, their regressions' models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from computebill.base.errors import RequestError, shown
from computebill.base.quantity import parse_number, parse_quantity
from computebill.base.specfile import (
    as_data,
    is_file_name,
    parse_toml,
    read_text,
    table_rows,
    validate,
)
from computebill.costs.price_lists import Asked, listed_price
from computebill.hardware.accelerators import find_accelerator

from .changes import changed_data
from .spec import BASE_VARIANT, SIZE_KEYS, Change, Programme
from .variants import apply_change

SHIPPED = resources.files(__package__) / "shipped"
PUBLISHED = ["openai-2024", "minimax-2025", "zai-2025"]
"""Programmes whose shares were published; they come first."""

MOST_NEAR = 3
NEAR = 0.6
"""How alike two spellings are at least, of 1, that one is told for the other."""
LONGEST_NAME = 100
"""Characters of a name that are compared."""

BY_FLAG = "price-as-given"
"""Source of a price that a flag gives."""


class RegressionModel(NamedTuple):
    """One published model of a regression."""

    params: float
    size: float
    flop: float


class LoadedProgramme(NamedTuple):
    """A programme file as read: its validated form, its variants, and where it came from."""

    name: str
    data: dict[str, Any]
    folder: Path | None
    programme: Programme
    text: str = ""
    """The file itself; empty where it came as data."""
    changes: tuple[str, ...] = ()
    """What flags changed of it, as they were given."""

    def changed(self, texts: Sequence[str]) -> LoadedProgramme:
        """Return the programme with changes of its file, ``assumptions.price=2.5..4``.

        Raises:
            RequestError: naming the path that leads nowhere, or the field that is wrong then.
        """
        if not texts:
            return self
        data = changed_data(self.data, texts)
        programme = validate(Programme, data, self.name)
        found = self._replace(data=data, programme=programme, changes=tuple(texts))
        for variant in programme.variants:
            found.stages(variant.name)
        return found

    def __repr__(self) -> str:
        """Return its name and title in one line."""
        return f"<LoadedProgramme {self.name}: {self.programme.title}>"

    def stages(self, variant: str) -> list[tuple[Change | None, Programme]]:
        """Return the programme as published and after each change of ``variant``.

        Raises:
            RequestError: where there is no such variant, or a change does not fit.
        """
        stages: list[tuple[Change | None, Programme]] = [(None, self.programme)]
        if variant in (BASE_VARIANT, self.programme.base_name):
            return stages
        names = [known.name for known in self.programme.variants]
        if variant not in names:
            allowed = ", ".join([self.programme.base_name, *names])
            raise RequestError("variant", f"got {shown(variant)}; allowed: {allowed}")
        place = names.index(variant)
        data = self.data
        for i, change in enumerate(self.programme.variants[place].changes):
            field = f"{self.name}: variants[{place}].changes[{i}]"
            data = apply_change(data, change.model_dump(), SIZE_KEYS, field)
            stages.append((change, validate(Programme, data, field)))
        return stages

    @property
    def takes_price(self) -> bool:
        """Whether a price of an hour says anything of it."""
        return self.programme.basis in ("dollars", "hours")

    def priced(self, price: str) -> LoadedProgramme:
        """Return the programme with another price of an accelerator's hour.

        Args:
            price: USD, a number or a range, ``1.5..3``.

        Raises:
            RequestError: where nothing is told in hours, or the price cannot be read.
        """
        if not self.takes_price:
            has_none = f"{self.name} is counted in {self.programme.counted_in.unit}, not in hours"
            raise RequestError("--price", f"{has_none}; allowed: programmes in hours or dollars")
        try:
            parse_quantity(price)
        except ValueError as error:
            raise RequestError("--price", str(error)) from None
        return self._with_price(price, "--price", "USD per accelerator-hour, as given.")

    def listed(
        self, prices: str | Path, asked: Asked, accelerator: str | None = None
    ) -> LoadedProgramme:
        """Return the programme with what a price list says of its accelerator.

        Args:
            prices: file of the list, or a folder of lists.
            asked: which of its prices.
            accelerator: whose; of the programme's runs where None.

        Raises:
            RequestError: where nothing is told in hours, the programme names no accelerator, or
                the list has no price of it.
        """
        name = accelerator or self.programme.assumptions.accelerator
        if not self.takes_price or name is None:
            why = "names no accelerator that its runs share; allowed: with --accelerator NAME"
            if not self.takes_price:
                unit = self.programme.counted_in.unit
                why = f"is counted in {unit}; allowed: programmes in hours or dollars"
            raise RequestError("--prices", f"{self.name} {why}")
        found = listed_price(prices, find_accelerator(name), asked)
        return self._with_price(
            found.as_field, "--prices", f"USD per accelerator-hour; {found.source}."
        )

    def _with_price(
        self, price: str | float | Mapping[str, float], flag: str, note: str
    ) -> LoadedProgramme:
        assumed = {"value": price, "source": BY_FLAG, "note": note}
        data = {
            **self.data,
            "sources": {**self.data["sources"], BY_FLAG: {"title": f"{flag} on the command line"}},
            "assumptions": {**self.data.get("assumptions", {}), "price": assumed},
        }
        return self._replace(data=data, programme=validate(Programme, data, self.name))

    def regression_models(self) -> dict[str, list[RegressionModel]]:
        """Read the published models that the programme's regressions go through."""
        name = self.programme.regression_models
        if name is None:
            text = SHIPPED.joinpath("regression_models.csv").read_text(encoding="utf-8")
            return parse_regression_models(text, "regression_models.csv")
        path = (self.folder or Path()) / name
        return parse_regression_models(read_text(path), str(path))


def shipped_programmes(grade: str = "C") -> list[str]:
    """Return the names of the programmes that ship, in the order they are told about.

    Args:
        grade: worst grade of those to return, A, B or C; each file states its own.
    """
    found = {Path(str(file)).stem for file in SHIPPED.iterdir() if str(file).endswith(".toml")}
    names = sorted(found, key=lambda name: (name not in PUBLISHED, name))
    names[: len(PUBLISHED)] = PUBLISHED
    return [name for name in names if grade >= "C" or _stated_grade(name) <= grade]


def _stated_grade(name: str) -> str:
    """Return the grade that a shipped file states; what states none is of the last."""
    found = re.search(r'^grade = "([ABC])"', _text_of(name), re.MULTILINE)
    return found[1] if found else "C"


def _text_of(name: str) -> str:
    return SHIPPED.joinpath(f"{name}.toml").read_text(encoding="utf-8")


def named_programmes(name: str) -> list[str]:
    """Return what a name stands for: itself, or all shipped programmes that it begins a word of.

    Raises:
        RequestError: where those are of several organisations.
    """
    shipped = shipped_programmes()
    if name in shipped or is_file_name(name) or not name:
        return [name]
    found = [each for each in shipped if f"-{name.casefold()}" in f"-{each}"]
    if len({each.partition("-")[0] for each in found}) > 1:
        raise RequestError(
            "programme",
            f"got {shown(name)}, of several organisations; allowed: one of {', '.join(found)}",
        )
    return found or [name]


def load_programme(
    source: str | Path | Mapping[str, Any] | Programme | LoadedProgramme,
) -> LoadedProgramme:
    """Load a programme, its variants checked.

    Args:
        source: a shipped name, a TOML file, the data of one, or a Programme.

    Raises:
        RequestError: naming the file and the field.
    """
    if isinstance(source, LoadedProgramme):
        return source
    if isinstance(source, str | Path):
        name, text, folder = _read(source)
        shown_as, data = str(source), parse_toml(text, str(source))
    else:
        name, shown_as, folder, text = "programme", "programme", None, ""
        data = as_data(source)
    loaded = LoadedProgramme(name, data, folder, validate(Programme, data, shown_as), text)
    for variant in loaded.programme.variants:
        loaded.stages(variant.name)
    return loaded


def _read(name: str | Path) -> tuple[str, str, Path | None]:
    """Return a programme's name, text and folder; a shipped one has no folder."""
    text_name = str(name)
    path = Path(name)
    if not isinstance(name, Path) and text_name in shipped_programmes():
        text, folder = _text_of(text_name), None
    elif is_file_name(name):
        text, folder = read_text(path), path.parent
        text_name = path.stem.encode(errors="replace").decode()
    else:
        known = shipped_programmes()
        near = ", ".join(_nearest(text_name, known))
        told = f"got {shown(text_name)}; " + (f"nearest: {near}; " if near else "")
        raise RequestError("programme", f"{told}allowed: {', '.join(known)}, or a TOML file")
    return text_name, text, folder


def _nearest(text: str, known: Sequence[str]) -> list[str]:
    """Return the programmes that are spelt, whole or in a word, most like ``text``."""
    plain = text.casefold()[:LONGEST_NAME]
    wholes = get_close_matches(plain, known, MOST_NEAR, NEAR)
    words = dict.fromkeys(word for name in known for word in name.split("-") if word.isalpha())
    like = get_close_matches(plain, list(words), 1, NEAR)
    return wholes or [name for name in known if like and like[0] in name.split("-")]


def parse_regression_models(text: str, name: str) -> dict[str, list[RegressionModel]]:
    """Read a table of published models: regression, parameters, size, training_flop.

    Raises:
        RequestError: naming the row and the column.
    """
    needed = ("regression", "parameters", "size", "training_flop")
    models: dict[str, list[RegressionModel]] = {}
    for number, row in enumerate(table_rows(text, name, needed), start=1):
        values = [_positive(row, key, f"{name}: row {number}") for key in needed[1:]]
        models.setdefault(row["regression"], []).append(RegressionModel(*values))
    return models


def _positive(row: Mapping[str, str | None], key: str, place: str) -> float:
    try:
        number = parse_number(row[key])
    except ValueError as error:
        raise RequestError(f"{place}: {key}", str(error)) from None
    if number <= 0:
        raise RequestError(f"{place}: {key}", f"got {number:g}; allowed: above 0")
    return number
