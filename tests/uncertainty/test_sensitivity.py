from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from computebill.base.quantity import between, parse_quantity
from computebill.uncertainty.draws import Columns, Settings
from computebill.uncertainty.sensitivity import Driver, drivers

SETTINGS = Settings(2**14)
UNIT = [between(0, 1, "")] * 3


def ranked(output: object, count: int = 3, settings: Settings = SETTINGS) -> dict[str, Driver]:
    columns = Columns(UNIT[:count], list("abc")[:count], "cpu")
    found = drivers(columns, output, settings)  # type: ignore[arg-type]
    return {driver.assumption: driver for driver in found}


def test_a_sum_is_split_by_variance() -> None:
    found = ranked(lambda u: 3 * u[0] + 4 * u[1])
    assert list(found) == ["b", "a", "c"]
    for name, share in (("a", 9 / 25), ("b", 16 / 25), ("c", 0)):
        assert found[name].first_order == pytest.approx(share, abs=0.02)
        assert found[name].total == pytest.approx(share, abs=0.02)


def test_an_interaction_is_in_the_total_only() -> None:
    found = ranked(lambda u: (u[0] - 0.5) * (u[1] - 0.5))
    for name in ("a", "b"):
        assert found[name].first_order == pytest.approx(0, abs=0.03)
        assert found[name].total == pytest.approx(1, abs=0.03)


def test_ishigamis_function_has_its_published_shares() -> None:
    """Ishigami & Homma 1990, a = 7, b = 0.1: S = 0.3139, 0.4424, 0; T = 0.5576, 0.4424, 0.2437."""

    def ishigami(u: Tensor) -> Tensor:
        x = (2 * u - 1) * math.pi
        return x[0].sin() + 7 * x[1].sin() ** 2 + 0.1 * x[2] ** 4 * x[0].sin()

    found = ranked(ishigami)
    expected = {"a": (0.3139, 0.5576), "b": (0.4424, 0.4424), "c": (0.0, 0.2437)}
    for name, (alone, total) in expected.items():
        assert found[name].first_order == pytest.approx(alone, abs=0.03)
        assert found[name].total == pytest.approx(total, abs=0.03)


def test_what_does_not_vary_has_no_drivers() -> None:
    assert ranked(lambda u: torch.full_like(u[0], 0.1)) == {}
    columns = Columns([], [], "cpu")
    assert drivers(columns, lambda u: torch.ones(u.shape[1]), SETTINGS) == []


@pytest.mark.parametrize("samples", [1, 300, 2**20])
def test_any_number_of_samples_serves(samples: int) -> None:
    found = ranked(lambda u: u[0] + 0 * u[1], 2, Settings(samples))
    assert found["a"].total == pytest.approx(1, abs=0.1)
    assert found["b"].total == pytest.approx(0, abs=1e-12)


def test_a_shared_name_is_one_assumption() -> None:
    price = parse_quantity({"p10": 1, "p90": 2, "shared": "price"})
    columns = Columns([price, price, UNIT[0]], ["x", "y", "z"], "cpu")
    found = drivers(columns, lambda drawn: drawn.sum(0), SETTINGS)
    assert sorted(driver.assumption for driver in found) == ["price", "z"]


def test_the_json_form() -> None:
    assert Driver("x", 0.25, 0.5).to_dict() == {
        "assumption": "x",
        "first_order": 0.25,
        "total": 0.5,
    }
