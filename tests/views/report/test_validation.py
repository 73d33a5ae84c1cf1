"""The page of predictions against measured steps."""

from __future__ import annotations

from typing import Any

from looks import one, table_of, tables

Results = dict[str, dict[str, Any]]


def test_the_worst_tenth_is_at_least_so_far_off(results: Results) -> None:
    assert " % in the worst tenth" in one(results["validate"]).answer
    assert "and at least " in one(results["validate"]).answer


def test_each_figure_says_what_was_left_out(results: Results) -> None:
    result = results["validate"]
    report = one(result)
    labels = [each.label for each in report.figures]
    assert labels[0] == "median error"
    assert labels[4:7] == [
        "median error, lab left out",
        "mean error, lab left out",
        "median of labs' medians, lab left out",
    ]
    titles = [each.title for each in tables(report)]
    for name in ("lab", "source", "accelerator"):
        assert f"Error by {name}" in titles
        assert f"Error by {name}, lab left out" in titles
    rows = {row[0]: row for row in table_of(report, "Error by lab, lab left out").rows}
    for name, each in result["left_out"]["by_lab"].items():
        assert rows[name][1] == str(each["rows"])
    plain = one({**result, "left_out": None})
    assert not [each for each in plain.figures if "left out" in each.label]
    assert "in the 90 % interval" in [each.label for each in plain.figures]


def test_a_result_of_before_labs_is_still_told(results: Results) -> None:
    older = {
        key: value for key, value in results["validate"].items() if key not in ("few", "by_lab")
    }
    report = one({**older, "left_out": None})
    assert "Error by source" in [each.title for each in tables(report)]
    assert "Error by lab" not in [each.title for each in tables(report)]


def test_few_rows_have_a_table(results: Results) -> None:
    told = {**results["validate"]["left_out"], "median_of_labs": 0.125}
    told |= {"median_ape": 0.1, "mape": 0.11, "coverage_90": 0.9, "rows": 40}
    report = one({**results["validate"], "few": {"0": told, "3": told}})
    table = table_of(report, "Error of a lab's other rows, by own rows that were measured")
    assert [row[0] for row in table.rows] == ["0", "3"]
    assert table.rows[0][1:] == ("40", "10.0 %", "11.0 %", "12.5 %", "90.0 %")
