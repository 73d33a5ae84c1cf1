from __future__ import annotations

import json
import re
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.programmes import regressions
from computebill.programmes.spend import SpendEstimate, compare_spend
from computebill.runs.estimate import RunEstimate, estimate_run
from computebill.views import charts

Data = dict[str, Any]
PLAIN = {"params": "7B", "tokens": "2T", "accelerator": "h100", "count": 8, "mfu": 0.4}
HOSTILE = '</script><script src="http://example.org/x.js"></script><!-- [/] & "\''


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regressions, "RESAMPLES", 2**10)


@pytest.fixture
def lab(
    programme: Callable[[], Data], write_programme: Callable[[Data], Path]
) -> Callable[..., SpendEstimate]:
    def estimate(title: str = "Lab, 2024", usd: float = 1e9) -> SpendEstimate:
        data = programme()
        data["title"] = title
        data["reported"][0]["periods"][0]["amount"] = usd
        return compare_spend(write_programme(data), samples=256)

    return estimate


def priced(**fields: Any) -> RunEstimate:
    return estimate_run({**PLAIN, "price": "1.5..3", **fields}, samples=256)


def check(path: Path) -> None:
    """Fail where the file is not what its ending says, or wants the network."""
    raw = path.read_bytes()
    if path.suffix == ".png":
        assert raw.startswith(b"\x89PNG\r\n\x1a\n")
        assert raw.endswith(b"IEND\xaeB`\x82")
        width, height = struct.unpack(">II", raw[16:24])
        assert width > 800
        assert height > 100
        return
    text = raw.decode("utf-8")
    if path.suffix == ".svg":
        root = ElementTree.fromstring(text)
        assert root.tag.endswith("svg")
        links = [value for item in root.iter() for key, value in item.items() if "href" in key]
        assert not [link for link in links if "://" in link]
        return
    tags = re.findall(r"<(?:script|link|iframe)\b[^>]*>", text)
    assert tags
    assert not [tag for tag in tags if "src" in tag or "href" in tag]
    assert "vegaEmbed" in text
    assert "@import" not in text


def written(chart: Any, tmp_path: Path, ending: str) -> Path:
    path = tmp_path / f"chart.{ending}"
    charts.save(chart, path)
    check(path)
    return path


def rows(chart: Any) -> list[Data]:
    datasets = json.loads(chart.to_json())["datasets"]
    return [row for dataset in datasets.values() for row in dataset]


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_one_programme(lab: Callable[..., SpendEstimate], tmp_path: Path, ending: str) -> None:
    written(charts.spend_chart([lab()]), tmp_path, ending)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_three_programmes(tmp_path: Path, ending: str) -> None:
    names = ("openai-2024", "minimax-2025", "zai-2025")
    estimates = [compare_spend(name, samples=256) for name in names]
    path = written(charts.spend_chart(estimates), tmp_path, ending)
    if ending == "svg":
        text = path.read_text("utf-8")
        for estimate in estimates:
            assert estimate.programme.title in text


def test_bars_are_the_share_and_the_rest(lab: Callable[..., SpendEstimate]) -> None:
    estimate = lab()
    found = {
        row["part"]: row["share"] for row in rows(charts.spend_chart([estimate])) if "part" in row
    }
    assert found["final runs"] == pytest.approx(estimate.totals.final_share.p50)
    assert sum(found.values()) == pytest.approx(1)


def test_the_followers_line_runs_down_to_the_final_runs(lab: Callable[..., SpendEstimate]) -> None:
    estimate = lab()
    bills = {
        row["skipped"]: row["bill"]
        for row in rows(charts.spend_chart([estimate]))
        if "skipped" in row
    }
    assert bills[0.0] == pytest.approx(1)
    assert bills[1.0] == pytest.approx(estimate.totals.final_share.p50)


@pytest.mark.parametrize("usd", [20e6, 1e6])
def test_a_share_above_one_stays_inside_the_chart(
    lab: Callable[..., SpendEstimate], tmp_path: Path, usd: float
) -> None:
    estimate = lab(usd=usd)
    assert estimate.totals.final_share.p95 > 1
    chart = charts.spend_chart([estimate])
    for row in rows(chart):
        for key in {"share", "p5", "p50", "p95"} & set(row):
            assert 0 <= row[key] <= 1
    written(chart, tmp_path, "svg")


