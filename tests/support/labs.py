"""The shipped programmes, estimated once for all tests of a module; a programme of one run."""

from __future__ import annotations

from functools import cache

from computebill.programmes.spend import SpendEstimate, compare_spend

NAMES = {"OpenAI": "openai-2024", "MiniMax": "minimax-2025", "Z.ai": "zai-2025"}


ONE_RUN = """
organisation = "A lab"
title = "One run"
window = { first = 2024, last = 2024 }
[sources.us]
title = "made up"
[assumptions]
peak_flop_per_s = 1e15
mfu = { value = { p10 = 0.15, p90 = 0.35 }, source = "us" }
price = { value = { p10 = 1.5, p90 = 3.0 }, source = "us" }
[[reported]]
item = "R&D"
counts_as = "rnd_compute"
currency = "USD"
source = "us"
periods = [{ period = 2024, amount = 1e9 }]
[[runs]]
name = "the run"
released = "2024-05"
flop = 1e25
source = "us"
"""


@cache
def estimated(name: str) -> SpendEstimate:
    return compare_spend(name)
