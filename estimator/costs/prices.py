"""Prices of an accelerator: an hour in the cloud, or one to own.

Prices come from the profile. Those marked doubtful are never used, those of a variant only
where it is asked for.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import quantiles, variance
from typing import Literal, TypeVar

from computebill.base.constants import whole
from computebill.base.errors import RequestError, shown
from computebill.base.quantity import P90
from computebill.hardware.accelerators import (
    Accelerator,
    CloudPrice,
    Price,
    PurchasePrice,
    list_accelerators,
)
from computebill.hardware.names import compact

Commitment = Literal["on-demand", "1y", "3y", "spot"]

COLUMNS = {
    "on-demand": "on_demand_usd",
    "1y": "committed_1y_usd",
    "3y": "committed_3y_usd",
    "spot": "spot_usd",
}
"""Field of a cloud price for each commitment."""

DISCOUNTS = {
    "Amazon Web Services": {"1y": 0.41, "3y": 0.64},
    "Google Cloud": {"1y": 0.37, "3y": 0.56},
    "Microsoft Azure": {"1y": 0.25, "3y": 0.49},
    "Lambda": {"1y": 0.34, "3y": 0.56},
}
"""Share off the on-demand price. Source: Cottier et al. 2024, arXiv 2405.21015."""

PROVIDER_NAMES = {
    "aws": "Amazon Web Services",
    "amazon": "Amazon Web Services",
    "gcp": "Google Cloud",
    "google": "Google Cloud",
    "googlecloudplatform": "Google Cloud",
    "azure": "Microsoft Azure",
    "microsoft": "Microsoft Azure",
    "lambdalabs": "Lambda",
    "oracle": "Oracle Cloud",
    "oci": "Oracle Cloud",
    "ovh": "OVHcloud",
    "oblivus": "Oblivus Cloud",
    "cudo": "Cudo Compute",
}
"""Short names in use, besides the provider's own."""

FEW = whole("costs.prices.FEW")  # base/constants.toml

NOT_OFFERS = frozenset({"index", "assumed rental"})
"""Kinds of cloud price that nobody can rent at."""

SERVER_SHARE = "server share per chip"

P = TypeVar("P", bound=Price)


@dataclass(frozen=True)
class PriceQuote:
    """One cloud price; ``derived`` where a commitment's discount was applied, not listed."""

    usd_per_hour: float
    date: dt.date
    provider: str
    commitment: str
    kind: str
    source: str
    derived: bool = False


@dataclass(frozen=True)
class PriceRange:
    """What an hour costs on demand across providers, USD.

    ``is_floored`` where they are so few that the width is at least the pooled spread.
    """

    p10: float
    p50: float
    p90: float
    count: int
    first_date: dt.date
    last_date: dt.date
    is_floored: bool = False


@dataclass(frozen=True)
class PurchaseQuote:
    """What one chip costs to own, USD; ``date`` is None for a profile's overall range."""

    usd: float
    includes_server: bool
    date: dt.date | None
    kind: str
    source: str


def cloud_price(
    accelerator: Accelerator,
    *,
    provider: str | None = None,
    date: dt.date | None = None,
    commitment: Commitment = "on-demand",
    variant: str = "",
) -> PriceQuote:
    """Return the price of one accelerator-hour nearest to a date.

    The latest price on or before the date, else the first after it; of several that day the
    middle one. Offers that state the form factor go before those that do not.

    Args:
        accelerator: whose prices to look through.
        provider: name of the provider as people write it (``aws``, ``Google Cloud``); any where
            None.
        date: the newest price where None.
        commitment: kind of rent; where a provider lists no price for 1 or 3 years, its discount of
            :data:`DISCOUNTS` is applied to its on-demand price.
        variant: a sibling of this part, as the profile names it (``16 GB``).

    Raises:
        RequestError: for a provider or commitment without a price, naming those that have one.
    """
    if commitment not in COLUMNS:
        raise RequestError("commitment", f"got {shown(commitment)}; allowed: {', '.join(COLUMNS)}")
    offers = _offers(accelerator, provider, variant)
    listed = [offer for offer in offers if _usd(offer, commitment) is not None]
    if listed:
        return _quote(_nearest_offer(listed, commitment, date), commitment)
    discounted = [
        offer
        for offer in offers
        if commitment in DISCOUNTS.get(offer.provider, {}) and offer.on_demand_usd is not None
    ]
    if discounted:
        return _derived_quote(_nearest_offer(discounted, "on-demand", date), commitment)
    who = f" from {provider}" if provider else ""
    has = [name for name in COLUMNS if any(_usd(offer, name) is not None for offer in offers)]
    raise RequestError(
        "commitment",
        f"{accelerator.name} has no {commitment} price{who}; has: {', '.join(has) or 'none'}; "
        "give --price",
    )


def typical_cloud_price(accelerator: Accelerator, date: dt.date | None = None) -> PriceRange:
    """Return the range of on-demand prices over the year up to ``date``.

    One price a provider, its latest. Where fewer than three providers have one in that year,
    each provider's price nearest to the date serves.

    Raises:
        RequestError: where the profile has no on-demand price.
    """
    offers = [offer for offer in _offers(accelerator) if offer.on_demand_usd is not None]
    if not offers:
        raise _no_price(accelerator)
    day = date or max(offer.date for offer in offers)
    recent = [o for o in offers if dt.timedelta(0) <= day - o.date < dt.timedelta(days=365)]
    chosen = _one_a_provider(recent, day)
    if len(chosen) < FEW:
        chosen = _one_a_provider(offers, day)
    usd = [offer.on_demand_usd or 0.0 for offer in chosen]
    tenths = quantiles(usd, n=10, method="inclusive") if len(usd) > 1 else usd * 9
    # Between two equal prices it may round below both.
    tenths = [min(max(tenth, min(usd)), max(usd)) for tenth in tenths]
    dates = [offer.date for offer in chosen]
    low, middle, high = tenths[0], tenths[4], tenths[8]
    if is_floored := len(usd) < FEW:
        reach = math.exp(P90 * pooled_spread())
        low, high = min(low, middle / reach), max(high, middle * reach)
    return PriceRange(low, middle, high, len(usd), min(dates), max(dates), is_floored)


