"""Rows predicted by fits that had no part in them, and intervals of them."""

from __future__ import annotations

import pytest
import torch
from measured_table import Write
from simulated_labs import effects, free_at, of_labs, timed

from computebill.accuracy.left_out import (
    DRAWS,
    ENDS,
    FEW,
    LEAST_LABS,
    LEAST_TAIL,
    Judged,
    few_rows,
    fits_without,
    judged_by,
)
from computebill.accuracy.posterior import (
    Widths,
    fit_posterior,
    own_covariance,
    prior_of_all,
)
from computebill.training.cases import log_gradients
from computebill.training.parameters import priors, spreads


def judged(scores: list[float], labs: str) -> Judged:
    values = torch.tensor(scores, dtype=torch.float64)
    return Judged(-2.0 * values, torch.full_like(values, 2.0), tuple(labs))


def test_a_third_of_the_tails_is_labs_alike() -> None:
    """Labs of one, two and four rows: 52, 38 and 31 of 252 parts a row, all parts sorted."""
    scores = [-1.5, 0.3, 2.0, -0.2, 0.6, -2.5, 1.1]
    labs = "abbcccc"
    parts = {"a": 52, "b": 38, "c": 31}
    many = sorted(score for score, lab in zip(scores, labs, strict=True) for _ in range(parts[lab]))
    assert len(many) == 252
    low, high = (many[int(end * 252)] for end in ENDS)
    assert judged(scores, labs).tails() == pytest.approx((-low, high))


def test_of_equal_labs_tails_are_plain_percentiles() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(408, generator=generator, dtype=torch.float64)
    found = judged(scores.tolist(), "abcdefgh" * 51).tails()
    assert found == pytest.approx((-float(scores.sort()[0][20]), float(scores.sort()[0][387])))
    assert found == pytest.approx((1.645, 1.645), abs=0.25)


def test_tails_have_a_least_length() -> None:
    assert judged([0.0, 0.0], "ab").tails() == (LEAST_TAIL, LEAST_TAIL)
    assert judged([1.0, 2.0], "ab").tails() == (LEAST_TAIL, 2.0)


def test_a_lab_s_own_rows_do_not_set_the_ends_that_judge_it() -> None:
    """One lab in ten is far off: all of its rows are outside what the others have."""
    labs = "abcdefghij" * 10
    generator = torch.Generator().manual_seed(5)
    scores = torch.rand(100, generator=generator, dtype=torch.float64) * 2 - 1
    scores[torch.tensor([lab == "a" for lab in labs])] += 5.0
    found = judged(scores.tolist(), labs)
    covered = found.covered_by_others()
    assert covered is not None
    _, high = found.tails()
    assert high > 4.0
    # Rows of nine labs at most: a tenth and what falls beyond the others' own ends.
    assert 0.75 < covered <= 0.9
    few = judged(scores.tolist()[: LEAST_LABS - 1], labs[: LEAST_LABS - 1])
    assert few.covered_by_others() is None


WIDTHS = Widths(lab=0.1, source=0.0, row=0.05)


def test_each_row_is_predicted_once_without_its_lab(write: Write) -> None:
    measured = timed(of_labs(write, labs=3, each=5), free_at({"products.hopper.16": -0.4}))
    full = fit_posterior(measured, prior_of_all(), WIDTHS)
    fits = fits_without(measured, prior_of_all(), full, "lab")
    assert [each.own for each in fits] == [list(range(k, k + 5)) for k in (0, 5, 10)]
    found = judged_by(measured, fits)
    for each in fits:
        others = [place for place in range(15) if place not in each.own]
        alone = fit_posterior(measured.some(others), prior_of_all(), WIDTHS)
        logs, _ = log_gradients(measured.cases, alone.free)
        assert found.errors[each.own].tolist() == pytest.approx(
            (logs - measured.log_seconds)[each.own].tolist(), abs=1e-3
        )
    # Nothing but what made them tells labs that agree from each other.
    assert float(found.errors.abs().max()) < 0.06
    assert len(fits_without(measured, prior_of_all(), full, "row")) == 15


def test_own_rows_help_and_the_more_the_better(write: Write) -> None:
    rows = of_labs(write, labs=3, each=10)
    errors, _ = effects([row.lab for row in rows.rows], 0.25, 0.03, seed=8)
    measured = timed(rows, free_at({"products.hopper.16": -0.4}), errors)
    widths = Widths(lab=0.25, source=0.0, row=0.03)
    full = fit_posterior(measured, prior_of_all(), widths)
    fits = list(fits_without(measured, prior_of_all(), full, "lab"))
    found = few_rows(measured, fits, seed=1)
    assert tuple(found) == FEW
    off = [float(found[count].errors.abs().mean()) for count in FEW]
    assert off[1] < 0.6 * off[0]
    assert off[3] < 1.2 * off[1]
    # Rows that were drawn are not among those that are judged.
    assert len(found[0].errors) == 30
    assert len(found[5].errors) == 3 * DRAWS * 5
    # Of the first lab again: the same seed draws the same rows.
    again = few_rows(measured, fits[:1], seed=1)[3].errors
    assert len(again) == DRAWS * 7
    assert torch.equal(again, found[3].errors[: len(again)])


def test_labs_of_few_rows_are_not_judged_by_their_own(write: Write) -> None:
    measured = timed(of_labs(write, labs=2, each=4), priors())
    full = fit_posterior(measured, prior_of_all(), WIDTHS)
    assert few_rows(measured, fits_without(measured, prior_of_all(), full, "lab")) == {}


def test_intervals_hold_nine_rows_in_ten_of_labs_that_nobody_saw(write: Write) -> None:
    """Worlds drawn from the prior: some labs are measured, the rows of others judged."""
    seen, unseen = of_labs(write, labs=10, each=8), of_labs(write, labs=12, each=4, start=5)
    names = [row.lab for row in seen.rows]
    inside = total = 0
    for seed in range(8):
        generator = torch.Generator().manual_seed(100 + seed)
        # Half a spread: what no row tells is the prior's, and no more than that.
        off = spreads() * torch.randn(len(spreads()), generator=generator, dtype=torch.float64)
        off[-1] = 0.0
        true = priors() + 0.5 * off
        errors, _ = effects(names, WIDTHS.lab, WIDTHS.row, seed)
        found = fit_posterior(timed(seen, true, errors), prior_of_all(), WIDTHS)
        new, slopes = log_gradients(unseen.cases, found.free)
        width = (((slopes @ found.covariance) * slopes).sum(1) + WIDTHS.row**2).sqrt()
        made = timed(unseen, true).log_seconds
        shape = (20, len(new))
        labs = WIDTHS.lab * torch.randn(20, 12, generator=generator, dtype=torch.float64)
        own = torch.randn(20, 12, len(off), generator=generator, dtype=torch.float64)
        own = own * own_covariance().diagonal().sqrt()
        rows = WIDTHS.row * torch.randn(*shape, generator=generator, dtype=torch.float64)
        # A lab's own efficiencies are no one else's; of so small a change, the slope is enough.
        made = made + torch.einsum("dre,re->dr", own.repeat_interleave(4, 1), slopes)
        scores = (made + labs.repeat_interleave(4, 1) + rows - new) / width
        inside += int((scores.abs() < 1.645).sum())
        total += scores.numel()
    assert 0.85 <= inside / total <= 0.95
