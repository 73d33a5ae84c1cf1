from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from computebill.base.errors import RequestError
from computebill.base.quantity import between, constant, parse_quantity
from computebill.uncertainty import draws
from computebill.uncertainty.draws import MOST_REPLICATES, Columns, Method, Settings, settings


@given(st.integers(1, 10**9))
def test_replicates_share_out_all_samples(samples: int) -> None:
    chosen = Settings(samples)
    sizes = chosen.sizes()
    assert sum(sizes) == samples
    assert max(sizes) - min(sizes) <= 1
    assert 1 <= chosen.replicates <= MOST_REPLICATES
    assert chosen.replicates == 1 or min(sizes) >= 256


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"samples": 0}, "samples: got 0"),
        ({"samples": -1}, "samples: got -1"),
        ({"samples": 2**30 + 1}, "samples: got 1073741825"),
        ({"seed": -1}, "seed: got -1"),
        ({"seed": 2**31}, "seed: got 2147483648"),
        ({"method": "halton"}, "method: got 'halton'; allowed: sobol, random"),
        ({"device": "gpu"}, "device: got 'gpu'"),
        ({"device": ""}, "device: got ''"),
        ({"device": "meta"}, "device: got 'meta'"),
        ({"device": "mps"}, "device: got 'mps'"),
        ({"device": "cuda:-1"}, "device: got 'cuda:-1'"),
        ({"device": "hpu"}, "device: got 'hpu'"),
        ({"device": "cuda:999"}, "device: got 'cuda:999'"),
        ({"device": "x" * 10_000}, "device: got 'xxx"),
    ],
)
def test_settings_that_cannot_be(request_: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        settings(**request_)
    assert field in str(caught.value)


def test_settings_by_default() -> None:
    chosen = settings(device="cpu")
    assert chosen == Settings(2**17, 0, "cpu", "sobol")
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert settings().device == expected


def columns() -> Columns:
    return Columns([between(0, 1, ""), between(2, 4, ""), constant(7)], ["a", "b", "c"], "cpu")


def gathered(chosen: Settings) -> dict[int, np.ndarray[Any, Any]]:
    found: dict[int, list[torch.Tensor]] = {}
    for replicate, points in columns().chunks(chosen):
        found.setdefault(replicate, []).append(points)
    return {key: torch.cat(chunks, dim=1).numpy() for key, chunks in found.items()}


@pytest.mark.parametrize("method", ["sobol", "random"])
@pytest.mark.parametrize("chunk", [1, 100, 1000])
def test_chunks_do_not_change_the_points(
    monkeypatch: pytest.MonkeyPatch, method: Method, chunk: int
) -> None:
    whole = gathered(Settings(700, 3, "cpu", method))
    monkeypatch.setattr(draws, "CHUNK", chunk)
    cut = gathered(Settings(700, 3, "cpu", method))
    assert list(whole) == [0, 1]
    for key, points in whole.items():
        assert points.shape == (2, 350)
        assert (points == cut[key]).all()


@pytest.mark.parametrize("method", ["sobol", "random"])
def test_seeds_and_replicates_are_different_points(method: Method) -> None:
    first, second = (gathered(Settings(4096, seed, "cpu", method)) for seed in (0, 1))
    rows = [*first.values(), *second.values()]
    assert len({row.tobytes() for row in rows}) == 32
    assert (gathered(Settings(4096, 0, "cpu", method))[5] == first[5]).all()


@pytest.mark.parametrize("method", ["sobol", "random"])
def test_points_fill_the_unit_square_evenly(method: Method) -> None:
    points = np.concatenate(list(gathered(Settings(2**15, 0, "cpu", method)).values()), axis=1)
    assert 0 < points.min() < points.max() < 1
    for row in points:
        assert stats.kstest(row, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(points)[0, 1]) < 0.02


def test_sobol_is_far_more_even_than_chance() -> None:
    errors = {}
    for method in ("sobol", "random"):
        means = [
            columns().points(Settings(4096, seed, "cpu", method), 0, 0, 4096).mean(1)  # type: ignore[arg-type]
            for seed in range(8)
        ]
        errors[method] = float((torch.stack(means) - 0.5).abs().mean())
    assert errors["sobol"] < errors["random"] / 20


def test_rows_are_drawn_in_their_own_units() -> None:
    points = torch.tensor([[0.25], [0.5]], dtype=torch.float64)
    assert columns().draw(points)[:, 0].tolist() == [0.25, 3.0, 7.0]
    assert columns().dimension_names == ["a", "b"]


def test_a_shared_name_is_one_dimension() -> None:
    shared = [parse_quantity({"low": 1, "high": 2, "shared": "x"}) for _ in range(3)]
    made = Columns([*shared, between(0, 1, "")], ["a", "b", "c", "d"], "cpu")
    assert made.dimension_names == ["x", "d"]
    values = made.draw(made.points(Settings(), 0, 0, 64))
    assert (values[0] == values[1]).all()


def test_nothing_uncertain_takes_no_points() -> None:
    made = Columns([constant(1), constant(2)], ["a", "b"], "cpu")
    assert made.dimensions == 0
    points = made.points(Settings(), 0, 0, 5)
    assert made.draw(points).tolist() == [[1.0] * 5, [2.0] * 5]


def test_more_dimensions_than_a_sobol_sequence_has() -> None:
    with pytest.raises(RequestError, match="got 21202 uncertain ones; allowed: 21201"):
        Columns([between(0, 1, "")] * 21_202, [""] * 21_202, "cpu")