@cache
def pooled_spread() -> float:
    """Return the pooled standard deviation of the logarithm of prices between providers.

    A group is a shipped accelerator in a calendar year, with one on-demand price a provider, its
    last of that year; s = sqrt(sum (n - 1) s_g^2 / sum (n - 1)) over groups of n providers.
    """
    squares, freedom = 0.0, 0
    for accelerator in list_accelerators():
        years: dict[int, list[CloudPrice]] = {}
        for row in _usable(accelerator):
            if row.on_demand_usd is not None:
                years.setdefault(row.date.year, []).append(row)
        for year, rows in years.items():
            chosen = _one_a_provider(rows, dt.date(year, 12, 31))
            logs = [math.log(row.on_demand_usd or 1.0) for row in chosen]
            if len(logs) > 1:
                squares += variance(logs) * (len(logs) - 1)
                freedom += len(logs) - 1
    return math.sqrt(squares / freedom)


def purchase_price(
    accelerator: Accelerator, *, date: dt.date | None = None, variant: str = ""
) -> PurchaseQuote:
    """Return what one accelerator costs to own, USD.

    At a date it is the first price there is, that the hardware then loses value from, as in
    Cottier et al. 2024 (arXiv:2405.21015) and the code published with it; without one the latest.
    Where the profile has prices of whole servers, divided by their chips, only these serve;
    a range stands for the geometric mean of its ends, and so do several prices of one day.

    Raises:
        RequestError: where the profile has neither a price nor a price range.
    """
    rows = [r for r in accelerator.prices.purchase if r.variant == variant and not r.doubtful]
    rows = [r for r in rows if r.kind == SERVER_SHARE] or rows
    if rows:
        days = [row.date for row in rows]
        day = max(days) if date is None else min(days)
        same_day = [row for row in rows if row.date == day]
        usd = math.exp(sum(_log_middle(row) for row in same_day) / len(same_day))
        first = same_day[0]
        return PurchaseQuote(usd, first.kind == SERVER_SHARE, day, first.kind, first.source)
    band = accelerator.price_usd
    if band is None or variant:
        raise RequestError("accelerator", f"{accelerator.name} has no purchase price on record")
    return PurchaseQuote(math.sqrt(band.low * band.high), False, None, "range", band.source)


def _usable(accelerator: Accelerator, variant: str = "") -> list[CloudPrice]:
    """Return what one could have rented at, of all providers."""
    return [
        row
        for row in accelerator.prices.cloud
        if row.variant == variant and not row.doubtful and row.kind not in NOT_OFFERS
    ]


def _offers(
    accelerator: Accelerator, provider: str | None = None, variant: str = ""
) -> list[CloudPrice]:
    usable = _usable(accelerator, variant)
    if not usable:
        raise _no_price(accelerator)
    if provider is None:
        return usable
    wanted = compact(PROVIDER_NAMES.get(compact(provider), provider))
    offers = [row for row in usable if compact(row.provider) == wanted]
    if not offers:
        names = ", ".join(sorted({row.provider for row in usable}))
        raise RequestError(
            "provider", f"no price of {accelerator.name} from {shown(provider)}; from: {names}"
        )
    return offers


def _no_price(accelerator: Accelerator) -> RequestError:
    return RequestError(
        "price", f"{accelerator.name} has no rental price on record; give --price, USD an hour"
    )


def _usd(offer: CloudPrice, commitment: str) -> float | None:
    usd: float | None = getattr(offer, COLUMNS[commitment])
    return usd


def _nearest_day(rows: Sequence[Price], date: dt.date | None) -> dt.date:
    days = [row.date for row in rows]
    if date is None:
        return max(days)
    before = [day for day in days if day <= date]
    return max(before) if before else min(days)


def _nearest_offer(
    offers: Sequence[CloudPrice], commitment: str, date: dt.date | None
) -> CloudPrice:
    stated = [offer for offer in offers if offer.form_factor_stated] or offers
    day = _nearest_day(stated, date)
    return _middle(
        [offer for offer in stated if offer.date == day],
        lambda offer: _usd(offer, commitment) or 0.0,
    )


def _middle(rows: Sequence[P], key: Callable[[P], float]) -> P:
    """Return the median row, the lower one of two: a price that somebody does ask."""
    return sorted(rows, key=key)[(len(rows) - 1) // 2]


def _one_a_provider(offers: Sequence[CloudPrice], day: dt.date) -> list[CloudPrice]:
    groups: dict[str, list[CloudPrice]] = {}
    for offer in offers:
        groups.setdefault(offer.provider, []).append(offer)
    return [_nearest_offer(group, "on-demand", day) for group in groups.values()]


def _quote(offer: CloudPrice, commitment: str) -> PriceQuote:
    usd = _usd(offer, commitment)
    assert usd is not None
    return PriceQuote(usd, offer.date, offer.provider, commitment, offer.kind, offer.source)


def _derived_quote(offer: CloudPrice, commitment: str) -> PriceQuote:
    usd = (offer.on_demand_usd or 0.0) * (1 - DISCOUNTS[offer.provider][commitment])
    return PriceQuote(
        usd, offer.date, offer.provider, commitment, offer.kind, offer.source, derived=True
    )


def _log_middle(row: PurchasePrice) -> float:
    return (math.log(row.low_usd) + math.log(row.high_usd)) / 2
