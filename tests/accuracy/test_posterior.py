"""The fit: what made-up labs' steps were made with is found, within what it says is unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from measured_table import Write
from simulated_labs import effects, free_at, hessian, of_labs, timed

from computebill.accuracy.measurements import Measurements
from computebill.accuracy.posterior import (
    LEAST,
    SHARING,
    Posterior,
    Prior,
    Widths,
    fit_posterior,
    fit_widths,
    own_covariance,
    prior_of_all,
    reach,
)
from computebill.training.cases import step_times
from computebill.training.parameters import INDEX, bounded, priors, spreads

MOVED = {"products.hopper.16": -0.5, "attention.hopper.modern": -0.6, "inside": -0.6}
WIDTHS = Widths(lab=0.1, source=0.0, row=0.03)


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Measurements, list[float], Posterior]:
    """Rows of twelve labs, the labs' true effects, and what is found with the true widths."""
    from measured_table import writer_in

    rows = of_labs(writer_in(tmp_path_factory.mktemp("labs")), labs=12, each=8)
    errors, true = effects([row.lab for row in rows.rows], WIDTHS.lab, WIDTHS.row, seed=3)
    # A lab's steps take longer by its effect; a fit's effect is of measured over predicted.
    measured = timed(rows, free_at(MOVED), errors)
    return measured, true.tolist(), fit_posterior(measured, prior_of_all(), WIDTHS)


def test_known_efficiencies_are_found_within_what_is_unknown(
    labs: tuple[Measurements, list[float], Posterior],
) -> None:
    measured, _, found = labs
    places = [INDEX[name] for name in MOVED]
    off = found.free[places] - free_at(MOVED)[places]
    width = (found.covariance - own_covariance()).diagonal()[places].sqrt()
    assert bool((off.abs() < 3 * width).all()), off / width
    # Rows say more than was known.
    assert bool((width[:2] < 0.6 * spreads()[places[:2]]).all())
    assert not set(MOVED) & set(reach(measured, found).unseen)


def test_known_effects_of_labs_are_found(
    labs: tuple[Measurements, list[float], Posterior],
) -> None:
    _, true, found = labs
    # An effect is of predicted over measured time; what all labs share is no lab's.
    off = torch.tensor(list(found.labs.values())) + torch.tensor(true)
    assert float((off - off.mean()).abs().max()) < 0.06
    assert max(found.labs.values()) - min(found.labs.values()) > 0.2


def test_widths_are_those_that_errors_were_drawn_with(
    labs: tuple[Measurements, list[float], Posterior],
) -> None:
    measured, _, _ = labs
    found = fit_widths(measured, prior_of_all()).widths
    between = (found.lab**2 + found.source**2) ** 0.5
    assert WIDTHS.lab / 2 < between < WIDTHS.lab * 2
    assert WIDTHS.row / 2 < found.row < WIDTHS.row * 2


def test_a_fit_does_not_hang_on_where_it_begins(
    labs: tuple[Measurements, list[float], Posterior],
) -> None:
    measured, _, found = labs
    other = fit_posterior(
        measured, prior_of_all(), WIDTHS, start=free_at(dict.fromkeys(MOVED, 1.0))
    )
    assert float((other.free - found.free).abs().max()) < 0.05


def test_rows_that_are_far_off_count_less(write: Write) -> None:
    measured = timed(of_labs(write, labs=4, each=6), free_at(MOVED))
    wild = measured.log_seconds.clone()
    wild[0] += 2.0
    there, here = (
        fit_posterior(each, prior_of_all(), WIDTHS)
        for each in (replace(measured, log_seconds=wild), measured)
    )
    moved = [float(bounded(each.free)[INDEX["products.hopper.16"]]) for each in (there, here)]
    assert moved[0] == pytest.approx(moved[1], rel=0.06)


def test_what_was_left_out_has_no_part(write: Write) -> None:
    measured = timed(of_labs(write, labs=3, each=6), free_at(MOVED))
    wild = measured.log_seconds.clone()
    keep = torch.ones(18, dtype=torch.float64)
    keep[:6], wild[:6] = 0.0, 5.0
    without = fit_posterior(replace(measured, log_seconds=wild), prior_of_all(), WIDTHS, keep)
    never = fit_posterior(measured.some(range(6, 18)), prior_of_all(), WIDTHS)
    assert torch.allclose(without.free, never.free, atol=1e-8)
    assert torch.allclose(without.covariance, never.covariance, atol=1e-8)


