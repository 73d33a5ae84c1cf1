"""Colours of all charts."""

from __future__ import annotations

from looks import contrast

from computebill.views.charts.look import KINDS, PALETTE


def test_data_colours_stand_out_in_light_and_dark() -> None:
    for colour in {*PALETTE, *KINDS.values()}:
        for background in ("#ffffff", "#12171c"):
            assert contrast(colour, background) >= 3.0, (colour, background)
