"""What training software holds for each parameter, and what trainers set: a table, read."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

RECIPES_FILE = Path(__file__).with_name("recipes.toml")

Recipe = Literal[
    "megatron",
    "megatron-fp8",
    "deepspeed",
    "deepspeed-bf16",
    "fsdp",
    "bf16",
    "bf16-foreach",
    "fp32",
    "amp",
    "trl",
    "torchtune",
    "axolotl",
    "llama-factory",
    "unsloth",
    "fsdp2",
]
"""Names of bookkeepings, and of trainers, each with a bookkeeping and settings."""

OF_TORCH = ("fsdp", "bf16", "bf16-foreach", "fp32", "amp")
"""Bookkeepings of PyTorch itself: tensor parallel products keep what they gather, and the
loss is a function of the user's."""

Optimizer = Literal[
    "adamw",
    "adamw-8bit",
    "paged-adamw",
    "paged-adamw-8bit",
    "adafactor",
    "sgd",
    "sgd-momentum",
    "lion",
    "lion-8bit",
    "paged-lion-8bit",
    "muon",
]

Weights = Literal["fp32", "bf16", "fp8", "int8", "nf4", "nf4-single", "gptq", "mxfp4", "nvfp4"]


class Bytes(NamedTuple):
    """What a mixed-precision recipe holds for each parameter, in bytes; see ``recipes.toml``."""

    weight: float
    gathered: float
    gradient: float
    master: float
    moment: float
    source: str
    step: float = 0.0
    copy: float = 0.0
    activation: float = 2.0
    input: float = 2.0
    keeps_gradients: bool = True
    whole_gradients: bool = False
    sends_gradients: bool = False
    host_factor: float = 1.0
    host_load: float = 0.0


class Moments(NamedTuple):
    """Bytes of an optimizer's moments for each parameter: of matrices in layers, of all else.

    Attributes:
        matrix: of a parameter of a matrix in a layer [B].
        other: of all others [B].
        source: where that is from.
        scales: whether they are in the type of the recipe's moments; the figures are of 4 bytes.
        paged: whether they come from the host page by page, where there is no room.
        names: other names.
    """

    matrix: float
    other: float
    source: str
    scales: bool = False
    paged: bool = False
    names: tuple[str, ...] = ()

    def held(self, recipe: Bytes) -> tuple[float, float]:
        """Return bytes of a matrix's parameter and of all others under a recipe."""
        width = recipe.moment / 4.0 if self.scales else 1.0
        return self.matrix * width, self.other * width


class Resting(NamedTuple):
    """What weights may rest in.

    Attributes:
        bytes: of a weight of a matrix in a layer [B].
        source: where that is from.
        frozen: whether only frozen weights can.
        names: other names.
    """

    bytes: float
    source: str
    frozen: bool = False
    names: tuple[str, ...] = ()


class Trainer(NamedTuple):
    """A preset by a trainer's name.

    Attributes:
        title: the trainer's name, for people.
        bookkeeping: its recipe, where weights are trained.
        source: where its settings are from.
        settings: fields of a layout that it sets where its user does not.
        frozen: what frozen weights rest in, where its user does not say.
        loss_parts: parts of a micro-batch's tokens whose logits are made one after the other.
        loss_chunk: tokens of such a part, in place of their number.
        micro_batches: micro-batches of a step where nobody says.
        degrees: degrees of a layout that a search tries where nobody gives any.
        degrees_source: where it is from that the trainer has no others.
    """

    title: str
    bookkeeping: str
    source: str
    settings: Mapping[str, Any]
    frozen: str | None = None
    loss_parts: int | None = None
    loss_chunk: int | None = None
    micro_batches: int | None = None
    degrees: Mapping[str, tuple[int, ...]] = MappingProxyType({})
    degrees_source: str = ""


_TABLES = tomllib.loads(RECIPES_FILE.read_text(encoding="utf-8"))


def _rows(table: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a table's rows by name; lists become tuples, whole numbers that are bytes stay so."""
    for name, fields in _TABLES[table].items():
        yield name, {key: _fixed(value) for key, value in fields.items()}


def _fixed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _fixed(each) for key, each in value.items()}
    return tuple(value) if isinstance(value, list) else value


RECIPES: dict[str, Bytes] = {name: Bytes(**row) for name, row in _rows("bookkeeping")}
MOMENTS: dict[str, Moments] = {name: Moments(**row) for name, row in _rows("optimizers")}
WEIGHTS: dict[str, Resting] = {name: Resting(**row) for name, row in _rows("weights")}
TRAINERS: dict[str, Trainer] = {name: Trainer(**row) for name, row in _rows("trainers")}
MODULES: dict[str, tuple[str, ...]] = {
    name: tuple(found) for name, found in _TABLES["modules"].items()
}


def spelled(table: Mapping[str, Moments] | Mapping[str, Resting], name: object) -> object:
    """Return a name as a table has it: ``paged_adamw_8bit`` is ``paged-adamw-8bit``.

    What is not known is returned as it is.
    """
    if not isinstance(name, str):
        return name
    plain = name.lower().replace("_", "-")
    found = (key for key, row in table.items() if plain == key or plain in row.names)
    return next(found, name)
