from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.base.specfile import validate
from computebill.programmes.loading import (
    load_programme,
)
from computebill.programmes.spec import Programme

Data = dict[str, Any]
Small = Callable[[], Data]
Write = Callable[[Data], Path]
MISSING = object()


def put(data: Data, path: str, value: object) -> Data:
    """Set, or remove where the value is MISSING, what stands at ``runs.0.mfu``."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = data
    for part in parents:
        place = place[part]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    return data


def refusal(data: Data) -> str:
    with pytest.raises(RequestError) as caught:
        validate(Programme, data, "lab.toml")
    return str(caught.value)


def test_the_small_programme_is_well(programme: Small, write_programme: Write) -> None:
    loaded = load_programme(write_programme(programme()))
    assert loaded.name == "lab"
    assert [run.name for run in loaded.programme.runs] == ["A", "B"]


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("extra", 1, "lab.toml: extra is not a known key"),
        ("runs.0.mfuu", 0.3, "runs[0].mfuu is not a known key"),
        ("assumptions.mfu.vlaue", 1, "assumptions.mfu.vlaue is not a known key"),
        ("reported.0.periods.0.x", 1, "reported[0].periods[0].x is not a known key"),
        ("sources.s.x", 1, "sources.s.x is not a known key"),
        ("runs.0.count", -3, "runs[0].count: got -3"),
        ("runs.0.count", 0, "runs[0].count: got 0"),
        ("runs.0.mfu", 0, "runs[0].mfu: got 0"),
        ("runs.0.mfu", 1.2, "runs[0].mfu: got 1.2"),
        ("runs.0.mfu", -0.2, "runs[0].mfu: got -0.2"),
        ("assumptions.mfu.value", 40, "assumptions.mfu.value: got 40"),
        ("assumptions.mfu.value", {"p10": 0.4, "p90": 0.2}, "assumptions.mfu.value: p10: got 0.4"),
        ("runs.0.flop", {"low": 2e25, "high": 1e25}, "runs[0].flop: low: got 2e+25"),
        ("runs.0.flop", math.nan, "runs[0].flop: got nan"),
        ("runs.0.flop", math.inf, "runs[0].flop: got inf"),
        ("runs.0.flop", -math.inf, "runs[0].flop: got -inf"),
        ("runs.0.flop", "nan", "runs[0].flop: got 'nan'"),
        ("runs.0.flop", "1e99", "runs[0].flop: got '1e99'"),
        ("runs.0.flop", True, "runs[0].flop: got True"),
        ("runs.0.flop", [1e25], "runs[0].flop: got [1e+25]"),
        pytest.param("runs.0.flop", 16**5000, "runs[0].flop: got (int too large", id="digits"),
        ("runs.0.name", "", "runs[0].name: got ''"),
        ("runs.0.name", "x" * 201, "runs[0].name"),
        ("runs.0.name", "a\nb", "runs[0].name: got 'a\\nb'"),
        ("runs.0.name", "\x1b[2J", "runs[0].name: got '\\x1b[2J'"),
        ("runs.0.name", 3, "runs[0].name: got 3"),
        ("runs.0.name", MISSING, "runs[0].name is missing"),
        ("runs.0.source", MISSING, "runs[0].source is missing"),
        ("runs.0.released", "2024-13", "runs[0].released: got '2024-13'"),
        ("runs.0.released", 2024, "runs[0].released: got 2024"),
        ("runs.0.flop", MISSING, "runs[0]: the run's size: got nothing"),
        ("runs.0.tokens", 1e12, "runs[0]: the run's size: got flop, tokens"),
        ("runs.1.fraction", MISSING, "runs[1]: the run's size: got base"),
        ("runs.1.base", "Z", "runs[1].base: got 'Z'; allowed: the name of another run"),
        ("runs.1.base", "B", "runs[1].base: the references run in a circle: B → B"),
        ("runs.1.name", "A", "runs: the name 'A' is given twice"),
        ("runs.0.source", "t", "runs[0].source: got 't'; allowed: a key of [sources] (s)"),
        ("reported.0.source", "t", "reported[0].source: got 't'"),
        ("currencies.RMB.source", "t", "currencies.RMB.source: got 't'"),
        ("assumptions.price.source", "t", "assumptions.price.source: got 't'"),
        ("variants.0.changes.0.source", "t", "variants[0].changes[0].source: got 't'"),
        ("runs", [], "runs: got []"),
        ("runs", MISSING, "runs is missing"),
        ("runs", "A", "runs: got 'A'"),
        ("runs.0", 3, "runs[0]: got 3"),
        ("reported", [], "reported: got []"),
        ("reported.0.currency", "EUR", "reported[0].currency: got 'EUR'; allowed: USD or one"),
        ("reported.0.counts_as", "revenue", "no item with counts_as = 'rnd_compute'"),
        ("reported.0.counts_as", "R&D", "reported[0].counts_as: got 'R&D'"),
        ("reported.0.periods", [], "reported[0].periods: got []"),
        (
            "reported.0.periods.0.period",
            "2024-9M",
            "reported[0].periods: the periods do not add up",
        ),
        ("reported.0.periods.0.period", "2025", "outside"),
        ("reported.0.periods.0.period", [1], "reported[0].periods[0].period: got [1]"),
        ("reported.0.periods.0.period", True, "reported[0].periods[0].period: got True"),
        ("reported.0.periods.0.sign", 2, "reported[0].periods[0].sign: got 2"),
        ("reported.0.periods.0.sign", -1, "reported[0].periods: the periods do not add up"),
        ("reported.0.periods.0.amount", -5, "reported[0].periods[0].amount: got -5"),
        ("reported.0.periods.0.amount", math.nan, "reported[0].periods[0].amount: got nan"),
        ("currencies.RMB.per_usd", 0, "currencies.RMB.per_usd: got 0"),
        ("currencies.RMB.per_usd", -7, "currencies.RMB.per_usd: got -7"),
        ("currencies.RMB.per_usd", math.inf, "currencies.RMB.per_usd: got inf"),
        ("currencies.RMB.per_usd", "x", "currencies.RMB.per_usd: got 'x'"),
        ("window.first", "2025-01", "window: got 2025-01 to 2024-12"),
        ("window.first", [1], "window.first: got [1]"),
        ("window.last", "soon", "window.last: got 'soon'"),
        ("window", "2024", "window: got '2024'"),
        ("variants.0.name", "as-published", "variants: the name 'as-published' is given twice"),
        ("variants.0.changes", [], "variants[0].changes: got []"),
        ("assumptions.regression_draw", "median", "assumptions.regression_draw: got 'median'"),
        ("title", "x\x07", "title: got 'x\\x07'"),
    ],
)
def test_mistakes_name_their_field(programme: Small, path: str, value: object, field: str) -> None:
    data = put(programme(), path, value)
    if path == "runs.0.count":
        del data["runs"][0]["flop"]
        data["runs"][0]["days"] = 10
    assert field in refusal(data)


def test_periods_that_overlap_are_named(programme: Small) -> None:
    data = programme()
    data["reported"][0]["periods"].append({"period": "2024-H1", "amount": 1})
    assert "2024-01 … 2024-06 (6 months) counted more than once" in refusal(data)


def test_a_longer_circle_is_named(programme: Small) -> None:
    data = programme()
    for name, base in (("C", "D"), ("D", "E"), ("E", "C")):
        row = {"name": name, "released": "2024", "base": base, "fraction": 1, "source": "s"}
        data["runs"].append(row)
    assert "runs[2].base: the references run in a circle: C → D → E → C" in refusal(data)


def test_a_run_that_leads_into_a_circle_is_named(programme: Small) -> None:
    data = programme()
    data["runs"][0] = {**data["runs"][1], "name": "A", "base": "B"}
    data["runs"].insert(0, {**data["runs"][1], "name": "Z", "base": "A"})
    assert "the references run in a circle: Z → A → B → A" in refusal(data)


def test_a_long_chain_of_references_is_no_circle(programme: Small) -> None:
    data = programme()
    row = data["runs"][1]
    data["runs"] += [{**row, "name": f"{i}", "base": f"{i + 1}"} for i in range(900)]
    data["runs"].append({**row, "name": "900", "base": "A"})
    assert len(validate(Programme, data, "lab.toml").runs) == 903


def test_more_runs_than_fit_are_refused(programme: Small) -> None:
    data = programme()
    data["runs"] = [{**data["runs"][0], "name": f"{i}"} for i in range(1001)]
    assert "at most 1000 items" in refusal(data)


def test_data_that_holds_itself_is_refused(programme: Small) -> None:
    endless: list[Any] = []
    endless.append(endless)
    for path in ("extra", "runs.0.flop", "variants.0.changes.0.runs"):
        with pytest.raises(RequestError, match="nested more than 20 levels deep"):
            load_programme(put(programme(), path, endless))


def test_no_run_in_the_window(programme: Small) -> None:
    data = programme()
    for run in data["runs"]:
        run["released"] = "2023-05"
    assert "runs: none is counted" in refusal(data)


@pytest.mark.parametrize(
    ("released", "counted"),
    [("2024-05", True), ("2024-H2", True), ("2024", True), ("2025-01", False), ("2023", False)],
)
def test_runs_released_in_the_window_count(programme: Small, released: str, counted: bool) -> None:
    spec = validate(Programme, put(programme(), "runs.1.released", released), "lab.toml")
    assert spec.counts(spec.runs[1]) is counted


def test_releases_may_have_a_window_of_their_own(programme: Small) -> None:
    data = programme()
    data["releases"] = {"first": "2024-06", "last": "2025-06"}
    spec = validate(Programme, data, "lab.toml")
    assert [spec.counts(run) for run in spec.runs] == [False, True]


def test_sharing_inside_a_regression_is_refused(programme: Small) -> None:
    data = programme()
    params = {"p10": 1e9, "p90": 2e9, "shared": "size"}
    del data["runs"][0]["flop"]
    data["runs"][0]["regression"] = {"on": "video", "params": params, "size": 1e6}
    assert "runs[0].regression: params.shared" in refusal(data)
