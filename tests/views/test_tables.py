"""The look of all tables."""

from __future__ import annotations

from looks import printed

from computebill.views import tables


def test_a_table_has_its_title_and_no_frame() -> None:
    table = tables.table("Title")
    table.add_column("head")
    table.add_row("[/]cell")
    lines = printed([table]).splitlines()
    assert lines[0].strip() == "Title"
    assert "[/]cell" in printed([table])


def test_an_interval_goes_on_a_line_of_its_own_before_a_column_goes() -> None:
    table = tables.table("Stages", ("days",))
    table.add_column("stage", overflow="fold", min_width=tables.LEAST_WORDS)
    for heading, cell in (("hours", "12.0 k (10.0–15.0)"), ("days", "38.5 (29.8–54.8)")):
        tables.add_figures(table, heading, [cell])
    table.add_row("a stage with a long name", "12.0 k (10.0–15.0)", "38.5 (29.8–54.8)")
    near = tables.narrowed(table, 46)
    assert near is table
    found = printed([near], 46)
    assert "12.0 k" in found
    assert "(10.0–15.0)" in found
    assert "(29.8–54.8)" in found
    assert "29.8" not in printed([tables.narrowed(table, 30)], 30)


def test_columns_go_whole_where_there_is_no_room() -> None:
    table = tables.table("Runs", ("error", "day", "hours"))
    table.add_column("run", overflow="fold")
    for heading in ("day", "hours", "cost", "error"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row("a run with a long name", "2025-01-01", "12.0 k (10.0–15.0)", "$40.9 M", "0.1 %")
    assert tables.narrowed(table, 120) is table
    near = tables.narrowed(table, 75)
    assert [column.header for column in near.columns] == ["run", "day", "hours", "cost"]
    assert "No room for: error;" in str(near.caption)
    found = printed([tables.narrowed(table, 40)], 40)
    assert "$40.9 M" in found
    assert "2025" not in found
    assert max(map(len, found.splitlines())) <= 40
    # What is drawn afterwards on a wide terminal has all of its columns.
    assert "12.0 k (10.0–15.0)" in printed([table], 120)