def test_the_covariance_is_the_inverse_of_the_curvature(write: Write) -> None:
    """Of four efficiencies and two labs' effects, written out again and differenced.

    Rows lie where the prior's middle has them, so that the curvature of the kernels themselves,
    which a Gauss-Newton step leaves out, is multiplied by nothing.
    """
    names = ["products.hopper.16", "attention.hopper.modern", "inside", "head"]
    places = [INDEX[name] for name in names]
    measured = timed(of_labs(write, labs=2, each=5), priors())
    some = torch.zeros(len(priors()), dtype=torch.float64)
    some[places] = spreads()[places]
    widths = Widths(lab=0.1, source=0.06, row=0.05)
    found = fit_posterior(measured, Prior(priors(), torch.diag(some**2)), widths)

    def objective(x: torch.Tensor) -> float:
        free = priors()
        free[places] += x[:4]
        logs = step_times(measured.cases, bounded(free)).total.log()
        effect = (x[4:6] + x[6:8]).repeat_interleave(5)
        off = (logs - measured.log_seconds - effect) / widths.row
        unlikely = (x[:4] / some[places]) ** 2
        unlikely = unlikely.sum() + (x[4:6] ** 2).sum() / widths.lab**2
        unlikely = unlikely + (x[6:8] ** 2).sum() / widths.source**2
        return float((off**2).sum() * 5**-SHARING / 2 + unlikely / 2)

    brute = torch.linalg.inv(hessian(objective, torch.zeros(8, dtype=torch.float64)))
    # A lab's own distance from all others goes on top.
    ours = (found.covariance - own_covariance())[
        torch.meshgrid(*2 * [torch.tensor(places)], indexing="ij")
    ]
    assert ours.numpy() == pytest.approx(brute[:4, :4].numpy(), rel=2e-3, abs=1e-6)
    assert torch.allclose(found.free, priors())


def test_a_lab_that_had_no_part_has_a_pace_as_theirs(write: Write) -> None:
    measured = timed(of_labs(write, labs=2, each=3), priors())
    found = fit_posterior(measured, prior_of_all(), Widths(lab=0.1, source=0.05, row=0.05))
    pace = found.covariance[INDEX["pace"]]
    assert float(pace[INDEX["pace"]]) == pytest.approx(0.1**2 + 0.05**2)
    assert float(pace.abs().sum()) == pytest.approx(0.1**2 + 0.05**2)


def test_a_lab_that_had_no_part_has_efficiencies_of_its_own() -> None:
    """Half a spread from those of all, each by itself; its pace is another effect."""
    own = own_covariance()
    assert torch.equal(own, torch.diag(own.diagonal()))
    assert float(own[INDEX["inside"], INDEX["inside"]]) == pytest.approx((0.5 * 0.5) ** 2)
    assert float(own[INDEX["pace"], INDEX["pace"]]) == 0.0


def test_few_rows_that_fit_exactly_do_not_say_that_the_next_will(write: Write) -> None:
    found = fit_widths(timed(of_labs(write, labs=2, each=1), priors()), prior_of_all())
    assert found.widths.row >= LEAST.row
    assert found.widths.lab >= LEAST.lab


def test_only_what_rows_hang_on_was_seen(write: Write) -> None:
    """Of others of their name all are likelier, without a row that spoke of them."""
    measured = timed(of_labs(write, labs=4, each=6), free_at(MOVED))
    found = fit_posterior(measured, prior_of_all(), WIDTHS)
    unseen = reach(measured, found).unseen
    assert "products.hopper.16" not in unseen
    assert {"products.volta.16", "inside.volta", "imbalance", "traffic.early"} <= set(unseen)
    before = prior_of_all().covariance.diagonal()
    volta = INDEX["products.volta.16"]
    assert float(found.covariance[volta, volta]) < 0.9 * float(before[volta])
