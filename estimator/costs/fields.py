"""Fields of a spec that say what an accelerator-hour costs, as users write them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, PlainValidator

from computebill.base.errors import shown
from computebill.base.quantity import KEYS, Quantity, parse_quantity

PRICE_REPLACES: dict[str, tuple[str, ...]] = {
    "price": ("provider", "commitment"),
    "provider": ("price",),
    "commitment": ("price",),
}
"""What a file said of a price in another way, and a flag puts aside."""


def _check_day(value: object) -> object:
    if isinstance(value, dt.date):
        return value
    try:
        return dt.datetime.strptime(str(value), "%Y-%m-%d").date()
    except ValueError:
        raise ValueError(f"got {shown(value)}; allowed: a day, 2025-06-30") from None


def _prices(value: object) -> Quantity | dict[str, Quantity]:
    """Read a price, or one of each accelerator: a table, or ``h100=2.1,b200=3..5``."""
    if isinstance(value, str) and "=" in value:
        parts = [part.partition("=") for part in value.split(",")]
        value = {name.strip(): price.strip() for name, _, price in parts}
    if not isinstance(value, Mapping) or KEYS.issuperset(value):
        return parse_quantity(value)
    found = {}
    for name, price in value.items():
        try:
            found[str(name)] = parse_quantity(price)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return found


Day = Annotated[dt.date, BeforeValidator(_check_day)]
"""Of prices."""
Prices = Annotated[Quantity | dict[str, Quantity], PlainValidator(_prices)]
"""USD per accelerator-hour, of all or by the accelerator's name."""
