"""What a run may be told, by file, flags or data, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from computebill.base.errors import RequestError
from computebill.runs.estimate import estimate_run
from computebill.runs.spec import RunSpec, read_run, run_spec

Data = dict[str, Any]


PLAIN: Data = {
    "params": "7B",
    "tokens": "2T",
    "accelerator": "h100",
    "count": 1024,
    "mfu": 0.4,
    "price": 2,
}


def refusal(data: Data, **options: Any) -> str:
    with pytest.raises(RequestError) as caught:
        estimate_run(data, **{"samples": 64, **options})
    return str(caught.value)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"parms": 1}, "run: parms is not a known key; allowed: accelerator"),
        ({"accelerator": None}, "run: accelerator: got None"),
        (
            {"accelerator": "h1000"},
            "accelerator: 'h1000' is not a known accelerator; nearest: h100",
        ),
        ({"accelerator": "a100"}, "accelerator: 'a100' names more than one accelerator"),
        ({"accelerator": "[bold]"}, "accelerator: '[bold]' is not a known accelerator"),
        ({"accelerator": 100}, "run: accelerator: got 100"),
        ({"params": None}, "run: give params (or params_active, or model) and tokens, or flop"),
        ({"flop": 1e24}, "run: give flop, or params and tokens, not both"),
        ({"params_active": "8B"}, "run: params_active: got 8B; allowed: up to 7B"),
        ({"provider": "aws"}, "run: give price or provider, not both"),
        ({"commitment": "3y"}, "run: give price or commitment, not both"),
        ({"commitment": "5y"}, "run: commitment: got '5y'"),
        ({"price": None, "provider": "acme"}, "provider: no price of h100-sxm from 'acme'"),
        ({"precision": "fp3"}, "precision: h100-sxm has no 'fp3' peak; it has: "),
        ({"count": 0}, "run: count: got 0"),
        ({"count": -8}, "run: count: got -8"),
        ({"count": 1.5}, "run: count: got 1.5; allowed: a whole number"),
        ({"tokens": -1}, "run: tokens: got -1"),
        ({"tokens": math.nan}, "run: tokens: got nan"),
        ({"tokens": math.inf}, "run: tokens: got inf"),
        ({"mfu": 0}, "run: mfu: got 0"),
        ({"mfu": 1.5}, "run: mfu: got 1.5; allowed: above 0, up to 1"),
        ({"mfu": "150%"}, "run: mfu: got 1.5"),
        ({"mfu": "0.5..0.3"}, "run: mfu: p10: got 0.5; allowed: at most p90, 0.3"),
        ({"mfu": {"p10": "nan", "p90": 0.4}}, "run: mfu: got 'nan'"),
        ({"price": 0}, "run: price: got 0"),
        ({"pue": 0.9}, "run: pue: got 0.9; allowed: 1 or more"),
        ({"usd_per_kwh": -1}, "run: usd_per_kwh: got -1"),
        ({"global_batch": 8}, "run: give global_batch and sequence_length together"),
        ({"global_batch": 0, "sequence_length": 1}, "run: global_batch: got 0"),
        ({"global_batch": "nan", "sequence_length": 1}, "run: global_batch: got 'nan'"),
        ({"date": "2024-13-01"}, "run: date: got '2024-13-01'"),
        ({"date": 20240601}, "run: date: got 20240601; allowed: a day"),
        ({"date": "20240601"}, "run: date: got '20240601'; allowed: a day"),
        ({"date": True}, "run: date: got True"),
        ({"name": ""}, "run: name: got ''"),
        ({"name": "x" * 201}, "run: name: got"),
        ({"name": "a\x1b[2J"}, "run: name: got 'a\\x1b[2J'"),
    ],
)
def test_bad_fields(fields: Data, problem: str) -> None:
    message = refusal({**PLAIN, **fields})
    assert problem in message
    assert all(line.isprintable() for line in message.splitlines())


@pytest.mark.parametrize("spec", [3, None, [], [1], {1: 2}, b"x"])
def test_what_is_no_spec(spec: Any) -> None:
    assert refusal(spec).startswith("run")


def test_a_spec_may_be_an_object_a_mapping_or_a_file(
    tmp_path: Path, as_toml: Callable[[Data], str]
) -> None:
    path = tmp_path / "my.toml"
    path.write_text(as_toml(PLAIN))
    expected = estimate_run(PLAIN, samples=64).to_dict()
    for spec in (RunSpec.model_validate(PLAIN), path, str(path)):
        assert estimate_run(spec, samples=64).to_dict() == expected
    path.write_text(as_toml({**PLAIN, "mfu": 2}))
    assert f"{path}: mfu: got 2" in refusal(path)  # type: ignore[arg-type]
    assert "is a directory" in refusal(tmp_path)  # type: ignore[arg-type]


def test_flags_go_before_the_file(tmp_path: Path, as_toml: Callable[[Data], str]) -> None:
    path = tmp_path / "my.toml"
    path.write_text(as_toml(PLAIN))
    spec = run_spec(path, {"count": "8", "mfu": "30%"})
    assert spec.count is not None
    assert spec.mfu is not None
    assert (spec.count.value, spec.mfu.value) == (8, 0.3)
    assert spec.price is not None
    assert spec.price.value == 2


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"params": "7B", "tokens": "1T"}, "--accelerator: is missing"),
        ({"mfu": "2"}, "--mfu: got 2"),
        ({"usd_per_kwh": "free"}, "--usd-per-kwh: got 'free'"),
        ({"accelerator": "h100"}, "run: give params"),
    ],
)
def test_mistakes_in_flags_name_the_flag(flags: dict[str, str], problem: str) -> None:
    base = {"accelerator": "h100", "flop": "1e24"} if "--" in problem else {}
    given_flags = flags if "missing" in problem else {**base, **flags}
    with pytest.raises(RequestError) as caught:
        run_spec(None, given_flags)
    assert str(caught.value).startswith(problem)


def test_a_mistake_in_the_file_names_the_file(
    tmp_path: Path, as_toml: Callable[[Data], str]
) -> None:
    path = tmp_path / "my.toml"
    path.write_text(as_toml({**PLAIN, "price": -1}))
    with pytest.raises(RequestError) as caught:
        run_spec(path, {"count": "8"})
    assert str(caught.value).startswith(f"{path}: price: got -1")
    with pytest.raises(RequestError) as caught:
        run_spec(path, {"price": "-2"})
    assert str(caught.value).startswith("--price: got -2")


fields = st.fixed_dictionaries(
    {},
    optional={
        key: st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(max_size=6),
            st.sampled_from(["1e20", "7B", "0.3..0.4", "aws", "3y", "fp8", "2024-06-01", "1"]),
            st.lists(st.integers(), max_size=2),
            st.dictionaries(st.sampled_from(["p10", "p90", "low", "high"]), st.floats(0, 1e9)),
        )
        for key in RunSpec.model_fields
        if key != "accelerator"
    },
)


@settings(max_examples=200)
@given(fields)
def test_any_fields_are_an_estimate_or_a_request_error(data: Data) -> None:
    message = ""
    try:
        found = estimate_run({**PLAIN, **data}, samples=16).to_dict()
        json.dumps(found, allow_nan=False)
    except RequestError as error:
        message = str(error)
    assert all(line.isprintable() for line in message.splitlines())


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_products_in_fewer_bits_than_all_else_are_refused(precision: str) -> None:
    data: Data = {
        "model": "config.json",
        "tokens": "1B",
        "accelerator": "h100",
        "layout": {"recipe": "fp32"},
    }
    with pytest.raises(RequestError, match="allowed with recipe fp32: fp32, tf32"):
        read_run(data | {"precision": precision})
    assert read_run(data | {"precision": "tf32"}).precision == "tf32"


def test_fields_by_keyword_go_before_a_spec_as_flags_do(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('params = "7B"\ntokens = "2T"\naccelerator = "h100"\nprovider = "aws"\n')
    by_keyword = {"params": "7B", "tokens": "2T", "accelerator": "h100", "price": 2}
    assert read_run(None, by_keyword) == read_run(by_keyword)
    # A price puts aside the file's provider, which says the same in another way.
    assert read_run(path, {"price": 2}) == read_run(by_keyword)
    assert read_run(read_run(by_keyword), {"price": 3}) == read_run({**by_keyword, "price": 3})
    with pytest.raises(RequestError, match="parms is not a known key"):
        read_run(by_keyword, {"parms": "7B"})
    with pytest.raises(RequestError, match="accelerator is missing"):
        read_run()


def test_a_spec_is_one_line_of_what_was_given() -> None:
    run = read_run({"model": "m", "tokens": "1T..2T", "accelerator": "a", "layout": {"tp": 2}})
    given = "model='m', layout=Layout(…), tokens='1T–2T (p10–p90)', accelerator='a'"
    assert repr(run) == f"RunSpec({given})"
    long = {"name": "n" * 50, "flop": "1e24", "accelerator": "h" * 90, "provider": "p" * 50}
    assert len(repr(read_run(long))) == 160


def test_a_run_of_stages_is_told_what_prices_it() -> None:
    with pytest.raises(RequestError, match="run: stage: a run of stages; allowed: estimate_stages"):
        read_run({"stage": [{"kind": "sft"}]})
