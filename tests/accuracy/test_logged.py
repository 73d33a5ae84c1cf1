"""Rows of a log are the run that it is of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from computebill.accuracy.logged import logged_rows
from computebill.accuracy.measured import read_measured
from computebill.base.errors import RequestError
from computebill.launch import read_launch
from computebill.logs import read_log
from computebill.training.launched import Launched, launched

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(**fields: Any) -> Launched:
    found = launched(read_launch(EXAMPLES / "train.sh"))
    return Launched(found.launch, {**found.fields, **fields}, found.layout, found.notes)


def test_a_row_has_the_layout_the_model_and_what_was_measured(tmp_path: Path) -> None:
    found = logged_rows(read_log(EXAMPLES / "train.log"), example(), lab="ours")
    found.write(tmp_path / "rows.csv")
    (row,), skipped = read_measured(tmp_path / "rows.csv")
    assert skipped == []
    layout = row.case.layout
    assert (layout.tp, layout.dp, layout.micro_batches, layout.zero) == (2, 32, 16, 1)
    assert (row.lab, row.gpu, row.gpus, row.tokens) == ("ours", "h100-sxm", 64, 512 * 8192)
    assert row.seconds == pytest.approx(7.9, rel=0.01)
    assert row.case.architecture.layer_count == 32
    assert (row.case.precision, layout.recompute) == ("bf16", "selective")
    assert found.rows[0]["mem_of"] == "reserved"


@pytest.mark.parametrize(
    "model", ["llama-3.1-8b", "llama-3.1-405b", "mixtral-8x7b-v0.1", "qwen3-8b"]
)
def test_columns_tell_models_that_ship(model: str) -> None:
    found = logged_rows(read_log(EXAMPLES / "train.log"), example(model=model))
    assert found.rows[0]["n_layers"] > 0


def test_a_model_that_columns_do_not_tell_is_refused() -> None:
    with pytest.raises(RequestError, match="the table's columns do not tell the model"):
        logged_rows(read_log(EXAMPLES / "train.log"), example(model="qwen3-next-80b-a3b-thinking"))


def test_batches_that_grow_are_a_row_each(tmp_path: Path) -> None:
    text = (EXAMPLES / "train.log").read_text().splitlines()
    lines = [line.replace("size:   512", "size:   256") if n < 15 else line
             for n, line in enumerate(text)]  # fmt: skip
    file = tmp_path / "ramp.log"
    file.write_text("\n".join(lines))
    rows = logged_rows(read_log(file), example()).rows
    assert [row["global_batch_seqs"] for row in rows] == [256, 512]
