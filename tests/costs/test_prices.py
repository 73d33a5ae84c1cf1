from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from computebill.base.errors import RequestError
from computebill.base.specfile import validate
from computebill.costs.prices import (
    NOT_OFFERS,
    cloud_price,
    pooled_spread,
    purchase_price,
    typical_cloud_price,
)
from computebill.hardware.accelerators import Accelerator, find_accelerator, list_accelerators
from computebill.runs.estimate import estimate_run

DAY = dt.date(2024, 1, 1)


def part(cloud: list[dict[str, Any]], **more: Any) -> Accelerator:
    figure = {"value": 1.0, "source": "s"}
    purchase = more.pop("purchase", [])
    base = {"date": DAY, "kind": "list", "source": "s"}
    data = {
        "name": "part",
        "title": "Part",
        "vendor": "V",
        "memory_gb": figure,
        "memory_bandwidth_gb_s": figure,
        "peak_tflops": {"bf16": figure},
        "sources": {"s": {"title": "S", "licence": "facts only"}},
        "prices": {
            "cloud": [{**base, "provider": "P", **row} for row in cloud],
            "purchase": [{**base, "kind": "card", **row} for row in purchase],
        },
        **more,
    }
    return validate(Accelerator, data, "part")


dates = st.dates(dt.date(2019, 1, 1), dt.date(2026, 12, 31))
usd = st.floats(0.1, 20)


@given(st.lists(st.tuples(dates, usd), min_size=1, max_size=12), dates)
def test_the_price_is_the_last_before_the_date_else_the_first_after(
    rows: list[tuple[dt.date, float]], date: dt.date
) -> None:
    quote = cloud_price(part([{"date": d, "on_demand_usd": u} for d, u in rows]), date=date)
    before = [d for d, _ in rows if d <= date]
    expected = max(before) if before else min(d for d, _ in rows)
    assert quote.date == expected
    assert (expected, quote.usd_per_hour) in rows


@given(st.lists(usd, min_size=1, max_size=9))
def test_of_one_day_the_middle_offer_serves(prices: list[float]) -> None:
    quote = cloud_price(part([{"on_demand_usd": price} for price in prices]))
    assert sum(price <= quote.usd_per_hour for price in prices) >= len(prices) / 2
    assert sum(price >= quote.usd_per_hour for price in prices) >= len(prices) / 2


def test_the_newest_price_serves_where_no_date_is_given() -> None:
    old = {"on_demand_usd": 3.0}
    new = {"on_demand_usd": 2.0, "date": dt.date(2025, 1, 1)}
    assert cloud_price(part([old, new])).usd_per_hour == 2.0


def test_a_stated_form_factor_goes_first() -> None:
    unstated = {"on_demand_usd": 1.0, "form_factor_stated": False, "date": dt.date(2025, 1, 1)}
    assert cloud_price(part([unstated, {"on_demand_usd": 2.0}])).usd_per_hour == 2.0
    assert cloud_price(part([unstated])).usd_per_hour == 1.0


@pytest.mark.parametrize("unusable", [{"doubtful": True}, {"variant": "16 GB"}, {"kind": "index"}])
def test_rows_that_are_no_offer_of_this_part_are_passed_over(unusable: dict[str, Any]) -> None:
    late = {"on_demand_usd": 0.1, "date": dt.date(2025, 1, 1), **unusable}
    accelerator = part([{"on_demand_usd": 2.0}, late])
    assert cloud_price(accelerator).usd_per_hour == 2.0
    assert typical_cloud_price(accelerator).p50 == 2.0
    with pytest.raises(RequestError, match="part has no rental price on record; give --price"):
        cloud_price(part([late]))


def test_a_variant_is_priced_where_it_is_asked_for() -> None:
    v100 = find_accelerator("v100")
    aws = cloud_price(v100, provider="aws", date=dt.date(2019, 6, 1), variant="16 GB")
    assert aws.usd_per_hour == pytest.approx(3.06)


@pytest.mark.parametrize(
    ("written", "provider"),
    [
        ("aws", "Amazon Web Services"),
        ("AWS", "Amazon Web Services"),
        ("Amazon", "Amazon Web Services"),
        ("amazon web services", "Amazon Web Services"),
        ("gcp", "Google Cloud"),
        ("Google", "Google Cloud"),
        ("azure", "Microsoft Azure"),
        ("lambda labs", "Lambda"),
        ("runpod", "RunPod"),
        ("vast-ai", "Vast.ai"),
    ],
)
def test_providers_go_by_the_names_people_write(written: str, provider: str) -> None:
    assert cloud_price(find_accelerator("h100"), provider=written).provider == provider