def test_a_variant_whose_share_exceeds_one(tmp_path: Path) -> None:
    estimate = compare_spend("minimax-2025", variant="computebill", samples=1024)
    written(charts.spend_chart([estimate]), tmp_path, "svg")


def test_two_programmes_of_one_title_are_told_apart(lab: Callable[..., SpendEstimate]) -> None:
    chart = charts.spend_chart([lab(), lab(usd=2e9)])
    names = {row["programme"] for row in rows(chart)}
    assert names == {"Lab, 2024 (lab, 1)", "Lab, 2024 (lab, 2)"}


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_a_run(tmp_path: Path, ending: str) -> None:
    path = written(charts.run_chart(priced(name="The big one")), tmp_path, ending)
    if ending == "svg":
        assert "The big one: cost" in path.read_text("utf-8")


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_run_of_constants_only(tmp_path: Path, ending: str) -> None:
    estimate = priced(price=2, accelerator="mi455x")
    written(charts.run_chart(estimate), tmp_path, ending)


def test_a_run_with_one_way_of_counting(tmp_path: Path) -> None:
    estimate = estimate_run({"flop": 1e24, "accelerator": "h100", "mfu": 0.4}, samples=256)
    assert not estimate.rows["upfront"].is_known
    ways = {row["way"] for row in rows(charts.run_chart(estimate))}
    assert charts.WAY_LABELS["upfront"] not in ways
    written(charts.run_chart(estimate), tmp_path, "svg")


def test_a_run_without_any_cost_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bare.toml").write_text(
        'name = "bare"\ntitle = "Bare"\nvendor = "V"\n'
        'memory_gb = { value = 1, source = "s" }\n'
        'memory_bandwidth_gb_s = { value = 1, source = "s" }\n'
        'peak_tflops = { bf16 = { value = 100, source = "s" } }\n'
        'sources = { s = { title = "S", licence = "facts only" } }\n'
    )
    estimate = estimate_run({**PLAIN, "accelerator": str(tmp_path / "bare.toml")}, samples=64)
    with pytest.raises(RequestError, match="no cost is known"):
        charts.run_chart(estimate)


@pytest.mark.parametrize("ending", ["html", "svg"])
def test_names_cannot_leave_the_script_they_stand_in(
    lab: Callable[..., SpendEstimate], tmp_path: Path, ending: str
) -> None:
    path = written(charts.spend_chart([lab(HOSTILE)]), tmp_path, ending)
    assert "<script src" not in path.read_text("utf-8")
    written(charts.run_chart(priced(name=HOSTILE)), tmp_path, ending)


def test_single_samples_can_be_drawn(tmp_path: Path) -> None:
    for samples in (1, 2):
        estimate = estimate_run({**PLAIN, "price": "1..2"}, samples=samples)
        written(charts.run_chart(estimate), tmp_path, "svg")


@pytest.mark.parametrize("name", ["chart.gif", "chart", "chart.html.zip", ".png"])
def test_other_endings_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match=r"allowed: \.png, \.svg, \.html"):
        charts.save(charts.run_chart(priced()), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_endings_may_be_capitals(tmp_path: Path) -> None:
    charts.save(charts.run_chart(priced()), tmp_path / "chart.SVG")
    ElementTree.parse(tmp_path / "chart.SVG")


def test_the_bars_interval_is_the_shares(lab: Callable[..., SpendEstimate]) -> None:
    estimate = lab()
    drawn = charts.spend_chart([estimate]).to_dict()
    rows = [row for data in drawn["datasets"].values() for row in data]
    (interval,) = [row for row in rows if "p95" in row]
    share = estimate.totals.final_share
    assert [interval[key] for key in ("p5", "p50", "p95")] == [share.p5, share.p50, share.p95]
    rules = [layer for layer in drawn["vconcat"][0]["layer"] if layer["mark"]["type"] == "rule"]
    assert rules[0]["encoding"]["x"]["field"] == "p5"
    assert rules[0]["encoding"]["x2"]["field"] == "p95"
