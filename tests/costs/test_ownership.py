"""What a chip of one's own is worth: days and prices by hand."""

from __future__ import annotations

import datetime as dt

import pytest

from computebill.costs import method
from computebill.costs.ownership import acquired, price_with_server, years_owned
from computebill.costs.prices import PurchaseQuote
from computebill.hardware.accelerators import find_accelerator

H100, TPU = find_accelerator("h100-sxm"), find_accelerator("tpu-v4")


def quote(date: dt.date | None, includes_server: bool = True) -> PurchaseQuote:
    return PurchaseQuote(30_000.0, includes_server, date, "chip", "a shop")


def test_a_chip_s_price_takes_its_share_of_the_server_once() -> None:
    whole, bare = (price_with_server(H100, quote(None, each)) for each in (True, False))
    assert whole == 30_000
    assert 1.2 < bare / whole < 2.5


def test_gpus_are_had_some_time_after_their_release_and_tpus_at_once() -> None:
    assert H100.release_date is not None
    assert TPU.release_date is not None
    early = acquired(H100, quote(None))
    assert early is not None
    assert early > H100.release_date.value
    late = dt.date(2030, 1, 1)
    assert acquired(H100, quote(late)) == late
    assert acquired(TPU, quote(late)) == TPU.release_date.value


def test_years_count_from_the_purchase_and_never_below_none() -> None:
    bought = dt.date(2030, 1, 1)
    assert years_owned(H100, quote(bought), dt.date(2031, 1, 1)) == pytest.approx(1, abs=0.01)
    assert years_owned(H100, quote(bought), dt.date(2029, 1, 1)) == 0
    undated = H100.model_copy(update={"release_date": None})
    assert acquired(undated, quote(bought)) is None
    assert years_owned(undated, quote(bought), dt.date(2031, 1, 1)) == 0


def test_the_wait_is_the_method_s() -> None:
    assert H100.release_date is not None
    wait = dt.timedelta(days=method.cost_method().dates.days_to_acquisition)
    assert acquired(H100, quote(None)) == H100.release_date.value + wait
