"""The shipped programmes against what was published, and what must hold of any programme."""

from __future__ import annotations

import csv
import math
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from labs import NAMES, ONE_RUN, estimated

from computebill.base.errors import RequestError
from computebill.programmes.loading import load_programme
from computebill.programmes.spec import Programme
from computebill.programmes.spend import compare_spend

PUBLISHED = Path(__file__).parents[1] / "data" / "published_results.csv"
OPENAI_RUNS = {
    "GPT-4.5 final run": "GPT-4.5",
    "other released models Q2 2024 - Q1 2025": "Other released models",
}
SMALLEST_RUN = 0.3
"""Million USD: smaller runs were printed with too few digits to compare."""


class Published(NamedTuple):
    developer: str
    quantity: str
    figures: dict[str, str]


def published() -> list[Published]:
    lines = [line for line in PUBLISHED.read_text().splitlines() if not line.startswith("#")]
    found = []
    for row in csv.DictReader(lines):
        figures = {key: row[key] for key in ("p5", "p50", "p95") if row[key]}
        found.append(Published(row["developer"], row["quantity"], figures))
    return found


def last_digit(printed: str) -> float:
    """One unit in the last place that was printed."""
    exponent = Decimal(printed).as_tuple().exponent
    assert isinstance(exponent, int)
    return float(10.0**exponent)


def is_run(row: Published) -> bool:
    if row.developer == "regressions" or row.quantity.startswith("final_"):
        return False
    return float(row.figures["p50"]) > SMALLEST_RUN


RUNS = [row for row in published() if is_run(row)]
TOTALS = [row for row in published() if row.quantity == "final_runs"]
SHARES = [row for row in published() if row.quantity == "final_share"]
REGRESSIONS = [row for row in published() if row.developer == "regressions"]


def label(row: Published) -> str:
    return f"{row.developer}: {row.quantity}"


@pytest.mark.parametrize("row", [*TOTALS, *RUNS], ids=label)
def test_costs_are_the_published_ones(row: Published) -> None:
    estimate = estimated(NAMES[row.developer])
    if row.quantity == "final_runs":
        found = estimate.totals.final_runs
    else:
        name = OPENAI_RUNS.get(row.quantity, row.quantity)
        (found,) = [run.cost_usd for run in estimate.runs if run.run.name == name]
    for key, printed in row.figures.items():
        tolerance = 0.02 if key == "p50" else 0.04
        margin = max(tolerance * float(printed), last_digit(printed))
        assert getattr(found, key) / 1e6 == pytest.approx(float(printed), abs=margin), key


@pytest.mark.parametrize("row", SHARES, ids=label)
def test_shares_are_the_published_ones(row: Published) -> None:
    share = estimated(NAMES[row.developer]).totals.final_share
    for key, printed in row.figures.items():
        assert getattr(share, key) * 100 == pytest.approx(float(printed), abs=0.5), key


@pytest.mark.parametrize("row", REGRESSIONS, ids=label)
def test_regressions_are_the_published_ones(row: Published) -> None:
    model = row.quantity.removeprefix("regression FLOP: ")
    runs = [*estimated("minimax-2025").runs, *estimated("zai-2025").runs]
    (run,) = [r for r in runs if r.prediction and r.run.name.split(" (")[0] == model]
    assert run.prediction is not None
    for key, printed in row.figures.items():
        assert getattr(run.prediction.line, key) == pytest.approx(float(printed), rel=0.04), key


def test_openai_interval_lies_inside_the_sum_of_end_points() -> None:
    share = estimated("openai-2024").totals.final_share
    assert 0.039 < share.p5 < share.p95 < 0.265


def test_gpt_4_5_follows_from_its_inputs() -> None:
    (run,) = [r for r in estimated("openai-2024").runs if r.run.name == "GPT-4.5"]
    for value, printed in zip(
        (run.cost_usd.p5, run.cost_usd.p50, run.cost_usd.p95), (170, 386, 890), strict=True
    ):
        assert value / 1e6 == pytest.approx(printed, rel=0.05)
    # 40-100 thousand chips and 90-165 days, log-normal: the median is the geometric mean.
    assert run.gpu_hours.p50 == pytest.approx((40e3 * 100e3 * 90 * 165) ** 0.5 * 24, rel=0.002)


