"""The share of final runs as measured elsewhere, for context."""

from __future__ import annotations

from typing import NamedTuple

from computebill.base.specfile import table_rows

from .loading import SHIPPED


class ShareElsewhere(NamedTuple):
    """One programme's share, on its own basis."""

    programme: str
    basis: str
    final_share: float
    note: str
    source: str


def shares_elsewhere() -> list[ShareElsewhere]:
    """Return the shares that ship, each with its basis and source."""
    text = SHIPPED.joinpath("final_shares_elsewhere.csv").read_text(encoding="utf-8")
    return [
        ShareElsewhere(
            row["programme"], row["basis"], float(row["final_share"]), row["note"], row["source"]
        )
        for row in table_rows(text)
    ]