def test_an_unknown_provider_lists_those_with_a_price() -> None:
    with pytest.raises(RequestError, match="no price of tpu-v4 from 'aws'; from: Google Cloud"):
        cloud_price(find_accelerator("tpu-v4"), provider="aws")


def test_a_listed_commitment_is_quoted_as_listed() -> None:
    quote = cloud_price(find_accelerator("tpu-v4"), commitment="3y")
    assert (quote.usd_per_hour, quote.derived) == (1.45, False)


@pytest.mark.parametrize(
    ("provider", "commitment", "discount"),
    [
        ("Amazon Web Services", "1y", 0.41),
        ("Amazon Web Services", "3y", 0.64),
        ("Google Cloud", "1y", 0.37),
        ("Google Cloud", "3y", 0.56),
        ("Microsoft Azure", "1y", 0.25),
        ("Microsoft Azure", "3y", 0.49),
        ("Lambda", "1y", 0.34),
        ("Lambda", "3y", 0.56),
    ],
)
def test_a_commitment_not_listed_is_derived(
    provider: str, commitment: Any, discount: float
) -> None:
    accelerator = part([{"provider": provider, "on_demand_usd": 10.0}])
    quote = cloud_price(accelerator, commitment=commitment)
    assert quote.derived
    assert quote.usd_per_hour == pytest.approx(10 * (1 - discount))


def test_without_a_known_discount_a_commitment_is_refused() -> None:
    with pytest.raises(RequestError, match="part has no 1y price from p; has: on-demand; give"):
        cloud_price(part([{"on_demand_usd": 1.0}]), provider="p", commitment="1y")
    with pytest.raises(RequestError, match="got '2y'; allowed: on-demand, 1y, 3y, spot"):
        cloud_price(part([{"on_demand_usd": 1.0}]), commitment="2y")  # type: ignore[arg-type]


def test_a_typical_price_takes_each_providers_latest_of_the_year() -> None:
    rows: list[dict[str, Any]] = [
        {"provider": name, "on_demand_usd": price}
        for name, price in zip("ABC", (1, 2, 3), strict=True)
    ]
    rows.append({"provider": "A", "on_demand_usd": 9, "date": dt.date(2023, 12, 1)})
    rows.append({"provider": "D", "on_demand_usd": 99, "date": dt.date(2022, 1, 1)})
    typical = typical_cloud_price(part(rows))
    assert (typical.p50, typical.count, typical.first_date) == (2.0, 3, DAY)
    assert (typical.p10, typical.p90) == pytest.approx((1.2, 2.8))


def test_a_typical_price_falls_back_to_all_providers() -> None:
    rows = [
        {"provider": "A", "on_demand_usd": 4.0},
        {"provider": "B", "on_demand_usd": 2.0, "date": dt.date(2020, 1, 1)},
    ]
    typical = typical_cloud_price(part(rows), dt.date(2024, 6, 1))
    assert (typical.count, typical.p50, typical.last_date) == (2, 3.0, DAY)


def test_a_part_without_rental_prices_says_so() -> None:
    with pytest.raises(RequestError, match="trainium2 has no rental price on record"):
        typical_cloud_price(find_accelerator("trainium2"))


def test_typical_prices_are_in_order_and_of_the_right_size() -> None:
    for accelerator in list_accelerators():
        try:
            typical = typical_cloud_price(accelerator)
        except RequestError:
            continue
        assert typical.p10 <= typical.p50 <= typical.p90
        # What is listed; where few list it, the middle of what the pooled spread allows.
        ends = (typical.p50,) if typical.is_floored else (typical.p10, typical.p90)
        assert 0.05 < min(ends) <= max(ends) < 13
        assert typical.first_date <= typical.last_date


def test_the_server_share_goes_before_the_bare_card() -> None:
    rows = [
        {"low_usd": 100.0, "high_usd": 100.0, "kind": "server share per chip"},
        {"low_usd": 50.0, "high_usd": 50.0, "date": dt.date(2025, 1, 1)},
    ]
    quote = purchase_price(part([], purchase=rows))
    assert quote.usd == pytest.approx(100.0)
    assert quote.includes_server


