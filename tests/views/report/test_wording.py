"""What pages say in words."""

from __future__ import annotations

import json
from typing import Any

from looks import charts, one, table_of, tables
from results import told

from computebill.views.report import page, reports_of

Results = dict[str, dict[str, Any]]


def test_one_convention_is_no_range_and_no_chart() -> None:
    speed = ("--params", "70B", "--tokens-per-second", "430", "--accelerator", "h100")
    report = one(told("mfu", *speed, "--json"))
    assert report.answer.endswith("as 6nd counts; the other conventions need the model's shape.")
    assert charts(report) == {}
    assert table_of(report, "Conventions").rows


def test_the_tornado_names_what_it_moves(results: Results) -> None:
    run = charts(one(results["run"]))["What moves the result"]
    assert "where the rented cost is $" in run.says
    assert '"title": "rented cost (USD)"' in json.dumps(run.picture.spec())


def test_the_worst_tenth_is_at_least_so_far_off(results: Results) -> None:
    assert " % in the worst tenth" in one(results["validate"]).answer
    assert "and at least " in one(results["validate"]).answer


def test_programmes_with_most_in_final_runs(results: Results) -> None:
    most = {**results["spend"], "final_share": dict.fromkeys(("p5", "p50", "p95", "mean"), 0.9)}
    other = {**results["spend"], "variant": "x", "organisation": "B", "title": "B"}
    answer = one(other, most).answer
    assert answer.startswith("Of R&D compute, final training runs took ")
    assert answer.endswith(" and 90.0 % at Example lab.")


def test_a_model_is_told_as_one_of_its_type(results: Results) -> None:
    report = one(results["model"])
    assert report.title == "A model of 8.03 B parameters (type llama)"
    assert report.answer.startswith("This model of type llama has 8.03 B parameters; a token")


def test_a_tile_is_of_what_is_known(results: Results) -> None:
    labels = [each.label for each in one(results["sweep"]).figures]
    assert "training FLOP" in labels
    unknown = one({**results["sweep"], "flop": None})
    assert "training FLOP" not in [each.label for each in unknown.figures]
    assert "–" not in [each.value for each in unknown.figures]


def test_a_budget_for_more_than_all(results: Results) -> None:
    result = results["sweep"]
    title = "What $1.00 M pays for, at the medians"
    for part, cell in (
        (0.5, ("Part of the programme", "50.0 %")),
        (2.117, ("How many times the whole programme", "2.12")),
    ):
        budget = {**result["budget"], "part_that_fits": part}
        assert cell in table_of(one({**result, "budget": budget}), title).rows


def test_what_has_no_interval_says_so(results: Results) -> None:
    sweep = charts(one(results["sweep"]))
    rest = "What has no line is one number, or a sum or a rest whose interval is not known."
    assert sweep["From the final run to the whole programme"].says.endswith(rest)
    assert rest not in charts(one(results["spend"]))["Runs, dearest first"].says
    assert "Medians only" in sweep["By active parameters"].says
    organisations = "Cost of all rows that have one, by organisation"
    assert "without an interval" in charts(one(results["score"]))[organisations].says
    plan = one(results["plan"])
    assert "; the best has its 5th to 95th percentile." in charts(plan)["Days against cost"].says
    best = next(row for row in tables(plan)[0].rows if row[2] == "best")
    assert "(" in best[3]
    assert "(" in best[4]


def test_shares_elsewhere_are_linked_and_told_once(results: Results) -> None:
    shipped = [{**each, "programme": "openai-2024"} for each in results["spends"]["programmes"]]
    reports = reports_of([("x", {**results["spends"], "programmes": shipped})])
    found = [each for each in reports if "Elsewhere" in [part.title for part in each.sections]]
    assert found == reports[:1]
    assert '<a href="https://arxiv.org/abs/2605.01158" rel="noreferrer">' in page.render(reports)
    alone = reports_of([("x", shipped[0])])
    assert "Elsewhere" in [part.title for part in alone[0].sections]


def test_addresses_in_a_cell_become_links_and_nothing_else() -> None:
    assert page.linked('See https://a.example/x?y=1&z=2, <b> "https://b.example/".') == (
        'See <a href="https://a.example/x?y=1&amp;z=2" rel="noreferrer">'
        "https://a.example/x?y=1&amp;z=2</a>, &lt;b&gt; &quot;"
        '<a href="https://b.example/" rel="noreferrer">https://b.example/</a>&quot;.'
    )
    assert page.linked("javascript:alert(1)") == "javascript:alert(1)"
    assert page.linked("http://") == "http://"