@pytest.mark.parametrize(
    ("name", "usd"),
    [
        ("openai-2024", 5.0e9),
        ("minimax-2025", (140.642 - 103.114 + 142.397) * 1e6),
        ("zai-2025", (1552.832 - 603.237 + 1145.124) * 1e6 / 7.2),
    ],
)
def test_reported_spend_adds_up(name: str, usd: float) -> None:
    estimate = estimated(name)
    assert estimate.reported["rnd_compute_usd"] == pytest.approx(usd, rel=1e-12)
    assert estimate.totals.rnd_compute.p50 == pytest.approx(usd, rel=1e-12)


@pytest.mark.parametrize("name", NAMES.values())
def test_printed_figures_are_converged(name: str) -> None:
    estimate = estimated(name)
    assert estimate.totals.final_share.relative_error < 0.003
    assert estimate.totals.final_runs.relative_error < 0.003


def test_monte_carlo_error_is_what_seeds_differ_by() -> None:
    several = [
        compare_spend("zai-2025", samples=8192, seed=seed).totals.final_share for seed in range(8)
    ]
    for index, key in enumerate(("p5", "p50", "p95")):
        values = torch.tensor([getattr(share, key) for share in several])
        said = torch.tensor([share.errors[index] for share in several]).mean()
        # A standard deviation from eight values is known to about a quarter.
        assert 0.4 < values.std() / said < 2.0


def test_a_programme_may_be_given_as_data_or_as_an_object() -> None:
    data = tomllib.loads(ONE_RUN)
    by_data = compare_spend(data, samples=4096)
    by_object = compare_spend(Programme(**data), samples=4096)
    assert by_data.totals == by_object.totals
    shipped = load_programme("minimax-2025").programme
    variants = compare_spend(shipped, samples=4096).variants
    assert variants == compare_spend("minimax-2025", samples=4096).variants


def test_sensitivity_agrees_with_the_closed_form(tmp_path: Path) -> None:
    """The share is a product of two log-normals, whose variance shares are known exactly."""
    file = tmp_path / "one-run.toml"
    file.write_text(ONE_RUN)
    found = {driver.assumption: driver for driver in compare_spend(file).sensitivity}
    z = 1.2815515655446004
    variance = {
        name: (math.log(high / low) / (2 * z)) ** 2
        for name, low, high in (("utilisation", 0.15, 0.35), ("price", 1.5, 3.0))
    }
    whole = math.expm1(sum(variance.values()))
    assert list(found) == ["utilisation", "price"]
    for name, other in (("utilisation", "price"), ("price", "utilisation")):
        alone = math.expm1(variance[name]) / whole
        total = 1 - math.expm1(variance[other]) / whole
        assert found[name].first_order == pytest.approx(alone, abs=0.02)
        assert found[name].total == pytest.approx(total, abs=0.02)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_same_figures() -> None:
    cpu = compare_spend("minimax-2025", samples=30_000, device="cpu").to_dict()
    cuda = compare_spend("minimax-2025", samples=30_000, device="cuda").to_dict()
    for key in ("p5", "p50", "p95", "mean"):
        assert cpu["final_share"][key] == pytest.approx(cuda["final_share"][key], rel=1e-9)


def test_a_file_may_name_its_own_assumptions() -> None:
    data = {**load_programme("openai-2024").data, "base_name": "my own"}
    found = compare_spend(data, samples=64, device="cpu")
    assert found.variant == "my own"
    assert [variant.name for variant in found.variants] == ["my own", "computebill"]
    asked = compare_spend(data, variant="my own", samples=64, device="cpu")
    assert asked.totals.to_dict() == found.totals.to_dict()
    with pytest.raises(RequestError, match="allowed: my own, computebill"):
        compare_spend(data, variant="other", samples=64)
    with pytest.raises(RequestError, match="the name 'my own' is given twice"):
        compare_spend({**data, "variants": [{**data["variants"][0], "name": "my own"}]}, samples=64)
