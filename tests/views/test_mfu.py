"""Utilisation on a terminal."""

from __future__ import annotations

import pytest
from known import LLAMA_8B
from looks import line_with, printed

import computebill as cb
from computebill.views import mfu as view

SPEED = cb.Speed(tokens_per_second_per_gpu=9000)


def test_every_convention_has_its_row() -> None:
    found = cb.utilisation(LLAMA_8B, speed=SPEED, accelerator="h100-sxm")
    text = printed(view.full(found))
    for name, share in found.mfu.items():
        assert share is not None
        told = float(line_with(f" {name} ", text).split(" %")[0].split()[-1])
        assert told == pytest.approx(100 * share, rel=0.005)
    # 6 x 8.03e9 parameters x 9,000 tokens of 989.4e12 FLOP/s, the embedding counted or not.
    assert found.mfu["6nd"] == pytest.approx(6 * 8.03e9 * 9000 / 989.4e12, rel=0.08)


def test_what_needs_the_shape_is_left_out_without_it() -> None:
    found = cb.utilisation(params_active=8.03e9, speed=SPEED, accelerator="h100-sxm")
    assert "43.8 %" in line_with(" 6nd ", text := printed(view.full(found)))
    assert "needs a config.json" in line_with(" palm ", text)
