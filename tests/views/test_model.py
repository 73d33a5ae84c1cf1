"""A model's card on a terminal."""

from __future__ import annotations

from known import LLAMA_8B
from looks import line_with, printed

import computebill as cb
from computebill.training.memory_odds import verdict
from computebill.views import model as view


def test_a_card_in_full() -> None:
    card = cb.describe_model(LLAMA_8B)
    text = printed(view.full(card))
    assert "8,030,261,248" in line_with("Parameters", text)
    shares = [float(line.split()[-2]) for line in text.splitlines() if line.rstrip().endswith(" %")]
    assert abs(sum(shares[: len(card.flop.by_operator)]) - 100) < 0.1
    for name, told in view.CONVENTION_TEXT.items():
        assert told in line_with(f" {name} ", text)
    for use in card.memory:
        line = line_with(f" {use.name} ", text)
        assert ("up to " in line) == bool(use.largest_micro_batch)
        assert verdict(use.fit_odds) in line or use.largest_micro_batch
