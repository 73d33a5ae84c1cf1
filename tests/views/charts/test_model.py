"""Charts of a model."""

from __future__ import annotations

from typing import Any

import pytest

from computebill.views.charts import model

Results = dict[str, dict[str, Any]]


def test_operators_are_all_of_the_flop(results: Results) -> None:
    rows = model.operators(results["model"]).rows
    assert sum(row["value"] for row in rows) == pytest.approx(1)
    assert not [row for row in rows if "_" in row["name"]]


def test_parts_add_up_to_what_a_gpu_holds(results: Results) -> None:
    picture = model.memory(results["model"])
    assert picture is not None
    for use in results["model"]["memory_gb"]:
        parts = [row["gb"] for row in picture.rows if row["name"] == use["name"]]
        assert sum(parts) == pytest.approx(use["total"])
    assert picture.more["limit"] == [{"gb": results["model"]["accelerator_memory_gb"]}]
    assert model.memory({**results["model"], "memory_gb": []}) is None


def test_longer_bars_are_cut_and_said_to_be(results: Results) -> None:
    def end(result: dict[str, Any]) -> tuple[float, str]:
        picture = model.memory(result)
        assert picture is not None
        return picture.shape["layer"][0]["encoding"]["x"]["scale"]["domain"][1], picture.says

    result = results["model"]
    most = max(use["total"] for use in result["memory_gb"])
    assert end({**result, "accelerator_memory_gb": most}) == (
        most,
        end(result)[1]
        .replace(f"{result['accelerator_memory_gb']:g} GB", f"{most:g} GB")
        .replace("; longer bars are cut off", ""),
    )
    cut, says = end({**result, "accelerator_memory_gb": most / 8})
    assert cut == pytest.approx(most / 2)
    assert says.endswith("; longer bars are cut off.")


def test_one_convention_is_no_chart(results: Results) -> None:
    picture = model.utilisation(results["mfu"])
    assert picture is not None
    assert [row["name"] for row in picture.rows] == [*results["mfu"]["mfu"], "hfu"]
    assert model.utilisation({**results["mfu"], "mfu": {"6nd": 0.4}, "hfu": None}) is None
