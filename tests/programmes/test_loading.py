"""Programmes by name and by file, and the tables of published models beside them."""

from __future__ import annotations

import copy
import csv
import functools
import io
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from computebill.base.errors import RequestError
from computebill.programmes.loading import (
    SHIPPED,
    load_programme,
    named_programmes,
    parse_regression_models,
    shipped_programmes,
)

Data = dict[str, Any]
Small = Callable[[], Data]
Write = Callable[[Data], Path]


@pytest.mark.parametrize("source", [None, 3, [], [1], {1: 2}, b"x", {"a": {1: 2}}])
def test_what_is_no_programme(source: Any) -> None:
    with pytest.raises(RequestError, match=r"^programme: "):
        load_programme(source)


@pytest.mark.parametrize("name", ["openai-2024", "minimax-2025", "zai-2025"])
def test_shipped_programmes_load_by_name(name: str) -> None:
    loaded = load_programme(name)
    assert loaded.name == name
    assert loaded.programme.variants


def test_shipped_programmes_are_listed_in_order() -> None:
    names = shipped_programmes()
    assert names[:3] == ["openai-2024", "minimax-2025", "zai-2025"]
    assert names[3:] == sorted(names[3:])
    assert len(set(names)) == len(names) > 30
    assert set(shipped_programmes("A")) < set(shipped_programmes("B")) < set(names)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("openai-2024", ["openai-2024"]),
        ("SmolLM", ["hf-smollm3"]),
        ("bloom", ["bigscience-bloom"]),
        ("olmo", ["ai2-olmo-2", "ai2-olmo-3"]),
        ("xa", ["xai-2025"]),
        ("nosuch", ["nosuch"]),
        ("lab.toml", ["lab.toml"]),
        ("", [""]),
    ],
)
def test_a_name_is_as_much_of_it_as_tells_it_apart(name: str, meant: list[str]) -> None:
    assert named_programmes(name) == meant


def test_a_beginning_of_several_organisations_is_refused() -> None:
    with pytest.raises(RequestError, match="got '2025', of several organisations; allowed: one of"):
        named_programmes("2025")


def test_a_price_is_told_with_its_source() -> None:
    priced = load_programme("bigscience-bloom").priced("1..2")
    price = priced.programme.assumptions.price
    assert price is not None
    assert priced.programme.sources[price.source].title == "--price on the command line"
    with pytest.raises(RequestError, match="meta-llama-1 is counted in MWh, not in hours"):
        load_programme("meta-llama-1").priced("2")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("minimax-2021", "allowed: openai-2024, minimax-2025, zai-2025, ai2-olmo-2"),
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
    data = programme()
    data["variants"][0]["changes"][0] = {**change, "runs": [{"name": "A", "mfu": 2}]}
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
    assert all(line.isprintable() for line in message.splitlines())
