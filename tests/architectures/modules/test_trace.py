"""A pass on the meta device counts what PyTorch does, and answers for values that are not there."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from computebill.architectures.modules.stacks import alike_layers, layer_paths
from computebill.architectures.modules.trace import Key, Pass, run, terms


class Layer(nn.Module):
    """A layer that asks for values: which rows, how many, in Python's own numbers."""

    def __init__(self, width: int, number: int) -> None:
        super().__init__()
        self.number = number
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, value: Tensor) -> Tensor:
        if bool((value > 0).all()) or value.sum().item() > 5:
            return value
        value[(value > 1).nonzero()[:, 0]].tolist()
        mask = torch.ones(value.shape[:1], dtype=torch.bool)
        kept = value[mask]
        return kept + self.down(self.up(kept)) @ (kept.T @ kept)


class Stack(nn.Module):
    """Layers, and a head."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.config = object()
        self.layers = nn.ModuleList(Layer(width, 7) for _ in range(count))
        self.head = nn.Linear(width, 11)

    def forward(self, value: Tensor) -> Tensor:
        for layer in self.layers:
            value = layer(value)
        return self.head(value)


def passed(rows: int, *, alike: bool = False) -> Pass:
    with torch.device("meta"):
        model = Stack(8, 3)
    value = torch.empty((rows, 8), device="meta")
    layers = layer_paths(model)
    assert layers == ["layers.0", "layers.1", "layers.2"]
    return run(model, lambda: model(value), alike_layers(model, layers) if alike else {})


def test_products_are_told_by_their_parameters() -> None:
    found = passed(5)
    assert found.flop[Key("layers.1.up", "layers.1.up.weight", 8, 32)] == 2 * 5 * 8 * 32
    assert found.flop[Key("head", "head.weight", 8, 11)] == 2 * 5 * 8 * 11
    # Two products without a parameter: 8 x 5 with 5 x 8, and 5 x 8 with that.
    assert found.flop[Key("layers.2")] == 2 * 2 * 5 * 8 * 8
    assert found.total == sum(found.flop.values())


def test_layers_that_are_alike_count_the_same_without_being_run() -> None:
    assert passed(5, alike=True).flop == passed(5).flop


def test_a_polynomial_is_found_from_three_passes() -> None:
    key = Key("attention")
    passes = [Pass(flop={key: 7.0 + 3.0 * n + 2.0 * n * n}) for n in (16, 24, 40)]
    assert terms((16, 24, 40), passes)[key] == pytest.approx((7.0, 3.0, 2.0))


def test_what_differs_in_an_attribute_is_not_alike() -> None:
    with torch.device("meta"):
        model = Stack(8, 3)
    model.layers[1].number = 8  # type: ignore[assignment]
    assert alike_layers(model, layer_paths(model)) == {"layers.2": "layers.0"}
