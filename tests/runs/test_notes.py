"""What is doubtful in a run is said before its figures."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import computebill as cb
from computebill import RequestError

TOTALS = {
    "params": "8B",
    "tokens": "1T",
    "accelerator": "h100-sxm",
    "count": 256,
    "price": 2.0,
}


@pytest.fixture
def laid_out(llama_config: str) -> dict[str, Any]:
    return {
        "model": llama_config,
        "tokens": "1T",
        "accelerator": "h100-sxm",
        "count": 64,
        "price": 2.0,
        "sequence_length": 8192,
        "layout": {"tp": 2, "zero": 1, "recompute": "full"},
    }


def estimate(fields: dict[str, Any], **changes: Any) -> cb.RunEstimate:
    return cb.estimate_run({**fields, **changes}, samples=64)


def hours(found: cb.RunEstimate) -> float:
    return found.rows["gpu_hours"].p50


def test_memory_that_was_not_checked_is_said_first() -> None:
    # 8e9 x 2 bytes; training: weights 2, gradients 4, master 4, two moments of 4 each.
    first = estimate(TOTALS).notes[0]
    assert first.startswith("Memory not checked: weights alone 16 GB")
    assert "about 144 GB" in first
    assert first.endswith("on 256 x 80 GB.")


@pytest.mark.parametrize(
    "changes",
    [
        {"layout": {"tp": 1, "zero": 0}},
        {"layout": {"tp": 2, "zero": 1, "micro_batch": 8}},
        {"layout": {"tp": 4, "zero": 1, "micro_batch": 4}, "sequence_length": 16384},
    ],
)
def test_a_run_that_does_not_fit_names_a_change_that_makes_it(
    laid_out: dict[str, Any], changes: dict[str, Any]
) -> None:
    model = json.loads(Path(laid_out["model"]).read_text()) | {"max_position_embeddings": 32_768}
    Path(laid_out["model"]).write_text(json.dumps(model))
    fields = laid_out | changes
    note = estimate(fields).notes[0]
    assert re.match(r"(Does not fit|Unlikely to fit): ", note)
    found = re.search(r"`([^`]+)` needs (\d+(?:\.\d+)?) \((\d+)%\)\.", note)
    assert found is not None
    words = found[1].split()
    named = zip(words[::2], words[1::2], strict=True)
    changed = {
        flag.removeprefix("--").replace("-", "_"): int(value) if value.isdigit() else value
        for flag, value in named
    }
    again = estimate(fields | {"layout": {**fields["layout"], **changed}})
    assert again.notes == ()
    assert again.model is not None
    assert again.model.memory is not None
    assert again.model.memory.total == pytest.approx(float(found[2]), rel=5e-3)
    assert again.model.memory.fit_odds == pytest.approx(int(found[3]) / 100, abs=5e-3)
    assert again.model.memory.fit_odds >= 0.9


def test_where_no_single_change_helps_it_says_so(laid_out: dict[str, Any]) -> None:
    fields = laid_out | {"accelerator": "rtx-4090", "count": 1, "layout": {"tp": 1}}
    assert "No single change" in estimate(fields).notes[0]


def test_a_layout_that_fits_has_nothing_to_say(laid_out: dict[str, Any]) -> None:
    assert estimate(laid_out).notes == ()


def test_observed_utilisation_is_said_and_lost_time_not_counted_twice() -> None:
    plain = estimate(TOTALS)
    assert any("37 runs" in note and "computebill plan" in note for note in plain.notes)
    for lost in ({"goodput": 0.9}, {"failures_per_gpu_day": 0.005}):
        found = estimate(TOTALS, **lost)
        assert hours(found) == hours(plain)
        (name,) = lost
        assert any(note.startswith(f"{name} is not applied") for note in found.notes)
        (told,) = [each for each in found.assumptions if each.name == "lost time"]
        assert told.source.endswith(f"not applied: {name}")


def test_goodput_divides_a_given_utilisation() -> None:
    plain, found = estimate(TOTALS, mfu=0.4), estimate(TOTALS, mfu=0.4, goodput=0.8)
    assert hours(found) == pytest.approx(hours(plain) / 0.8)
    assert not any("not applied" in note for note in found.notes)


def test_goodput_stands_in_place_of_failures(laid_out: dict[str, Any]) -> None:
    never = estimate(laid_out, failures_per_gpu_day=0)
    usual, found = estimate(laid_out), estimate(laid_out, goodput=0.9)
    assert never.rows["goodput"].p50 == 1
    assert never.rows["goodput"].p50 > usual.rows["goodput"].p50
    assert found.rows["goodput"].p50 == pytest.approx(0.9)
    assert hours(found) == pytest.approx(hours(never) / 0.9)


def test_a_rate_of_failures_that_is_a_share_is_doubted() -> None:
    # Llama 3: 419 in 54 days on 16,384 GPUs.
    found = estimate(TOTALS, mfu=0.4, failures_per_gpu_day="10%")
    (doubt,) = [note for note in found.notes if "--goodput" in note]
    assert f"{419 / 54 / 16384:.2g}" in doubt
    at_bound = estimate(TOTALS, mfu=0.4, failures_per_gpu_day=0.01)
    assert not any("--goodput" in note for note in at_bound.notes)


def test_goodput_or_failures_not_both() -> None:
    with pytest.raises(RequestError, match="goodput or failures_per_gpu_day, not both"):
        estimate(TOTALS, mfu=0.4, goodput=0.9, failures_per_gpu_day=0)


def test_tokens_of_both_stacks_fill_an_encoder_decoder_s_batch(tmp_path: Path) -> None:
    t5 = {
        "model_type": "t5", "vocab_size": 32128, "d_model": 512, "d_kv": 64, "d_ff": 2048,
        "num_layers": 6, "num_decoder_layers": 6, "num_heads": 8,
    }  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(json.dumps(t5))
    fields = {**TOTALS, "model": str(path), "sequence_length": 512, "mfu": 0.4}
    del fields["params"]
    # A sample is an input and a target of 512 each: 2^20 / 1024.
    found = estimate(fields, global_batch_tokens=2**20)
    (told,) = [each for each in found.assumptions if each.name == "global batch"]
    assert told.value == "1,024 sequences"
    same = estimate(fields, global_batch=1024)
    assert found.rows["step_seconds"].p50 == same.rows["step_seconds"].p50
