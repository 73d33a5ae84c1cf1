from __future__ import annotations

import copy
import re
from itertools import pairwise
from typing import Any

import altair as alt
import pytest
from results import told

from computebill.base.assumptions import given_inputs
from computebill.base.errors import RequestError
from computebill.planning.spec import PlanSpec
from computebill.views.report import page, reports_of
from computebill.views.report.document import Chart, Report, Table, figure
from computebill.views.result import distribution
from computebill.views.text import signed

H100 = ("--accelerator", "h100")
Results = dict[str, dict[str, Any]]
KINDS = ("run", "laid-out", "plan", "model", "mfu", "sweep", "spend", "score", "validate")
KINDS += ("bench", "hardware", "hardware-show")


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
    command = kind.replace("laid-out", "run").replace("-", " ")
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


def test_what_a_device_reaches_stands_beside_its_datasheet(results: Results) -> None:
    report = one(results["bench"])
    # 700 of 989.4 TFLOP/s; 1.03 and 0.98 of the median time, so the low end is 700 / 1.03.
    assert "reaches 700 (680–714) TFLOP/s in bf16 products, 70.7 % of its" in report.answer
    assert report.answer.endswith("1 of them, were predicted 10.0 % off.")
    cells = {row[0]: row[2:] for row in tables(report)[0].rows}
    assert cells["memory copy, GB/s"] == ("2,900", "3,350", "86.6 %")
    names = [name for name, *_ in report.assumptions]
    assert {"peak, dense bf16", "bandwidth of its memory"} <= set(names)


def test_an_accelerator_s_figures_have_their_sources(results: Results) -> None:
    report = one(results["hardware-show"])
    told = {name: (value, source) for name, value, source in report.assumptions}
    assert told["peak_tflops.bf16"] == ("989.4 TFLOP/s dense", "NVIDIA H100 product page")
    prices = tables(report)[0]
    assert len(prices.rows) > 50
    assert any("doubtful, not used" in row[-1] for row in prices.rows)


def test_an_address_may_say_where_in_it(results: Results) -> None:
    cited = {"title": "Megatron", "address": "https://example.org/x (figure 3)"}
    result = {**results["validate"], "sources": {"a": cited}}
    text = page.render(reports_of([("x.json", result)]))
    assert '<a href="https://example.org/x" rel="noreferrer">Megatron</a> (figure 3)' in text


def test_the_charts_worth_having(results: Results) -> None:
    assert titles(one(results["spend"]))[:4] == [
        "Final runs and the rest of R&D compute",
        "From one run to the whole programme",
        "Runs, dearest first",
        "How far each assumption moves the share",
    ]
    assert "Utilisation against the number of GPUs" in titles(one(results["laid-out"]))
    assert "What moves the result" in titles(one(results["run"]))
    assert titles(one(results["plan"])) == ["Days against cost"]
    assert "GPUs at work over time" in titles(one(results["sweep"]))
    assert "From the final run to the whole programme" in titles(one(results["sweep"]))
    assert "Predicted against measured time of a step" in titles(one(results["validate"]))
    assert titles(one(results["score"]))[0] == "Cost against date of publication"


def test_the_parts_of_a_waterfall_add_up(results: Results) -> None:
    charts = {chart.title: chart for chart in one(results["spend"]).charts()}
    rows = charts["From one run to the whole programme"].picture.rows
    assert all(row["start"] == before["end"] for before, row in pairwise(rows[:-1]))
    assert rows[-1]["start"] == 0
    assert rows[-1]["end"] == pytest.approx(rows[-2]["end"])


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


def test_a_run_stands_in_the_catalogue(results: Results) -> None:
    run = {**results["laid-out"], "date": "2024-03-01"}
    table = tables(one(results["score"], run))[0]
    assert table.rows[0][0] == "Mine"
    assert table.rows[0][2] == "2024-03-01"
    alone = tables(one(results["score"]))[0]
    assert len(table.rows) == len(alone.rows) + 1
    undated = tables(one(results["score"], results["run"]))[0]
    assert undated.rows[0][::2][:2] == ("your run", results["run"]["about"]["date"])


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
        ({}, "x.json: is no result of a command that has a page; expected keys: final_share"),
        ({"gpus": []}, "got ['gpus']"),
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


def test_figures_are_read_from_their_text() -> None:
    assert figure("", "32.1 k (21.9–46.4) MWh").value == "32.1 k MWh"
    assert figure("", "32.1 k (21.9–46.4) MWh").interval == "21.9–46.4"
    assert figure("", "3.80e25").interval == ""
    assert signed(-0.0021) == "−0.2 %"


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


def test_a_scenario_s_own_sources_are_cited() -> None:
    report = one(told("spend", "minimax-2025", "--samples", "512", "--json"))
    titles = " ".join(str(source["title"]) for source in report.sources)
    assert "Predictable Scale" in titles  # Step Law
    assert "Smol Training Playbook" in titles
    names = [name for name, _, _ in report.assumptions]
    assert "Published practice: synthetic data: tokens" in names


def test_ones_own_run_is_none_of_the_catalogue_s(results: Results) -> None:
    dear = copy.deepcopy({**results["laid-out"], "date": "2024-03-01"})
    dear["cost_ways_usd"]["amortised"] |= {"p5": 1e12, "p50": 1e12, "p95": 1e12}
    assert one(results["score"], dear).answer == one(results["score"]).answer


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


def test_a_speed_beyond_the_peak_is_doubted(results: Results) -> None:
    fast = told("mfu", "--params", "70B", "--tokens-per-second", "900000", *H100, "--json")
    assert "faster than the peak in bf16" in fast["notes"][0]
    assert one(fast).notes[0].startswith("Faster than the peak")
    assert not one(results["mfu"]).notes


def test_more_than_all_leaves_no_rest(results: Results) -> None:
    result = copy.deepcopy(results["spend"])
    result["exploration_usd"] |= {"p5": -3e9, "p50": -2e9, "p95": -1e9}
    assert one(result).answer.endswith("so the assumptions cannot hold together.")
    assert "went to experiments" not in one(result).answer


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
