from __future__ import annotations

import copy
import csv
import functools
import io
import math
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from computebill.base.errors import RequestError
from computebill.base.specfile import validate
from computebill.programmes.spec import (
    SHIPPED,
    Programme,
    load_programme,
    parse_regression_models,
    shipped_programmes,
)

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


@pytest.mark.parametrize("source", [None, 3, [], [1], {1: 2}, b"x", {"a": {1: 2}}])
def test_what_is_no_programme(source: Any) -> None:
    with pytest.raises(RequestError, match=r"^programme: "):
        load_programme(source)


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


@pytest.mark.parametrize("name", ["openai-2024", "minimax-2025", "zai-2025"])
def test_shipped_programmes_load_by_name(name: str) -> None:
    loaded = load_programme(name)
    assert loaded.name == name
    assert loaded.programme.variants


def test_shipped_programmes_are_listed_in_order() -> None:
    assert shipped_programmes() == ["openai-2024", "minimax-2025", "zai-2025"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("minimax-2024", "allowed: openai-2024, minimax-2025, zai-2025, or a TOML file"),
        ("", "is a directory"),
        (".", "is a directory"),
        ("missing.toml", "No such file"),
        ("missing/lab", "No such file"),
        ("x" * 300, "allowed: openai-2024"),
        ("x" * 300 + ".toml", "cannot be read"),
        ("null\0.toml", "cannot be read"),
        ("null\0", "allowed: openai-2024"),
        ("\ud800", "allowed: openai-2024"),
        ("[bold]", "got '[bold]'"),
    ],
)
def test_names_that_are_no_programme(name: str, problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        load_programme(name)
    assert problem in str(caught.value)


def test_unknown_variants_are_refused() -> None:
    with pytest.raises(RequestError, match="allowed: as-published, computebill, stated-rl"):
        load_programme("minimax-2025").stages("published")


def test_a_variant_is_checked_when_its_programme_is_loaded(
    programme: Small, write_programme: Write
) -> None:
    change = programme()["variants"][0]["changes"][0]
    data = put(programme(), "variants.0.changes.0", {**change, "runs": [{"name": "A", "mfu": 2}]})
    with pytest.raises(RequestError) as caught:
        load_programme(write_programme(data))
    assert "variants[0].changes[0]: runs[0].mfu: got 2" in str(caught.value)


def test_a_file_name_that_is_not_text_is_read(programme: Small, write_programme: Write) -> None:
    path = write_programme(programme())
    odd = path.with_name("\udcff.toml")
    try:
        path.rename(odd)
    except OSError:
        pytest.skip("the file system wants text")
    assert load_programme(odd).name.isascii()


def table(*rows: str) -> str:
    return "\n".join(["# a comment", "regression,model,parameters,size,training_flop", *rows])


def test_regression_models_are_read() -> None:
    models = parse_regression_models(table("a,m,7B,1e6,1e22", "b,n,1,2,3"), "t.csv")
    assert models["a"] == [(7e9, 1e6, 1e22)]
    assert set(models) == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "t.csv: has no column regression, parameters, size, training_flop"),
        ("regression,size\n", "has no column parameters, training_flop"),
        (table("a,m,-1,1,1"), "t.csv: row 1: parameters: got -1"),
        (table("a,m,1,1,1", "a,m,1,0,1"), "t.csv: row 2: size: got 0"),
        (table("a,m,1,1,nan"), "row 1: training_flop: got 'nan'"),
        (table("a,m,1"), "row 1: size: got None"),
        (table("a,m,1,1,x"), "row 1: training_flop: got 'x'"),
        (table("a," + "m" * 200_000 + ",1,1,1"), "t.csv: is not a CSV table"),
    ],
)
def test_bad_tables_name_row_and_column(text: str, problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_regression_models(text, "t.csv")
    assert problem in str(caught.value)


@given(st.text(max_size=200) | st.text("regionpatsz,\n\"'0123456789", max_size=100).map(table))
def test_any_text_is_a_table_or_a_request_error(text: str) -> None:
    refused = None
    try:
        parse_regression_models(text, "t.csv")
    except RequestError as error:
        refused = error
    assert refused is None or refused.field.startswith("t.csv")


def test_a_table_of_ones_own_stands_beside_its_programme(
    programme: Small, write_programme: Write
) -> None:
    data = {**programme(), "regression_models": "models.csv"}
    path = write_programme(data)
    path.with_name("models.csv").write_text(table("mine,m,1,2,3"), encoding="utf-8")
    assert list(load_programme(path).regression_models()) == ["mine"]
    for wrong in ("missing.csv", "", "null\0"):
        loaded = load_programme(write_programme({**data, "regression_models": wrong}))
        with pytest.raises(RequestError):
            loaded.regression_models()


def test_every_shipped_regression_model_is_positive() -> None:
    text = SHIPPED.joinpath("regression_models.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO("".join(text.partition("regression,")[1:]))))
    assert {row["regression"] for row in rows} == {"video", "image", "speech"}
    assert all(float(row["training_flop"]) > 1e15 for row in rows)


@functools.cache
def shipped_data() -> tuple[Data, ...]:
    texts = (SHIPPED.joinpath(f"{name}.toml").read_text("utf-8") for name in shipped_programmes())
    return tuple(tomllib.loads(text) for text in texts)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with each of its keys."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield value, key
        yield from places(value[key])


json_like = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.sampled_from(["GLM-4.5", "MiniMax-M2.1", "GPT-4.5", "2024", "h100-sxm", "[/]", "USD"])
    | st.dates().map(str),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["p10", "p90", "low", "high", "name", "value", "x"]), inner, max_size=3
        )
    ),
    max_leaves=4,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_programme_loads_or_is_a_request_error(
    data: st.DataObject, write_programme: Write
) -> None:
    spec = copy.deepcopy(data.draw(st.sampled_from(shipped_data())))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(list(places(spec))))
        if data.draw(st.booleans()):
            del container[key]
        else:
            container[key] = data.draw(json_like)
    path, message = write_programme(spec), ""
    try:
        load_programme(path).regression_models()
    except RequestError as error:
        message = str(error)
    assert message.isprintable()
