from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from computebill.kernels import bill

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
PEAK = 9.89e14


def tensor(value: object) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


@dataclass
class Runs:
    """Runs as a person would list them; arrays are ``(runs, draws)``."""

    given_in: list[int]
    base: list[int]
    own: np.ndarray
    peak: np.ndarray
    mfu: np.ndarray
    price: np.ndarray

    def chain(self, run: int) -> list[int]:
        chain = [run]
        while self.base[chain[-1]] >= 0:
            chain.append(self.base[chain[-1]])
        return chain

    def priced(self) -> bill.Bill:
        return bill.price_runs(
            bill.Runs(
                tensor(self.own),
                torch.tensor(self.given_in)[:, None],
                torch.tensor(self.base),
                max(len(self.chain(run)) - 1 for run in range(len(self.base))),
            ),
            bill.Rates(tensor(self.peak), tensor(self.mfu), tensor(self.price)),
        )

    def one(self, run: int, draw: int) -> tuple[float, float, float]:
        """FLOP, seconds and dollars of one run in one draw, by hand."""
        own, price = float(self.own[run, draw]), float(self.price[run, draw])
        speed = float(self.peak[run, draw]) * float(self.mfu[run, draw])
        kind = self.given_in[run]
        if kind == bill.DOLLARS:
            return own / price * speed, own / price, own
        if kind == bill.SECONDS:
            return own * speed, own, own * price
        flop = own if self.base[run] < 0 else own * self.one(self.base[run], draw)[0]
        return flop, flop / speed, flop / speed * price


@st.composite
def many_runs(draw: st.DrawFn) -> Runs:
    count = draw(st.integers(1, 8))
    order = draw(st.permutations(range(count)))
    given_in = draw(st.lists(st.sampled_from([0, 1, 2]), min_size=count, max_size=count))
    base = [-1] * count
    for place in range(1, count):
        # Only a run that says its size in FLOP can say it as a fraction of another's.
        if given_in[order[place]] == bill.FLOP and draw(st.booleans()):
            base[order[place]] = order[draw(st.integers(0, place - 1))]
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    shape = (count, 4)
    runs = Runs(
        given_in,
        base,
        rng.lognormal(0, 2, shape) * 1e6,
        rng.uniform(1e14, 2e15, shape),
        rng.uniform(0.05, 0.6, shape),
        rng.uniform(1, 5, shape) / 3600,
    )
    for array in (runs.own, runs.peak, runs.mfu, runs.price):
        for run in draw(st.lists(st.integers(0, count - 1), max_size=1)):
            array[run] = math.nan
    return runs


@settings(max_examples=300, deadline=None)
@given(runs=many_runs())
def test_a_bill_is_the_sum_done_by_hand(runs: Runs) -> None:
    found = torch.stack(list(runs.priced())).permute(1, 2, 0)
    for run in range(len(runs.base)):
        for draw in range(4):
            expected = runs.one(run, draw)
            np.testing.assert_allclose(found[run, draw].numpy(), expected, rtol=1e-12)


def one_run(own: float, kind: int, mfu: float = 0.4, price: float = 2.0) -> bill.Bill:
    """Price one run on H800s at ``price`` USD an hour."""
    return bill.price_runs(
        bill.Runs(tensor([[own]]), torch.tensor([[kind]]), torch.tensor([-1]), 0),
        bill.Rates(tensor([[PEAK]]), tensor([[mfu]]), tensor([[price / 3600]])),
    )


def test_stated_hardware_and_days_need_no_utilisation() -> None:
    # MiniMax states 512 H800 for three weeks and 534,700 USD: 2.07 USD an H800-hour.
    found = one_run(512 * 21 * 86_400, bill.SECONDS, mfu=math.nan, price=534_700 / (512 * 21 * 24))
    assert float(found.usd) == pytest.approx(534_700)
    assert float(found.seconds) == 512 * 21 * 86_400
    assert found.flop.isnan()


