"""Lines of public logs are read value by value; the table of them is kept in ``public_lines``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from public_lines import PRINTED, Printed

from computebill.logs import read_log
from computebill.logs.formats import COLUMNS, FORMS, compiled, formats


@pytest.mark.parametrize("printed", PRINTED, ids=lambda each: each.where)
def test_lines_of_public_logs_are_read(printed: Printed, tmp_path: Path) -> None:
    file = tmp_path / "train.log"
    file.write_text(printed.text, encoding="utf-8")
    log = read_log(file)
    assert log.format == printed.format
    for name, values in printed.says.items():
        wanted = [np.nan if value is None else value for value in values]
        np.testing.assert_allclose(log.columns[name], wanted, rtol=1e-9, err_msg=name)
    assert log.unread.count == printed.unread


def test_public_logs_are_of_each_framework_and_many() -> None:
    repositories = {each.where.partition("#")[0].partition(" ")[0] for each in PRINTED}
    assert len(repositories) >= 15
    assert {each.format for each in PRINTED} == {each.key for each in formats()}


def test_values_are_columns_and_names_of_patterns_stand_for_themselves() -> None:
    for form in formats():
        for kind in form.kinds:
            assert kind.marks
            assert {value.column for value in kind.values} <= set(COLUMNS)
            assert all(value.token for value in kind.values)
    assert compiled("step: INT").search("step: 12 of 13")[1] == "12"  # type: ignore[index]


@pytest.mark.parametrize(
    ("form", "text", "value"),
    [
        ("scaled", "11.5K", 11500.0),
        ("scaled", "85.8G", 85.8e9),
        ("scaled", "45", 45.0),
        ("grouped", "129,238", 129238.0),
        ("clock", "1:52:09", 6729.0),
        ("clock", "25:40", 1540.0),
        ("gb-or-bytes", "14.674", 14.674e9),
        ("gb-or-bytes", "40017854464", 40017854464.0),
        ("iso", "1970-01-02 00:00:01,500", 86401.5),
        ("month-day", "01/02 00:00:01", 946771201.0),
        ("us", "01/02/1970 00:00:01", 86401.0),
        ("glog", "0102 00:00:01.5", 946771201.5),  # of 2000, a year with every day
    ],
)
def test_texts_become_numbers(form: str, text: str, value: float) -> None:
    assert FORMS[form]([text]) == pytest.approx([value])
