"""FLOP, time and cost of stages, against hand-made arithmetic and properties."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from computebill.kernels.run import Hour, Interruptions
from computebill.kernels.stages import (
    Pace,
    Passes,
    PassFlop,
    Pools,
    StageFlop,
    StageTime,
    TokenPrices,
    stage_bill,
    stage_flop,
    stage_time,
)

N, R, T = 8e9, 1e9, 70e9
NEVER = Interruptions(*[torch.tensor([math.nan], dtype=torch.float64)] * 4)


def column(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


def passes(**given: float) -> Passes:
    whole = dict.fromkeys(Passes._fields, 0.0) | {"epochs": 1.0, "kept": 1.0} | given
    return Passes(**{name: column(value) for name, value in whole.items()})


def flop_of(**given: float) -> PassFlop:
    whole = {
        "active": N, "update": math.nan, "update_per_parameter": 6.0, "forward": math.nan,
        "recomputed": math.nan, "teacher": 0.0, "reward": 0.0, "critic": 0.0,
        "total": math.nan,
    }  # fmt: skip
    return PassFlop(**{name: column(value) for name, value in {**whole, **given}.items()})


def ledger(done: Passes, hardware: float = math.nan, **given: float) -> dict[str, float]:
    found = stage_flop(done, flop_of(**given), column(hardware))
    return {name: float(value) for name, value in found._asdict().items()}


RL = {"samples": 1000.0, "prompt": 200.0, "answer": 1800.0, "learns": 1.0}


def test_reinforcement_learning_makes_all_and_learns_from_what_it_keeps() -> None:
    found = ledger(passes(**RL, kept=0.25, epochs=2.0, references=1.0), reward=2 * R)
    tokens = 1000 * 2000
    assert found["samples"] == pytest.approx(2 * N * tokens / 4)
    assert found["discarded"] == pytest.approx(2 * N * tokens * 3 / 4)
    assert found["updates"] == pytest.approx(6 * N * tokens / 4 * 2)
    # The reference reads what is trained on, once; the reward model judges all that was made.
    assert found["reference"] == pytest.approx(2 * N * tokens / 4)
    assert found["reward"] == pytest.approx(2 * R * tokens)
    assert found["teacher"] == found["restarted"] == 0.0


def test_hundred_made_and_ten_kept_count_as_hundred() -> None:
    # The Commission's example of paragraph 117: 100 made, 10 kept.
    found = ledger(passes(samples=100.0, answer=1e6, kept=0.1))
    assert found["samples"] + found["discarded"] == pytest.approx(2 * N * 100e6)
    assert found["discarded"] == pytest.approx(9 * found["samples"])
    assert found["updates"] == 0.0


def test_distillation_and_preference_tuning_pass_through_two_models() -> None:
    taught = ledger(passes(tokens=1e9, teachers=1.0, epochs=3.0), teacher=2 * T)
    assert taught["updates"] == pytest.approx(18 * N * 1e9)
    assert taught["teacher"] == pytest.approx(2 * T * 1e9)
    preferred = ledger(passes(tokens=1e9, references=1.0))
    assert preferred["reference"] == pytest.approx(preferred["updates"] / 3)


def test_restarted_and_recomputed_stand_beside_updates() -> None:
    found = ledger(passes(tokens=4e9, restarted=1e9), recomputed=2 * N)
    assert found["restarted"] == pytest.approx(found["updates"] / 4)
    assert found["recomputed"] == pytest.approx(2 * N * 5e9)
    assert math.isnan(ledger(passes(tokens=4e9))["recomputed"])


def test_hours_tell_what_a_stage_does_where_it_does_one_thing() -> None:
    unknown = {"active": math.nan}
    assert ledger(passes(tokens=math.nan), 1e21, **unknown)["updates"] == 1e21
    written = ledger(passes(samples=math.nan), 1e21, **unknown)
    assert (written["samples"], written["updates"]) == (1e21, 0.0)
    both = ledger(passes(samples=math.nan, learns=1.0), 1e21, **unknown)
    assert math.isnan(both["updates"])
    assert both["hardware"] == 1e21
    # What is counted goes before the hours, which stay beside it.
    counted = ledger(passes(tokens=1e9), 1e21)
    assert (counted["updates"], counted["hardware"]) == (pytest.approx(6 * N * 1e9), 1e21)


SHARE = st.floats(0.01, 1.0)


@settings(max_examples=50, deadline=None)
@given(st.floats(1.0, 1e6), SHARE, st.floats(0.5, 4.0), SHARE)
def test_forward_parts_are_the_whole_and_scale_with_the_samples(
    samples: float, kept: float, epochs: float, frozen: float
) -> None:
    given_ = {**RL, "samples": samples, "kept": kept, "epochs": epochs, "references": 1.0}
    one = stage_flop(passes(**given_), flop_of(update_per_parameter=4 + 2 * frozen), column(1.0))
    two = stage_flop(
        passes(**{**given_, "samples": 2 * samples}),
        flop_of(update_per_parameter=4 + 2 * frozen),
        column(1.0),
    )
    parts = one.samples + one.discarded + one.reference + one.teacher + one.reward
    assert float(one.forward) == pytest.approx(float(parts))
    assert float(two.forward) == pytest.approx(2 * float(one.forward))
    assert float(two.updates) == pytest.approx(2 * float(one.updates))
    # A forward pass is half of what an update adds to frozen weights: 2 N beside 4 N.
    assert float(one.updates) >= 2 * kept * epochs * float(one.samples + one.discarded)


def pace(**given: float) -> Pace:
    whole = {
        "peak_flop_per_s": 1e15, "mfu": 0.4, "training": 1.0, "serving": 1.0, "sample": 2.0,
        "read": 0.0, "reference": 0.0, "teacher": 0.0, "reward": 0.0, "critic": 0.0,
        "waiting": 0.0, "given": math.nan,
    }  # fmt: skip
    return Pace(**{name: column(value) for name, value in {**whole, **given}.items()})


def seconds(
    done: Passes, pools: tuple[float, float, float], lost: Interruptions = NEVER, **given: float
) -> StageTime:
    flop = stage_flop(done, flop_of(), column(math.nan))
    return stage_time(done, flop, pace(**given), Pools(*map(column, pools)), lost)


def test_one_pool_does_one_after_the_other_and_two_wait_for_the_longer() -> None:
    done = passes(**RL)
    training = 6 * N * 2e6 / (1e15 * 0.4)
    writing = 1000 * 2.0
    together = seconds(done, (8, 0, 0))
    assert float(together.own) == pytest.approx(training + writing)
    assert float(together.wall) == pytest.approx((training + writing) / 8)
    assert float(together.apart) == 0.0
    wall = max(training / 8, writing / 24)
    apart = seconds(done, (8, 24, 1))
    assert float(apart.wall) == pytest.approx(wall)
    assert (float(apart.own), float(apart.apart)) == pytest.approx((8 * wall, 24 * wall))
    assert (float(apart.training), float(apart.writing)) == pytest.approx((training, writing))
    waiting = seconds(done, (8, 24, 0))
    assert float(waiting.wall) == pytest.approx(training / 8 + writing / 24)


def test_what_is_waited_for_lost_and_given() -> None:
    done = passes(**RL)
    plain, waited = seconds(done, (8, 0, 0)), seconds(done, (8, 0, 0), waiting=100.0)
    assert float(waited.own - plain.own) == pytest.approx(8 * 100)
    half = Interruptions(column(0.5), *NEVER[1:])
    assert float(seconds(done, (8, 0, 0), half).own) == pytest.approx(2 * float(plain.own))
    told = seconds(done, (8, 24, 1), given=3.2e5)
    assert (float(told.own), float(told.apart)) == (3.2e5, 0.0)
    assert float(told.wall) == pytest.approx(1e4)
    nobody = seconds(passes(tokens=1e9), (math.nan, 0, 0))
    assert float(nobody.own) == pytest.approx(6 * N * 1e9 / 4e14)
    assert math.isnan(float(nobody.wall))


def test_tokens_are_sold_by_what_happens_to_them() -> None:
    hour = Hour(*[column(1.0)] * len(Hour._fields))
    time = StageTime(*map(column, (3600.0, 7200.0, 1.0, 3600.0, 7200.0)))
    none = TokenPrices(*[column(math.nan)] * 3)
    done = passes(**RL, kept=0.5, references=1.0)
    rented = stage_bill(done, time, (hour, hour), none)
    assert float(rented.cloud) == pytest.approx(10800.0)
    assert float(rented.gpu_hours) == pytest.approx(3.0)
    prices = TokenPrices(column(3e-6), column(1e-6), column(2e-6))
    sold = stage_bill(done, time, (hour, hour), prices)
    # Kept tokens trained; prompts and the reference's tokens read; answers written.
    expected = 1e6 * 3e-6 + (1000 * 200 + 1e6) * 1e-6 + 1000 * 1800 * 2e-6
    assert float(sold.cloud) == pytest.approx(expected)
    assert float(sold.gpu_hours) == pytest.approx(3.0)


def test_a_batch_of_stages_is_each_of_them_alone() -> None:
    stages: list[dict[str, Any]] = [
        {"tokens": 1e9}, RL, {"samples": 50.0, "answer": 100.0}, {"tokens": 1e8, "references": 1.0},
    ]  # fmt: skip
    alone = [stage_flop(passes(**each), flop_of(), column(math.nan)) for each in stages]
    batch = Passes(
        *(torch.stack(rows) for rows in zip(*(passes(**s) for s in stages), strict=True))
    )
    found = stage_flop(batch, flop_of(), column(math.nan))
    for name in StageFlop._fields[:-1]:
        rows = torch.stack([getattr(each, name) for each in alone])
        torch.testing.assert_close(getattr(found, name), rows, equal_nan=True)