def test_a_range_stands_for_its_geometric_mean() -> None:
    rows = [{"low_usd": 100.0, "high_usd": 400.0}]
    quote = purchase_price(part([], purchase=rows))
    assert quote.usd == pytest.approx(200.0)
    assert not quote.includes_server


@given(st.lists(st.tuples(dates, st.floats(1e3, 5e4)), min_size=1, max_size=8), dates)
def test_the_purchase_price_at_a_date_is_the_first(
    rows: list[tuple[dt.date, float]], date: dt.date
) -> None:
    purchase = [{"date": d, "low_usd": u, "high_usd": u} for d, u in rows]
    quote = purchase_price(part([], purchase=purchase), date=date)
    expected = min(d for d, _ in rows)
    assert purchase_price(part([], purchase=purchase)).date == max(d for d, _ in rows)
    same_day = [math.log(u) for d, u in rows if d == expected]
    assert quote.date == expected
    assert quote.usd == pytest.approx(math.exp(sum(same_day) / len(same_day)))


def test_the_price_range_serves_where_there_is_no_dated_price() -> None:
    accelerator = part([], price_usd={"low": 100, "high": 400, "source": "s"})
    quote = purchase_price(accelerator)
    assert quote.usd == pytest.approx(200.0)
    assert (quote.date, quote.kind) == (None, "range")
    with pytest.raises(RequestError, match="no purchase price on record"):
        purchase_price(part([]))


def test_shipped_purchase_prices() -> None:
    # A DGX H100 of September 2022 and an HGX of 2025, a chip's share.
    h100 = purchase_price(find_accelerator("h100"), date=dt.date(2024, 4, 1))
    assert (round(h100.usd), h100.includes_server) == (44490, True)
    v100 = purchase_price(find_accelerator("v100"), date=dt.date(2018, 1, 1))
    assert v100.date == dt.date(2019, 1, 11)


def test_the_pooled_spread_is_the_within_groups_deviation_of_an_analysis_of_variance() -> None:
    rows = [
        (
            part.name,
            row.date.year,
            row.provider,
            row.date,
            row.form_factor_stated,
            row.on_demand_usd,
        )
        for part in list_accelerators()
        for row in part.prices.cloud
        if row.on_demand_usd and not row.variant and not row.doubtful and row.kind not in NOT_OFFERS
    ]
    table = pd.DataFrame(rows, columns=["part", "year", "provider", "date", "stated", "usd"])
    offer, group = ["part", "year", "provider"], ["part", "year"]
    # Offers that state the form factor go first, then the last day, then the middle of that day.
    table = table[table.stated | ~table.groupby(offer).stated.transform("any")]
    table = table[table.date == table.groupby(offer).date.transform("max")]
    usd = table.groupby(offer).usd.quantile(0.5, interpolation="lower")
    logs = np.log(usd.astype(float))
    within = logs - logs.groupby(group).transform("mean")
    freedom = len(logs) - logs.groupby(group).ngroups
    assert freedom > 50
    assert pooled_spread() == pytest.approx(math.sqrt(float((within**2).sum()) / freedom))


@given(st.lists(usd, min_size=1, max_size=9), st.integers(1, 2))
def test_few_providers_never_have_less_than_the_pooled_width(prices: list[float], n: int) -> None:
    rows = [{"provider": f"P{i}", "on_demand_usd": each} for i, each in enumerate(prices)]
    few = typical_cloud_price(part(rows[:n]))
    least = math.exp(2 * 1.2815515655 * pooled_spread())
    assert few.is_floored
    assert few.p90 / few.p10 >= least * (1 - 1e-9)
    assert typical_cloud_price(part(rows)).is_floored == (len(rows) < 3)


def test_one_provider_s_price_has_width_and_says_why() -> None:
    run = {"flop": 1e21, "accelerator": "a800-sxm", "count": 8}
    found = estimate_run(run, samples=256)
    typical = typical_cloud_price(found.accelerator)
    assert typical.p10 < typical.p50 < typical.p90
    told = next(each for each in found.assumptions if each.name == "USD per accelerator-hour")
    assert f"prices of {typical.count} provider{'s'[: typical.count - 1]}, " in told.source
    assert "widened to the pooled spread between providers" in told.source
    many = estimate_run({**run, "accelerator": "h100-sxm"}, samples=256).assumptions
    assert not any("widened" in each.source for each in many)
