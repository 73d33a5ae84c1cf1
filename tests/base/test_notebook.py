from __future__ import annotations

from collections.abc import Iterator

import pytest

from computebill.base import notebook


@pytest.fixture
def words() -> Iterator[None]:
    """Words of this test's own; the package's come back."""
    before = dict(notebook._words)
    notebook.tell_with(lambda found: f"<b>{found.name}</b>", lambda found: found.name)  # type: ignore[attr-defined]
    yield
    notebook._words.clear()
    notebook._words.update(before)


class Answer(notebook.Shown):
    name = "405B on 16,384"


@pytest.mark.usefixtures("words")
def test_a_result_is_one_line_in_a_terminal_and_html_in_a_notebook() -> None:
    assert repr(Answer()) == "<Answer 405B on 16,384>"
    assert Answer()._repr_html_() == "<b>405B on 16,384</b>"
