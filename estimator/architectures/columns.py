"""Architectures as the columns that kernels count in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from computebill.kernels.operators import Groups, Model, Operators

from .beside import UNADAPTED, elements_beside, is_adapted, low_rank, saved_operators
from .blocks import BYTES
from .operators import TOKEN, UNLIMITED, Architecture, Beside, Count, LayerKind, Layers, Operator

NOTHING = Operator("", copies=0, uses=0)
NO_LAYERS = Layers(0, 1, 0, 0)
BEFORE, AFTER = 1, 2
EMPTY = {"ways": UNLIMITED, "window": UNLIMITED, "step": 1.0}
"""Values of a slot or group that an architecture does not use, where they are not zero."""


@dataclass(frozen=True)
class Columns:
    """A batch of architectures.

    Attributes:
        operators: ``(groups, slots, *batch)``.
        groups: ``(groups, *batch)``.
        names: the operator's name in each group and slot, where all of the batch share it.
        hidden: width of the residual stream; ``(*batch)``.
        layers: number of layers.
        vocabulary: entries of the output.
    """

    operators: Operators
    groups: Groups
    names: tuple[tuple[str, ...], ...]
    hidden: Tensor
    layers: Tensor
    vocabulary: Tensor

    @property
    def model(self) -> Model:
        """What kernels of a training step take."""
        return Model(self.operators, self.groups, self.hidden, self.layers, self.vocabulary)


def columns(architecture: Architecture, beside: Beside = UNADAPTED, device: str = "cpu") -> Columns:
    """Return one architecture, or many of one form whose sizes are tensors, as columns.

    Args:
        architecture: sizes are numbers, or tensors of one shape.
        beside: what is trained beside frozen weights.
        device: device of the columns.

    Returns:
        columns whose batch is ``(1,)``, or the shape of the sizes.

    Raises:
        ValueError: where figures are told for a sample or an image; see ``Architecture.at``.
    """
    if any(each.of != TOKEN for each in architecture.operators()):
        raise ValueError(f"{architecture.model_type}: its figures are not those of a token yet")
    kinds = [
        (BEFORE, LayerKind(architecture.inputs, NO_LAYERS)),
        *((0, kind) for kind in architecture.kinds),
        (AFTER, LayerKind(architecture.outputs, NO_LAYERS)),
    ]
    slots = max(len(kind.operators) for _, kind in kinds)
    saved = {id(each) for each in saved_operators(architecture, beside)}
    grid = [[*kind.operators, *[NOTHING] * (slots - len(kind.operators))] for _, kind in kinds]

    def field(name: str) -> Tensor:
        values = _stacked([v for row in grid for v in value(row, name)], device)
        return values.reshape(len(grid), slots, *values.shape[1:])

    def value(row: Sequence[Operator], name: str) -> list[Count]:
        if name == "adapted":
            return [float(is_adapted(each, beside)) for each in row]
        if name == "low_rank":
            return low_rank(row, beside)
        if name == "beside":
            return [elements_beside(each, beside, is_saved=id(each) in saved) for each in row]
        if name == "saved":
            return [float(id(each) in saved) for each in row]
        if name == "saved_result":
            return _saved_results(row)
        if name == "unread":
            return _unread(row)
        if name == "together":
            return _together(row)
        return [cast(Count, getattr(operator, name)) for operator in row]

    def layers(name: str) -> Tensor:
        return _stacked([getattr(kind.layers, name) for _, kind in kinds], device)

    return Columns(
        operators=Operators(*(field(name) for name in Operators._fields)),
        groups=Groups(
            first=layers("first"),
            step=layers("step"),
            run=layers("run"),
            stop=layers("stop"),
            tokens=_stacked([kind.tokens for _, kind in kinds], device),
            place=_stacked([float(place) for place, _ in kinds], device),
        ),
        names=tuple(tuple(operator.name for operator in row) for row in grid),
        hidden=_stacked([architecture.hidden], device)[0],
        layers=_stacked([architecture.layer_count], device)[0],
        vocabulary=_stacked([architecture.vocabulary], device)[0],
    )


def stacked(batches: Sequence[Columns]) -> Columns:
    """Return several batches as one; groups and slots that one of them lacks are empty."""
    groups = max(each.operators.d_in.shape[0] for each in batches)
    slots = max(each.operators.d_in.shape[1] for each in batches)

    def padded(value: Tensor, sizes: Sequence[int], empty: float) -> Tensor:
        whole = value.new_full((*sizes, *value.shape[len(sizes) :]), empty)
        whole[tuple(slice(0, size) for size in value.shape[: len(sizes)])] = value
        return whole

    def joined(part: str, name: str, sizes: Sequence[int]) -> Tensor:
        values = [getattr(getattr(each, part), name) for each in batches]
        return torch.cat([padded(each, sizes, EMPTY.get(name, 0.0)) for each in values], dim=-1)

    return Columns(
        operators=Operators(
            *(joined("operators", name, (groups, slots)) for name in Operators._fields)
        ),
        groups=Groups(*(joined("groups", name, (groups,)) for name in Groups._fields)),
        names=(),
        hidden=torch.cat([each.hidden for each in batches]),
        layers=torch.cat([each.layers for each in batches]),
        vocabulary=torch.cat([each.vocabulary for each in batches]),
    )


def _saved_results(row: Sequence[Operator]) -> list[Count]:
    """Bytes of the results that recomputation by operator keeps: attention, every second product.

    PyTorch's selective checkpointing, as torchtitan sets it up (Liang et al. 2024, arXiv
    2410.06511, section 2.1.3).
    """
    saved: list[Count] = []
    products = 0
    for operator in row:
        is_product = isinstance(operator.d_in, Tensor) or operator.d_in > 0
        products += is_product
        keeps = products % 2 == 1 if is_product else True
        saved.append(BYTES * operator.result if keeps else 0)
    return saved


def _unread(row: Sequence[Operator]) -> list[Count]:
    """1 of a layer's last product, where nothing in the layer reads its result; else 0.

    A norm after the block does, and so do the weights of a mixture's experts. Of layers with two
    norms, both are taken to come before their block.
    """
    products = [place for place, each in enumerate(row) if each.by_input]
    norms = [place for place, each in enumerate(row) if each.name == "norm"]
    reads = len(norms) > 2 or any(each.expert for each in row)
    last = products[-1] if products else len(row)
    if reads or (norms and norms[-1] > last):
        return [0.0] * len(row)
    return [float(place == last) for place in range(len(row))]


def _together(row: Sequence[Operator]) -> list[Count]:
    """Outputs of the products of one name and input: queries, keys and values; gate and up."""
    keys = [
        (each.name, id(each.d_in) if isinstance(each.d_in, Tensor) else each.d_in) for each in row
    ]
    totals: dict[tuple[str, float], Count] = {}
    for each, key in zip(row, keys, strict=True):
        if not each.by_input:
            totals[key] = totals.get(key, 0) + each.d_out
    return [
        each.d_out if each.by_input else totals[key] for each, key in zip(row, keys, strict=True)
    ]


def _stacked(values: Sequence[Count], device: str) -> Tensor:
    shape = next((value.shape for value in values if isinstance(value, Tensor)), None)
    if shape is None:
        # One tensor at once: made one by one they would take most of a small count's time.
        plain = [float(value) for value in values]
        return torch.tensor(plain, dtype=torch.float64, device=device).unsqueeze(1)
    return torch.stack(
        [
            torch.as_tensor(value, dtype=torch.float64, device=device).expand(shape)
            for value in values
        ]
    )
