"""What a chip of one's own is worth: days and prices by hand."""

from __future__ import annotations

import datetime as dt

import pytest

from computebill.base.assumptions import Input
from computebill.base.quantity import Quantity, constant
from computebill.costs import method
from computebill.costs.hour import Pricing, hour_inputs
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


def test_a_card_of_a_desktop_is_bought_without_a_server_or_a_network() -> None:
    def bought(name: str, count: int) -> dict[str, Quantity]:
        given = hour_inputs(Pricing(count=constant(count)), find_accelerator(name))
        return {each.key: each.quantity for each in given if isinstance(each, Input)}

    own, rack, server = bought("rtx-4090", 1), bought("rtx-4090", 64), bought("h100-sxm", 1)
    assert (own["server_overhead"].value, own["interconnect_share"].value) == (1, 0)
    # What a shop asked for the card in March 2025 (the profile's newest quote).
    assert own["chip_usd"].median == pytest.approx(1417.2)
    for other in (rack, server):
        assert other["server_overhead"].value > 1
        assert other["interconnect_share"].value > 0
    assert rack["chip_usd"].median > own["chip_usd"].median
