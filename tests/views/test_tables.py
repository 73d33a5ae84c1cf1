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
