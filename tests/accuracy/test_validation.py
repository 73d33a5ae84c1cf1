from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from measured_table import Write

import computebill as cb
from computebill.accuracy.validation import (
    Validation,
    _median_of_others,
    calibrate,
    validate,
)


@pytest.mark.parametrize("read", [validate, lambda path: calibrate(path)[1]])
def test_a_part_without_the_format_costs_its_row_and_not_the_table(
    write: Write, read: Callable[[Path], Any]
) -> None:
    lacking = {"gpu": "A100-SXM-80GB", "precision": "fp8"}
    found = read(write({}, lacking, {"iter_seconds": 3.1})).to_dict()
    assert found["rows"] == 2
    (skipped,) = found["skipped"]
    assert skipped["row"] == 3
    assert "has no 'fp8' peak; it has: " in skipped["reason"]


def two_labs(write: Write) -> Path:
    """A table of two labs of two sources each, one of which is slower."""
    return write(
        *(
            {
                "lab": lab,
                "source_id": f"{lab}{n}",
                "iter_seconds": seconds + n / 5,
                "seq_len": 4096 * (n + 1),
                "global_batch_seqs": 64 // (n + 1),
            }
            for lab, seconds in (("x", 3.0), ("y", 4.0))
            for n in (0, 1)
        )
    )


def test_what_is_left_out_is_told_apart(write: Write) -> None:
    found = validate(two_labs(write))
    assert found.unit == "lab"
    assert found.judged is not None
    result = found.to_dict()
    left_out = result["left_out"]
    off = (found.judged.errors.exp() - 1).abs()
    assert left_out["mape"] == pytest.approx(float(off.mean()))
    assert result["mape"] == pytest.approx(float((found.errors.exp() - 1).abs().mean()))
    assert left_out["mape"] != result["mape"]
    for key in ("by_lab", "by_source", "by_accelerator"):
        assert set(left_out[key]) == set(result[key])
        assert sum(each["rows"] for each in left_out[key].values()) == 4
    assert left_out["by_lab"]["x"]["mape"] == pytest.approx(float(off[:2].mean()))
    medians = [each["median_ape"] for each in left_out["by_lab"].values()]
    assert left_out["median_of_labs"] == pytest.approx(sum(medians) / 2)
    assert left_out["interval_width"] > 1.0
    assert left_out["coverage_by_others"] is None
    frame = found.to_frame()
    assert frame["error_left_out"].tolist() == pytest.approx(
        (found.judged.errors.exp() - 1).tolist()
    )


@pytest.mark.parametrize(("unit", "fits"), [("lab", 2), ("source", 4), ("row", 4)])
def test_the_one_line_formula_has_no_part_of_what_is_left_out(
    write: Write, unit: Any, fits: int
) -> None:
    found = validate(two_labs(write), leave_out=unit)
    assert found.unit == unit
    names = ["x0", "x1", "y0", "y1"] if fits == 4 else ["x", "x", "y", "y"]
    at_peak = _baseline_at_peak(found)
    for index, name in enumerate(names):
        others = [at_peak[k] for k in range(4) if names[k] != name]
        expected = at_peak[index] - sorted(others)[(len(others) - 1) // 2]
        assert float(found.line_left_out[index]) == pytest.approx(expected)


def _baseline_at_peak(found: Validation) -> list[float]:
    """6nd over peak and measured time, in logarithms, from the row's own model."""
    values = []
    for row in found.measured.rows:
        # Llama 3 8B's, all of them but the table of embeddings, which is looked up.
        flop = 6.0 * 8_030_261_248 * row.tokens
        peak = row.gpus * row.case.accelerator.peak("bf16").value * 1e12
        assert row.seconds is not None
        values.append(math.log(flop / peak / row.seconds))
    return values


def test_nothing_is_left_out_where_nobody_asks(write: Write) -> None:
    found = validate(two_labs(write), leave_out=None)
    assert found.judged is None
    assert found.to_dict()["left_out"] is None
    assert found.to_dict()["few"] is None


def test_few_rows_of_labs_that_have_enough(write: Write) -> None:
    rows = [
        {"lab": lab, "iter_seconds": 3.0 + n / 4, "seq_len": 1024 * (n + 1)}
        for lab in "xy"
        for n in range(11)
    ]
    found = validate(write(*rows), few=True)
    few = found.to_dict()["few"]
    assert list(few) == ["0", "1", "3", "5"]
    assert few["0"]["rows"] == 22
    assert few["0"]["median_ape"] == pytest.approx(found.metrics(left_out=True).median_ape)
    assert all(0 <= each["coverage_90"] <= 1 for each in few.values())
    assert all(each["baseline_mape"] is None for each in few.values())


def test_metrics_are_those_of_the_rows(write: Write) -> None:
    path = write({}, {"iter_seconds": 1.0, "source_id": "other", "mem_gb": 40})
    found = validate(path, leave_out=None)
    frame = found.to_frame()
    errors = frame["predicted_seconds"] / frame["measured_seconds"] - 1
    assert errors.tolist() == pytest.approx(frame["error"].tolist())
    result = found.to_dict()
    assert result["rows"] == 2
    assert result["mape"] == pytest.approx(errors.abs().mean())
    assert set(result["by_source"]) == {"s", "other"}
    assert result["memory"]["rows"] == 1
    assert result["left_out"] is None
    assert {"median_ape", "p90_ape", "bias", "coverage_90", "skipped"} <= set(result)


def test_tables_that_cannot_be_used(write: Write, tmp_path: Path) -> None:
    with pytest.raises(cb.RequestError, match="has no row that can be predicted; the first: not"):
        validate(write({"tp": "", "pp": ""}))
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(cb.RequestError, match="has no column gpu, n_gpus"):
        validate(path)
    with pytest.raises(cb.RequestError, match="cannot be read"):
        validate(tmp_path / "none.csv")
    with pytest.raises(cb.RequestError, match="is not a CSV table: field larger than"):
        validate(write({"model": "m" * 140_000}))


def test_parts_with_one_16_bit_format_are_told_with_its_peak(write: Write) -> None:
    """A V100 has an fp16 peak alone, at which a row of bf16 is told."""
    found = validate(write({"gpu": "V100-32GB"})).to_dict()
    assert "peak, dense fp16" in {each["name"] for each in found["assumptions"]}


@pytest.mark.parametrize("count", [2, 3, 4, 7, 50])
def test_the_one_line_formula_does_not_know_the_row_itself(count: int) -> None:
    values = torch.randn(count, generator=torch.Generator().manual_seed(count)).round(decimals=1)
    brute = [torch.cat([values[:i], values[i + 1 :]]).median() for i in range(count)]
    assert torch.equal(_median_of_others(values), torch.stack(brute))
    assert _median_of_others(values[:1]).isnan().all()


def test_an_accelerator_s_only_row_has_no_one_line_formula(write: Write) -> None:
    found = validate(write({}), leave_out=None)
    assert found.metrics().baseline_median_ape is None
    assert found.to_dict()["baseline_mape"] is None
