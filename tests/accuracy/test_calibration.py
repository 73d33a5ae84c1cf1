"""Rows of one's own on top of what ships, and tables that there is little to learn from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from measured_table import Write
from simulated_labs import interval_of_step, of_labs, timed

import computebill as cb
from computebill.accuracy.calibration import (
    UNJUDGED,
    fit_all,
    fit_own,
    own_profile,
    posterior_of,
    profile,
)
from computebill.accuracy.measured import read_measured
from computebill.accuracy.measurements import log_errors, measurements
from computebill.accuracy.validation import calibrate, validate
from computebill.hardware.fitted import Fitted
from computebill.training.efficiency import read_profile, write_profile
from computebill.training.parameters import INDEX, priors, unbounded


def predicted(write: Write, changes: dict[str, Any]) -> float:
    """Seconds that the shipped efficiencies say a row takes."""
    found = validate(write({**changes, "iter_seconds": 1.0}), leave_out=None)
    return float(found.errors.exp())


def own(write: Write, *slower: float, **changes: Any) -> Fitted:
    """A profile of rows that took so many times what ships says."""
    seconds = predicted(write, changes)
    path = write(*({**changes, "iter_seconds": seconds * each} for each in slower))
    return calibrate(path)[0]


def off(write: Write, fitted: Fitted, slower: float) -> float:
    """Logarithm of what a profile predicts over what a row takes, so many times what ships says."""
    measured = measurements(
        read_measured(write({"iter_seconds": predicted(write, {}) * slower}))[0]
    )
    return float(log_errors(measured, unbounded(fitted.values)))


def test_one_row_moves_the_pace(write: Write) -> None:
    shipped = read_profile()
    for slower in (1.3, 1 / 1.3):
        found = own(write, slower)
        moved = math.log(found.values["pace"] / shipped.values["pace"])
        assert moved * math.log(slower) > 0
        # Most of the way, and not beyond.
        left = off(write, found, slower) / -math.log(slower)
        assert 0 < left < 0.5
        assert found.rows == 1


def test_a_row_as_predicted_moves_nothing(write: Write) -> None:
    shipped, found = read_profile(), own(write, 1.0)
    assert found.values == pytest.approx(shipped.values, rel=1e-3)


def test_rows_narrow_the_interval_and_never_below_a_row_s_own(write: Write) -> None:
    (row,), _ = read_measured(write({}))
    shipped = read_profile()
    profiles = [own(write, *[1.1] * count) for count in (1, 5, 200)]
    ends = [interval_of_step(row.case, each) for each in (shipped, *profiles)]
    widths = [math.log(end[1] / end[0]) for end in ends if end is not None]
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) == 4
    for each, width in zip(profiles, widths[1:], strict=True):
        assert each.spread is not None
        assert width >= sum(each.spread.tails) * each.spread.row
    # Of two hundred rows of one step hardly more is unknown than the next row's own.
    last = profiles[-1].spread
    assert last is not None
    assert widths[-1] < 1.25 * sum(last.tails) * last.row


def test_rows_that_contradict_each_other_are_met_between(write: Write) -> None:
    found = own(write, 0.7, 1.5)
    assert off(write, found, 0.7) > 0 > off(write, found, 1.5)
    once = own(write, 1.0)
    (row,), _ = read_measured(write({}))
    ends = [interval_of_step(row.case, each) for each in (found, once)]
    assert all(end is not None for end in ends)


def test_rows_of_one_part_leave_another_s_products(write: Write) -> None:
    found, shipped = own(write, 1.4, 1.4, 1.4), read_profile()
    assert found.values["products.volta.16"] == pytest.approx(
        shipped.values["products.volta.16"], rel=0.03
    )


def test_a_part_that_nobody_measured_is_known_from_one_s_own_rows(write: Write) -> None:
    shipped = read_profile()
    assert shipped.spread is not None
    assert "products.ada.16" in shipped.spread.unseen
    found = own(write, 1.2, 1.2, gpu="L4", tp=1)
    assert found.spread is not None
    assert "products.ada.16" not in found.spread.unseen
    assert "products.tpu.fp8" in found.spread.unseen


def test_own_tails_are_those_that_few_rows_were_judged_by(write: Write) -> None:
    found, shipped = own(write, 1.2), read_profile()
    assert found.spread is not None
    assert shipped.spread is not None
    assert found.spread.tails == found.spread.own_tails == shipped.spread.own_tails
    assert set(found.spread.unseen) <= set(shipped.spread.unseen)
    assert found.apart == shipped.apart


def test_what_was_calibrated_is_read_again(write: Write, tmp_path: Path) -> None:
    found = own(write, 1.2)
    write_profile(found, tmp_path / "own.toml")
    again = read_profile(tmp_path / "own.toml")
    (row,), _ = read_measured(write({}))
    assert interval_of_step(row.case, again) == pytest.approx(
        interval_of_step(row.case, found), rel=1e-2
    )


def test_calibrating_twice_is_calibrating_on_both(write: Write) -> None:
    """But for rows of one source counting as fewer than they are, which two tables cannot know."""
    one, other = (
        measurements(read_measured(write({**change, "iter_seconds": 3.3}))[0])
        for change in ({}, {"seq_len": 8192, "global_batch_seqs": 32})
    )
    shipped = read_profile()
    first = own_profile(one, fit_own(one, shipped), shipped)
    second = fit_own(other, first)
    assert float(second.covariance.trace()) < float(posterior_of(first).covariance.trace())
    assert float(posterior_of(first).covariance.trace()) < float(
        posterior_of(shipped).covariance.trace()
    )


def test_of_one_lab_nothing_is_left_out(write: Write, tmp_path: Path) -> None:
    rows = [{"lab": "one", "source_id": name, "iter_seconds": 3 + n} for n, name in enumerate("ab")]
    path = write(*rows)
    found = validate(path)
    assert found.judged is None
    assert found.unit is None
    assert found.to_dict()["left_out"] is None
    fitted, told = calibrate(path, afresh=True)
    assert told.judged is None
    assert fitted.spread is not None
    assert fitted.spread.tails == fitted.spread.own_tails == UNJUDGED


def test_few_labs_set_no_ends(write: Write) -> None:
    measured = timed(of_labs(write, labs=2, each=2), unbounded(read_profile().values))
    found = fit_all(measured)
    assert found.judged is not None
    assert not found.few
    fitted = profile(measured, found)
    assert fitted.spread is not None
    assert fitted.spread.tails == UNJUDGED
    assert fitted.spread.doubts == found.doubts
    # One's own rows reach as far as the others', or farther.
    own = own_profile(timed(of_labs(write, labs=1, each=1), priors()), found.posterior, fitted)
    assert own.spread is not None
    assert own.spread.sizes == fitted.spread.sizes
    far = fitted.spread.model_copy(update={"sizes": {"accelerators": (64.0, 128.0)}})
    wider = own_profile(
        timed(of_labs(write, labs=1, each=1), priors()),
        found.posterior,
        fitted.model_copy(update={"spread": far}),
    )
    assert wider.spread is not None
    assert wider.spread.sizes == {"accelerators": (8.0, 128.0)}


def test_a_table_without_a_row_to_learn_from(write: Write) -> None:
    path = write({"tp": "", "pp": ""})
    for use in (validate, calibrate, lambda each: calibrate(each, afresh=True)):
        with pytest.raises(
            cb.RequestError, match="has no row that can be predicted; the first: not"
        ):
            use(path)


def test_an_older_profile_starts_from_what_is_sensible(write: Write) -> None:
    plain = read_profile().model_copy(update={"spread": None})
    measured = measurements(read_measured(write({"iter_seconds": 4.0}))[0])
    found = fit_own(measured, plain)
    assert bool(torch.isfinite(found.covariance).all())
    before = log_errors(measured, unbounded(plain.values)).abs()
    assert float(log_errors(measured, found.free).abs()) < float(before)


def test_a_pace_alone_is_found_from_one_lab_s_rows(write: Write) -> None:
    """All of a lab's steps are a fifth slower: that is its pace, and no product's."""
    shipped = read_profile()
    measured = of_labs(write, labs=1, each=32)
    slower = torch.full((32,), math.log(1.2), dtype=torch.float64)
    measured = timed(measured, unbounded(shipped.values), slower)
    found = fit_own(measured, shipped)
    moved = found.free - unbounded(shipped.values)
    assert float(moved[INDEX["pace"]]) == pytest.approx(math.log(1.2), abs=0.08)
    assert float(log_errors(measured, found.free).abs().max()) < 0.05
