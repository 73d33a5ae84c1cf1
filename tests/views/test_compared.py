"""Clusters and markets side by side, on a terminal, in a sentence and as a page."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from known import LLAMA_8B
from looks import line_with, one, printed, table_of

import computebill as cb
from computebill.planning.compared import ComparedPlan
from computebill.views import compared as view
from computebill.views.answers import answer_of


@cache
def found() -> ComparedPlan:
    return cb.compare_plans(
        {
            "model": LLAMA_8B,
            "tokens": "100B",
            "global_batch": 256,
            "tp": [1],
            "pp": [1],
            "cp": [1],
            "zero": [1, 3],
            "micro_batch": [1],
            "recompute": ["full"],
            "vpp": [1],
            "deadline": 2,
            "objective": "cost",
            "price": "on-demand=2.5,spot=1",
            "interruptions_per_gpu_day": 0.02,
            "market": "on-demand,spot",
            "cluster": [
                {"name": "east", "accelerator": "h100", "count": 64},
                {"name": "none", "accelerator": "t4", "count": 1},
            ],
        }
    )


def test_tables_tell_all_and_why_others_are_none() -> None:
    text = printed(view.full(found()), width=170)
    row = line_with("east, spot", text)
    assert "0.02" in row
    assert "min" in row
    assert "Nothing was found on" in text
    assert "none, spot" in text
    assert "Cheapest: 64 x h100-sxm" in text


def test_the_first_sentence_names_who_is_cheapest_and_who_is_fastest() -> None:
    answer = answer_of(found().to_dict())
    assert answer is not None
    assert answer.sentence.startswith("Cheapest of 2 is east, spot: ")
    assert "; fastest is east, on-demand: " in answer.sentence
    assert "done by day 2 with odds of " in answer.sentence


def test_the_best_of_several_tells_its_figures_once() -> None:
    """The one by the objective is laid out, and who is cheapest and fastest is told before."""
    told = found().to_dict()
    answer = answer_of(told)
    assert answer is not None
    assert answer.sentence.count(" days") == 2
    assert ". The cheapest runs on 64 x h100-sxm, bf16, laid out dp 64, " in answer.sentence
    least = answer_of({**told, "objective": "energy"})
    assert least is not None
    assert "Cheapest and of least energy of 2 is east, spot: " in least.sentence
    assert ". That of least energy runs on 64 x h100-sxm" in least.sentence


def without_odds(told: dict[str, Any]) -> dict[str, Any]:
    return {**told["alternatives"][0], "deadline_odds": None}


def test_a_page_has_them_side_by_side() -> None:
    table = table_of(one(found().to_dict()), "Side by side, the best first")
    assert [row[0] for row in table.rows] == ["east, spot", "east, on-demand"]
    assert table.headings[-1] == "odds by day 2"


def test_one_plan_with_a_day_tells_its_odds() -> None:
    told = found().to_dict()
    told["alternatives"] = told["alternatives"][:1]
    answer = answer_of(told)
    assert answer is not None
    assert answer.sentence.startswith("Cheapest is 64 x h100-sxm, ")
    assert ", done by day 2 with odds of " in answer.sentence
    alone = answer_of({**told, "deadline_days": None, "alternatives": [without_odds(told)]})
    assert alone is not None
    assert alone.sentence == re.sub(", done by day 2 with odds of [0-9]+ %", "", answer.sentence)
    told["alternatives"] = [{**found().to_dict()["alternatives"][0], "cost_usd": None}] * 2
    unpriced = answer_of(told)
    assert unpriced is not None
    assert unpriced.sentence.startswith("Fastest of 2 is east, spot: ")
