from __future__ import annotations

import pytest

from computebill.base.errors import LONGEST, LONGEST_FIELD, RequestError, one_line, shown


def test_a_request_names_its_field_and_what_was_given() -> None:
    error = RequestError("runs[2].mfu", "got 2; allowed: 0 to 1")
    assert str(error) == "runs[2].mfu: got 2; allowed: 0 to 1"
    inner = error.within("lab.toml")
    assert (inner.field, inner.problem) == ("lab.toml: runs[2].mfu", error.problem)
    assert isinstance(inner, ValueError)


def test_a_message_is_one_line_of_bounded_length() -> None:
    told = str(RequestError("x\n" * 10_000, "\x1b[31m" * 10_000))
    assert told.isprintable()
    # Each character that is escaped may become four.
    assert len(told) <= 4 * (LONGEST + LONGEST_FIELD) + 2


@pytest.mark.parametrize(
    ("text", "line"),
    [("plain", "plain"), ("two\nlines", r"two\nlines"), ("\x1b[0m", r"\x1b[0m"), ("é…", "é…")],
)
def test_control_characters_are_escaped(text: str, line: str) -> None:
    assert one_line(text, 80) == line


def test_values_are_quoted_whatever_they_are() -> None:
    assert shown("a'b") == '"a\'b"'
    assert shown("x" * 200, 10) == "'xxxxxxxx…"
    endless: list[object] = []
    for _ in range(100_000):
        endless = [endless]
    assert shown(endless) == "(list too large to show)"
    assert shown(10**5000) == "(int too large to show)"
    while endless:  # one by one: taken down at once it may be too deep
        (endless,) = endless  # type: ignore[assignment]
