"""A search of splits on a terminal, in a sentence, as a chart and as a page."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from looks import line_with, one, printed, table_of

import computebill as cb
from computebill.planning.rollout_result import RolloutPlan
from computebill.views import rollouts as view
from computebill.views.answers import answer_of
from computebill.views.charts import rollouts as drawn
from computebill.views.plan_words import memory, waiting, written

STAGE = {
    "kind": "ppo", "params": "8B", "steps": 100, "prompts": 64, "samples_per_prompt": 16,
    "answer_mean": "2000..6000", "price": 2, "accelerator": "h100", "count": 8,
    "generation": {"count": 8, "staleness": 2},
}  # fmt: skip


@cache
def found() -> RolloutPlan:
    return cb.plan_rollouts(STAGE, samples=64)


@cache
def told() -> dict[str, Any]:
    return found().to_dict()


def test_tables_have_the_best_the_given_and_other_answers() -> None:
    text = printed(view.full(found()), width=160)
    best = found().best
    assert f"Fastest: {best.split.text}" in text
    assert "(as given, rank" in line_with("8 x h100 write, 8 x h100 train (", text)
    assert "16 x h100 in turn" in text
    assert "Were the mean answer shorter or longer" in text
    assert best.copy is not None
    assert f"{best.copy.copies:.0f} copies of tp {best.copy.ranks}" in text
    assert f"{found().tried} splits in" in text
    assert "critic" in text


def test_the_sentence_tells_split_days_rent_and_who_waits() -> None:
    answer = answer_of(told())
    assert answer is not None
    best = told()["best"]
    assert answer.sentence.startswith(f"Fastest is {best['generate']['count']} x h100-sxm that ")
    assert "wait" in answer.sentence
    assert " rented" in answer.sentence
    assert f"rank {told()['given']['rank']} of {told()['splits_tried']}" in answer.sentence
    bare = copy.deepcopy(told())
    bare["best"]["cost_usd"] = None
    bare["in_turn"] = bare["given"] = None
    other = answer_of(bare)
    assert other is not None
    assert "; no price is known; " in other.sentence
    assert "In turn" not in other.sentence


def test_a_page_has_the_curve_both_roles_and_other_splits() -> None:
    report = one(told())
    roles = table_of(report, "What each role does in a step").rows
    assert [row[0] for row in roles] == ["train", "write"]
    assert len(table_of(report, "Were the mean answer shorter or longer").rows) == 3
    rows = table_of(report, "Other splits, medians only").rows
    assert len({row[0] for row in rows}) == len(rows)  # a split is told once, with all it is
    kinds = {kind for row in rows for kind in row[1].split("; ")}
    assert {"next best", "in turn", f"given, rank {told()['given']['rank']}"} <= kinds


def test_what_the_plan_decides_is_not_told_as_the_stage_s() -> None:
    stated = cb.plan_rollouts({**STAGE, "source": "a report, table 4"}, samples=64)
    sources = {each.name: each.source for each in stated.assumptions}
    assert sources["steps"] == "a report, table 4"
    assert sources["split"] == f"the best of {stated.tried} splits"
    assert sources["least odds that training fits"] == "the default; --fit-odds"
    assert not {"count", "accelerator", "generation", "fit odds"} & set(sources)


def test_the_curve_has_three_lines_and_marks_the_best() -> None:
    picture = drawn.curve(told())
    assert picture is not None
    assert len({row["answers"] for row in picture.rows}) == 3
    best = [row for row in picture.rows if row["is_best"]]
    middle = {row["generators"]: row["days"] for row in picture.rows if "mean" in row["answers"]}
    if not told()["best"]["in_turn"]:
        assert best[0]["days"] == min(middle.values())
    assert drawn.curve({**told(), "curve": told()["curve"][:1]}) is None


def test_what_is_not_known_is_not_told_as_a_figure() -> None:
    best = copy.deepcopy(told()["best"])
    best["generate"] |= {"tensor_parallel": None, "memory_gb": None}
    assert written(best) == "as its throughput is given"
    assert memory(best["generate"]) == "–"
    assert waiting({**best, "waiting": "neither"}) == "neither waits for the other"
