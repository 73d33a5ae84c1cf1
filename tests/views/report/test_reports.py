from __future__ import annotations

import copy
import re
from typing import Any

import altair as alt
import pytest
from results import told

from computebill.base.assumptions import given_inputs
from computebill.base.errors import RequestError
from computebill.planning.spec import PlanSpec
from computebill.views.report import page, reports_of
from computebill.views.report.document import Chart, Report, Table
from computebill.views.result import distribution

H100 = ("--accelerator", "h100")
Results = dict[str, dict[str, Any]]
KINDS = ("run", "laid-out", "plan", "model", "mfu", "sweep", "spend", "score", "validate")
KINDS += ("bench", "hardware", "hardware-show", "statement", "stages", "ledger")


def one(result: dict[str, Any], *others: dict[str, Any]) -> Report:
    return reports_of([("x.json", result), *(("y.json", each) for each in others)])[0]


def tables(report: Report) -> list[Table]:
    found = [part for section in report.sections for part in section.parts]
    return [part.table if isinstance(part, Chart) else part for part in found]


def titles(report: Report) -> list[str]:
    return [chart.title for chart in report.charts()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_says_what_its_result_says(results: Results, kind: str) -> None:
    report = one(results[kind])
    assert re.search(r"\d.*\.$", report.answer)
    assert report.charts()
    command = kind.replace("laid-out", "run").replace("stages", "run").replace("-", " ")
    assert report.about["command"].startswith(f"computebill {command} ")
    for table in tables(report):
        assert table.rows, table.title
        assert {len(row) for row in table.rows} == {len(table.headings)}
        assert not [cell for row in table.rows for cell in row if re.search(r"\bnan\b|None", cell)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_chart_is_valid_and_has_its_table(results: Results, kind: str) -> None:
    for chart in one(results[kind]).charts():
        spec = chart.picture.spec()
        assert alt.Chart.from_dict(spec)  # Altair validates it
        assert spec["datasets"]["rows"]
        assert chart.says.endswith(".")
        assert chart.table.rows


def test_the_answer_has_the_interval(results: Results) -> None:
    share = distribution(results["spend"]["final_share"])
    spend = one(results["spend"])
    assert f"took {share.p50 * 100:.2f} % (" in spend.answer
    assert re.search(r"GPU-hours, [\d.]+ \([\d.]+–[\d.]+\) days", one(results["run"]).answer)


def test_assumptions_and_sources(results: Results) -> None:
    for kind in set(KINDS) - {"hardware"}:  # which has one accelerator's sources a page
        assert one(results[kind]).assumptions, kind
        assert all(source for _, _, source in one(results[kind]).assumptions), kind
    assert one(results["spend"]).sources
    assert [each["title"] for each in one(results["validate"]).sources] == ["a", "b"]


def test_an_address_may_say_where_in_it(results: Results) -> None:
    cited = {"title": "Megatron", "address": "https://example.org/x (figure 3)"}
    result = {**results["validate"], "sources": {"a": cited}}
    text = page.render(reports_of([("x.json", result)]))
    assert '<a href="https://example.org/x" rel="noreferrer">Megatron</a> (figure 3)' in text


def test_the_charts_worth_having(results: Results) -> None:
    assert titles(one(results["spend"]))[:5] == [
        "Final runs and the rest of R&D compute",
        "From one run to the whole programme",
        "Runs, dearest first",
        "What everything else went to",
        "How far each assumption moves the share",
    ]
    assert "Utilisation against the number of GPUs" in titles(one(results["laid-out"]))
    assert "What moves the result" in titles(one(results["run"]))
    assert titles(one(results["plan"])) == ["Days against cost"]
    assert "GPUs at work over time" in titles(one(results["sweep"]))
    assert "From the final run to the whole programme" in titles(one(results["sweep"]))
    assert "Predicted against measured time of a step" in titles(one(results["validate"]))
    assert titles(one(results["score"]))[0] == "Cost against date of publication"


def test_several_programmes_are_compared(results: Results) -> None:
    both = reports_of([("a.json", results["spends"])])
    assert [each.title for each in both] == [
        "Final training runs against R&D compute",
        "Example lab, second half of 2025, as-published",
        "OpenAI, 2024, as-published",
    ]
    apart = reports_of([("a.json", results["spend"]), ("b.json", results["spends"])])
    assert len(apart) == 4
    assert both[1].about == results["spends"]["about"]


def test_results_of_before_have_a_page_too(results: Results) -> None:
    for kind in ("run", "laid-out", "spend", "sweep", "score", "validate", "plan", "mfu"):
        old = copy.deepcopy(results[kind])
        for key in ("about", "swings", "swings_of", "scaling", "points", "trends", "by_year"):
            old.pop(key, None)
        old.pop("sources" if kind == "sweep" else "accelerator_title", None)
        assert one(old).answer


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([1], "x.json: allowed: one JSON object"),
        ({}, "x.json: is no result of a command that has a page; allowed: what a command wrote"),
        ({"gpus": []}, " --json or -o x.json, of spend, score, statement, "),
        ({"programmes": [1]}, "x.json: programmes: allowed: a list of objects"),
        ({"final_share": 1, "reported": 1, "runs": 1}, "x.json: a key of the result is missing"),
        ({"cost_ways_usd": 1, "gpu_hours": "a", "mfu": 1}, "x.json: "),
    ],
)
def test_what_is_no_result_is_refused(given: Any, problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        reports_of([("x.json", given)])
    assert problem in str(caught.value)


@pytest.mark.parametrize("kind", ["run", "plan", "mfu", "model"])
def test_every_key_of_another_type_is_refused_or_told(results: Results, kind: str) -> None:
    refused = 0
    for key in results[kind]:
        for value in ("text", [1]):
            try:
                one({**results[kind], key: value})
            except RequestError:
                refused += 1
    assert refused > 4


def test_what_was_given_is_told_too(results: Results) -> None:
    def told(kind: str) -> dict[str, str]:
        return {name: value for name, value, _ in one(results[kind]).assumptions}

    sweep = told("sweep")
    assert sweep["ladder: grid"] == "params 100M, 400M, 1B; tokens_per_param 5, 20"
    assert sweep["words: tokens"] == "1B"
    assert sweep["final run: gpu hours"] == "5000"
    plan = told("plan")
    assert (plan["global batch"], plan["count"]) == ("512", "32, 64")
    assert told("mfu")["tokens per second per gpu"] == "9000"
    assert told("mfu")["sequence length"] == "4096"


def test_given_numbers_are_told_to_the_last_digit(results: Results) -> None:
    result = copy.deepcopy(results["plan"])
    spec = PlanSpec.model_validate(
        {
            "model": "m",
            "tokens": "1T",
            "accelerator": "h100",
            "max_gpus": 16384,
            "global_batch": 512,
        }
    )
    result["inputs"] = [each.to_dict() for each in given_inputs(spec)]
    told = {name: value for name, value, _ in one(result).assumptions}
    assert told["max gpus"] == "16,384"


def test_a_page_explains_only_what_it_has(results: Results) -> None:
    def how(kind: str) -> str:
        return page.render([one(results[kind])]).partition('class="how">')[2].partition("</p>")[0]

    assert "In brackets" in how("run")
    assert "In brackets" not in how("hardware")
    plain = told("mfu", "--params", "70B", "--tokens-per-second", "900", *H100, "--json")
    assert 'class="how"' not in page.render([one(plain)])


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("model", "notes", 0.5),
        ("mfu", "notes", 0.5),
        ("run", "notes", 0.5),
        ("plan", "notes", 0.5),
        ("run", "sources", {"s": "a title"}),
        ("spend", "sources", {"s": 3.0}),
    ],
)
def test_what_the_page_prints_is_looked_at_before(
    results: Results, kind: str, key: str, value: Any
) -> None:
    with pytest.raises(RequestError, match="is not as computebill writes it"):
        one({**results[kind], key: value})