def test_dollars_alone_stay_dollars() -> None:
    found = one_run(83e6, bill.DOLLARS, mfu=math.nan, price=math.nan)
    assert float(found.usd) == 83e6
    assert found.seconds.isnan()
    assert found.flop.isnan()


def test_flop_without_a_price_have_time_and_no_cost() -> None:
    found = one_run(3.6e24, bill.FLOP, price=math.nan)
    assert float(found.seconds) == pytest.approx(3.6e24 / (PEAK * 0.4))
    assert found.usd.isnan()


@settings(max_examples=100, deadline=None)
@given(size=st.floats(1e20, 1e27), mfu=st.floats(0.05, 0.7), price=st.floats(0.5, 10))
def test_the_three_ways_to_state_a_run_agree(size: float, mfu: float, price: float) -> None:
    by_flop = one_run(size, bill.FLOP, mfu, price)
    by_time = one_run(float(by_flop.seconds), bill.SECONDS, mfu, price)
    by_cost = one_run(float(by_flop.usd), bill.DOLLARS, mfu, price)
    for other in (by_time, by_cost):
        for ours, theirs in zip(by_flop, other, strict=True):
            torch.testing.assert_close(theirs, ours, rtol=1e-12, atol=0.0)


def test_one_utilisation_and_price_serve_all_draws() -> None:
    own = tensor([[1e24, 2e24, 3e24], [0.1, 0.2, 0.3]])
    found = bill.price_runs(
        bill.Runs(own, torch.tensor([[0], [0]]), torch.tensor([-1, 0]), 1),
        bill.Rates(tensor([[1e15], [5e14]]), tensor([[0.5], [0.25]]), tensor([[0.001], [0.001]])),
    )
    torch.testing.assert_close(found.flop[1], tensor([1e23, 4e23, 9e23]))
    torch.testing.assert_close(found.usd[0], tensor([2e6, 4e6, 6e6]))
    torch.testing.assert_close(found.usd[1], tensor([8e5, 3.2e6, 7.2e6]))


def test_gradients_of_utilisation_peak_and_price() -> None:
    own = tensor([[3.0, 1.5], [2.0, 4.0], [5.0, 2.5], [0.1, 0.3]])
    kinds = torch.tensor([[bill.FLOP], [bill.SECONDS], [bill.DOLLARS], [bill.FLOP]])
    base = torch.tensor([-1, -1, -1, 2])

    def priced(peak: Tensor, mfu: Tensor, price: Tensor) -> bill.Bill:
        return bill.price_runs(bill.Runs(own, kinds, base, 1), bill.Rates(peak, mfu, price))

    rng = np.random.default_rng(0)
    inputs = [tensor(rng.uniform(0.3, 2.0, (4, 2))).requires_grad_() for _ in range(3)]
    assert torch.autograd.gradcheck(priced, inputs)


def test_float32_stays_float32() -> None:
    one = torch.ones(1, 1)
    runs = bill.Runs(one, torch.tensor([[0]]), torch.tensor([-1]), 0)
    found = bill.price_runs(runs, bill.Rates(one, one, one))
    assert {values.dtype for values in found} == {torch.float32}


@pytest.mark.cuda
@needs_cuda
def test_bills_agree_on_cuda() -> None:
    rng = np.random.default_rng(0)
    own, peak, mfu, price = (tensor(rng.uniform(0.1, 2.0, (6, 1000))) for _ in range(4))
    kinds = torch.tensor([0, 1, 2, 0, 0, 0])[:, None]
    base = torch.tensor([-1, -1, -1, 2, 3, 1])
    here = bill.price_runs(bill.Runs(own, kinds, base, 2), bill.Rates(peak, mfu, price))
    there = bill.price_runs(
        bill.Runs(own.cuda(), kinds.cuda(), base.cuda(), 2),
        bill.Rates(peak.cuda(), mfu.cuda(), price.cuda()),
    )
    for ours, theirs in zip(here, there, strict=True):
        torch.testing.assert_close(theirs.cpu(), ours, rtol=1e-9, atol=0.0)
