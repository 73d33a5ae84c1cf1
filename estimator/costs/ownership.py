"""What hardware that is owned is worth, and for how long."""

from __future__ import annotations

import datetime as dt

from computebill.hardware.accelerators import Accelerator

from . import method
from .prices import PurchaseQuote


def price_with_server(accelerator: Accelerator, quote: PurchaseQuote) -> float:
    """Return the price of a chip with its share of the server, USD."""
    if quote.includes_server:
        return quote.usd
    return quote.usd * method.server_overhead(accelerator.title, accelerator.vendor)


def years_owned(accelerator: Accelerator, quote: PurchaseQuote, start: dt.date) -> float:
    """Return the years from acquisition to the start of training; none before it."""
    bought = acquired(accelerator, quote)
    return 0.0 if bought is None else max(0.0, method.years_between(bought, start))


def acquired(accelerator: Accelerator, quote: PurchaseQuote) -> dt.date | None:
    """Return the day a chip of that price was had; None where its release is not known."""
    if accelerator.release_date is None:
        return None
    released = accelerator.release_date.value
    return method.acquisition_date(quote.date or released, released, accelerator.vendor)
