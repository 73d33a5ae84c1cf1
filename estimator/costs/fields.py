"""Fields of a spec that say what an accelerator-hour costs, as users write them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, PlainValidator

from computebill.base.errors import shown
from computebill.base.quantity import AS_TEXT, KEYS, Quantity, parse_quantity
from computebill.base.specfile import Spec

PRICE_REPLACES: dict[str, tuple[str, ...]] = {
    "price": ("provider", "commitment", "prices", "region"),
    "provider": ("price",),
    "prices": ("price",),
    "region": ("price",),
    "commitment": ("price",),
}
"""What a file said of a price in another way, and a flag puts aside."""

_MONEY = re.compile(r"\$|\bUSD\b|/ *(?:gpu|chip|accelerator)?[- ]?(?:h|hr|hour)\b", re.IGNORECASE)
"""What people write about a price beside its number."""


def check_day(value: object) -> dt.date:
    """Read a day.

    Raises:
        ValueError: with what was given and what is allowed.
    """
    if isinstance(value, dt.date):
        return value
    try:
        return dt.datetime.strptime(str(value), "%Y-%m-%d").date()
    except ValueError:
        raise ValueError(f"got {shown(value)}; allowed: a day, 2025-06-30") from None


def _rent(value: object) -> Quantity:
    """Read USD an hour, ``2.2``, ``$2.2/h`` or ``2 USD..3 USD``."""
    return parse_quantity(_MONEY.sub("", value) if isinstance(value, str) else value)


def _prices(value: object) -> Quantity | dict[str, Quantity]:
    """Read a price, or one of each accelerator: a table, or ``h100=2.1,b200=3..5``."""
    if isinstance(value, str) and "=" in value:
        parts = [part.partition("=") for part in value.split(",")]
        value = {name.strip(): price.strip() for name, _, price in parts}
    if not isinstance(value, Mapping) or KEYS.issuperset(value):
        return _rent(value)
    found = {}
    for name, price in value.items():
        try:
            found[str(name)] = _rent(price)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return found


Day = Annotated[dt.date, BeforeValidator(check_day)]
"""Of prices."""
Rent = Annotated[Quantity, BeforeValidator(_rent), AS_TEXT]
"""USD per accelerator-hour."""
Prices = Annotated[Quantity | dict[str, Quantity], PlainValidator(_prices)]
"""USD per accelerator-hour, of all or by the accelerator's name."""


def check_price_list(spec: Spec) -> None:
    """Refuse a price list beside a price, and a region without a list.

    Raises:
        ValueError: naming both.
    """
    prices, region = getattr(spec, "prices", None), getattr(spec, "region", None)
    if prices is not None and getattr(spec, "price", None) is not None:
        raise ValueError("give prices or price, not both")
    if region is not None and prices is None:
        raise ValueError("region: needs prices, a price list")
