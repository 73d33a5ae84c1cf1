"""The table of all combinations of methods."""

from __future__ import annotations

from looks import line_with, printed

from computebill.views.multiverse import multiverse, share_text, told

SHARE = {"p5": 0.0323, "p50": 0.0892, "p95": 0.296}
FOUND = {
    "specifications": 1152,
    "median_share": SHARE,
    "lowest": 0.02,
    "highest": 1.4,
    "impossible": 0,
    "beyond_spend": 0,
    "left_out": [],
    "axes": [
        {
            "axis": "precision",
            "share_of_variance": 0.25,
            "options": [{"option": "FP8 for all runs", "median_share": SHARE}],
        }
    ],
}


def test_choices_and_their_options() -> None:
    text = printed(multiverse(FOUND))
    assert "8.92 % (3.23–29.6)" in line_with("all combinations", text)
    assert "25.0 %" in line_with("precision", text)
    assert share_text(SHARE) in line_with("FP8 for all runs", text)


def test_what_is_left_out_is_told() -> None:
    assert told(FOUND) == "1,152 combinations; their medians run from 2.00 % to 140 %."
    more = told({**FOUND, "impossible": 3, "beyond_spend": 2, "left_out": ["regressions"]})
    assert "In 2 of them the median final runs cost more than all R&D compute." in more
    assert "3 do not go together and are left out." in more
    assert more.endswith("What moves nothing here: regressions.")
