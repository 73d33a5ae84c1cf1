"""The page of a programme, and of several."""

from __future__ import annotations

import copy
from typing import Any

from looks import one
from results import told

from computebill.views.report import page, reports_of

Results = dict[str, dict[str, Any]]


def test_programmes_with_most_in_final_runs(results: Results) -> None:
    most = {**results["spend"], "final_share": dict.fromkeys(("p5", "p50", "p95", "mean"), 0.9)}
    other = {**results["spend"], "variant": "x", "organisation": "B", "title": "B"}
    answer = one(other, most).answer
    assert answer.startswith("Of R&D compute, final training runs took ")
    assert answer.endswith(" and 90.0 % at Example lab.")


def test_shares_elsewhere_are_linked_and_told_once(results: Results) -> None:
    shipped = [{**each, "programme": "openai-2024"} for each in results["spends"]["programmes"]]
    reports = reports_of([("x", {**results["spends"], "programmes": shipped})])
    found = [each for each in reports if "Elsewhere" in [part.title for part in each.sections]]
    assert found == reports[:1]
    assert '<a href="https://arxiv.org/abs/2605.01158" rel="noreferrer">' in page.render(reports)
    alone = reports_of([("x", shipped[0])])
    assert "Elsewhere" in [part.title for part in alone[0].sections]


def test_a_scenario_s_own_sources_are_cited() -> None:
    report = one(told("spend", "minimax-2025", "--samples", "512", "--json"))
    titles = " ".join(str(source["title"]) for source in report.sources)
    assert "Predictable Scale" in titles  # Step Law
    assert "Smol Training Playbook" in titles
    names = [name for name, _, _ in report.assumptions]
    assert "Published practice: synthetic data: tokens" in names


def test_more_than_all_leaves_no_rest(results: Results) -> None:
    result = copy.deepcopy(results["spend"])
    result["exploration_usd"] |= {"p5": -3e9, "p50": -2e9, "p95": -1e9}
    assert one(result).answer.endswith("so the assumptions cannot hold together.")
    assert "went to experiments" not in one(result).answer
