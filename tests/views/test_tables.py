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
