"""The page of a search."""

from __future__ import annotations

import copy
from typing import Any

from looks import one, table_of, tables

Results = dict[str, dict[str, Any]]


def test_the_answer_is_the_best(results: Results) -> None:
    report = one(results["plan"])
    best = results["plan"]["best"]
    on = best["layout"]["accelerators"]
    assert report.answer.startswith(f"Fastest is {on} x h100-sxm, bf16, laid out ")
    assert " rented, at a utilisation of " in report.answer
    assert " real runs reached " in report.answer
    bare = copy.deepcopy(results["plan"])
    bare["best"]["cost_usd"] = None
    assert "; no price is known, at a utilisation of " in one(bare).answer
    del bare["observed_mfu"]  # of a release that did not tell it
    assert one(bare).answer.endswith("; no price is known.")


def test_layouts_stand_by_their_days(results: Results) -> None:
    days = [float(row[3].split()[0]) for row in table_of(one(results["plan"]), "Layouts").rows]
    assert days == sorted(days)


def test_the_next_best_lose_what_their_step_takes_more(results: Results) -> None:
    rows = table_of(one(results["plan"]), "The next best, medians only").rows
    best = results["plan"]["best"]["step_seconds"]["p50"]
    for row, each in zip(rows, results["plan"]["runners_up"], strict=True):
        loss = float(row[4].removesuffix(" %").replace("−", "-"))
        assert abs(loss - 100 * (each["step_seconds"] / best - 1)) <= 0.05


def test_every_rule_of_the_search_is_told(results: Results) -> None:
    rules = tables(one(results["plan"]))[-1]
    counts = [int(row[1].replace(",", "")) for row in rules.rows]
    assert counts == sorted(results["plan"]["excluded"].values(), reverse=True)
    assert f"{results['plan']['evaluated']:,} layouts" in rules.title
