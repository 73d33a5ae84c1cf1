"""Workbooks, read back with the standard library alone: a zip of XML."""

from __future__ import annotations

import json
import math
import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
from click.testing import CliRunner

from computebill.base.errors import RequestError
from computebill.cli import main
from computebill.views.report import reports_of, workbook

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
RUN = ["run", "--params", "70B", "--tokens", "2T", "--accelerator", "h100", "--count", "512"]
RUN += ["--samples", "1024"]


def read(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return each sheet's cells by column, row by row."""
    with zipfile.ZipFile(path) as book:
        shared = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
        texts = ["".join(part.text or "" for part in each.iter(f"{MAIN}t")) for each in shared]
        names = re.findall(r'<sheet name="([^"]*)"', book.read("xl/workbook.xml").decode())
        found = {}
        for place, name in enumerate(names, start=1):
            page = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{place}.xml"))
            assert not list(page.iter(f"{MAIN}f")), "a formula"
            rows = []
            for row in page.iter(f"{MAIN}row"):
                cells = {}
                for each in row:
                    value = each.findtext(f"{MAIN}v")
                    column = re.sub(r"\d", "", each.attrib["r"])
                    is_text = each.attrib.get("t") == "s"
                    cells[column] = texts[int(value or 0)] if is_text else float(value or 0)
                rows.append(cells)
            found[name] = rows
    return found


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    target = tmp_path_factory.mktemp("book") / "run.xlsx"
    result = CliRunner().invoke(main, [*RUN, "-o", str(target), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), read(target)


def test_a_run_has_a_sheet_each_for_answer_rows_and_inputs(
    book: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    told, sheets = book
    assert list(sheets)[:3] == ["Answer", "Rows", "Inputs"]
    assert sheets["Answer"][1]["C"].startswith("The run takes ")
    rows = {row["A"]: row for row in sheets["Rows"]}
    headings = {value: column for column, value in sheets["Rows"][0].items()}
    assert rows["gpu_hours"][headings["p50"]] == pytest.approx(told["gpu_hours"]["p50"])
    inputs = {row["A"]: (row["B"], row["C"]) for row in sheets["Inputs"]}
    assert len(inputs) - 1 == len({each["name"] for each in told["assumptions"]})
    assert inputs["tokens"] == ("2T", "given")


def test_what_a_spreadsheet_would_run_stays_a_text(tmp_path: Path) -> None:
    target = tmp_path / "out.xlsx"
    frame = pd.DataFrame(
        {"name": ["=1+1", "@SUM(A1)", "https://example.org"], "n": [1, math.nan, 2]}
    )
    result = json.loads(CliRunner().invoke(main, [*RUN, "--json"]).stdout)
    workbook.write_workbook(reports_of([("result", result)]), frame, target)
    rows = read(target)["Rows"]
    assert [row["A"] for row in rows[1:]] == list(frame["name"])
    assert "B" not in rows[2]


def test_more_rows_than_a_sheet_holds_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "MOST_ROWS", 2)
    with pytest.raises(RequestError, match=r"got 3 rows; allowed: up to 2 in a sheet"):
        workbook.write_workbook([], pd.DataFrame({"a": [1, 2, 3]}), tmp_path / "out.xlsx")


def test_without_the_library_one_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "xlsxwriter", None)
    result = CliRunner().invoke(main, [*RUN, "-o", str(tmp_path / "run.xlsx")])
    assert result.exit_code == 2
    assert "install computebill[xlsx]" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "held"),
    [(math.inf, None), ({"a": 1}, "a"), ((1, 2), "1, 2"), (True, True), (None, None), ([], None)],
)
def test_cells_hold_what_cells_can(value: object, held: object) -> None:
    assert workbook.cell(value) == held
