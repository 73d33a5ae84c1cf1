"""Counts that lack their unit are refused, wherever a file or a flag may give them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from computebill import RequestError, RunSpec, estimate_run
from computebill.base.amounts import check_batch, parse_parameters, parse_tokens, whole_sequences
from computebill.programmes.spec import Run
from computebill.sweep.fields import read_value

RUN = {"accelerator": "h100", "price": 2.0}


@pytest.mark.parametrize("value", [34, "34", "34..70B", {"p5": 34, "p95": "70B"}])
def test_parameters_without_a_unit(value: object) -> None:
    with pytest.raises(ValueError, match=r"did you mean .*B"):
        parse_parameters(value)


def test_tokens_without_a_unit_may_be_billions_or_trillions() -> None:
    with pytest.raises(ValueError, match="did you mean 4B or 4T"):
        parse_tokens(4)


@pytest.mark.parametrize("value", ["10K", 10_000, "30M..60M", "70B"])
def test_amounts_that_stand(value: object) -> None:
    assert parse_parameters(value).median >= 1e4


def test_a_run_names_the_field() -> None:
    with pytest.raises(RequestError, match=r"params: got 34; .* did you mean 34B"):
        estimate_run({**RUN, "params": "34", "tokens": "4T"})
    with pytest.raises(RequestError, match=r"tokens: got 4; .* 4B or 4T"):
        estimate_run({**RUN, "params": "34B", "tokens": "4"})


@pytest.mark.parametrize(("name", "other"), [("params", "tokens"), ("tokens", "params")])
def test_programmes_and_sweeps_refuse_them_too(name: str, other: str) -> None:
    fields = {"name": "a", "released": "2025", "source": "s", name: 34, other: 1e12}
    with pytest.raises(ValidationError, match="did you mean 34B"):
        Run.model_validate(fields)
    with pytest.raises(ValueError, match=f"{name}: got 34; .* 34B"):
        read_value(name, 34)


@given(st.integers(1, 32_768), st.integers(1, 1_000_000_000))
def test_whole_sequences_are_the_most_that_fit(length: int, tokens: int) -> None:
    if tokens < length:
        with pytest.raises(RequestError, match="global_batch_tokens"):
            whole_sequences(tokens, length)
        return
    whole = whole_sequences(tokens, length)
    assert whole * length <= tokens < (whole + 1) * length


def test_a_batch_in_tokens_given_as_sequences() -> None:
    # 4M sequences of 4,096 tokens: 16.4 G tokens; as tokens 4e6 / 4096 = 976.6.
    with pytest.raises(RequestError, match=r"--global-batch-tokens 4M is 976 sequences"):
        check_batch(4e6, 4096)
    check_batch(15_360, 4096)  # DeepSeek-V3's, the largest step known to this file


def test_a_batch_in_tokens_is_told_as_sequences() -> None:
    run = {**RUN, "params": "8B", "tokens": "1T", "count": 64, "sequence_length": 4096}
    found = estimate_run({**run, "global_batch_tokens": "4M"}, samples=256)
    (told,) = [each for each in found.assumptions if each.name == "global batch"]
    assert told.value == "976 sequences"
    assert "rounded down" in told.source
    same = estimate_run({**run, "global_batch": 976}, samples=256)
    assert found.rows["step_seconds"].p50 == same.rows["step_seconds"].p50


def test_one_batch_only() -> None:
    with pytest.raises(ValidationError, match="global_batch or global_batch_tokens, not both"):
        RunSpec.model_validate(
            {
                **RUN, "params": "8B", "tokens": "1T", "sequence_length": 4096,
                "global_batch": 1, "global_batch_tokens": 4096,
            }
        )  # fmt: skip
