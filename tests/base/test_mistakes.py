"""Every mistake of a spec is told at once, with what its field is for and takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from computebill.base.errors import MOST_OTHERS, RequestError
from computebill.base.mistakes import field_path, meanings_of
from computebill.base.quantity import Positive
from computebill.base.specfile import Spec, validate


class Window(Spec):
    """A span of time.

    Attributes:
        first: first month of it; a month as people
            write it.
        last: last month.
    """

    first: str
    last: str


class Lab(Spec):
    """A laboratory.

    Attributes:
        price: USD an hour.
        kind: what it is.
        window: when.
    """

    price: Positive
    kind: Literal["public", "private"]
    window: Window
    runs: tuple[Annotated[float, Field(gt=0)], ...] = ()


def told(data: dict[str, Any], flags: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(RequestError) as caught:
        validate(Lab, data, "lab.toml", flags)
    return [line.strip() for line in str(caught.value).splitlines()]


def test_every_mistake_has_a_line() -> None:
    lines = told({"window": {"first": 3}, "runs": [1, -1], "kind": "secret"})
    assert lines == [
        "lab.toml: price is missing; USD an hour; allowed: a number such as 3.0 or 405B, or a "
        "range such as 0.3..0.45",
        "lab.toml: kind: got 'secret'; allowed: 'public' or 'private'",
        "lab.toml: window.first: got 3; allowed: a text",
        "lab.toml: window.last is missing; last month; allowed: a text",
        "lab.toml: runs[1]: got -1; allowed: above 0",
    ]


def test_a_table_that_is_missing_tells_its_keys() -> None:
    (line,) = told({"price": 1, "kind": "public"})
    assert line == "lab.toml: window is missing; when; allowed: a table of the keys first, last"


def test_flags_and_fields_of_a_file_are_told_apart() -> None:
    lines = told({"price": -1, "kind": "x", "window": {"first": "a", "last": "b"}}, ("price",))
    assert lines[0].startswith("--price: got -1")
    assert lines[1].startswith("lab.toml: kind: got 'x'")


def test_no_more_than_some_are_listed() -> None:
    data = {"price": 1, "kind": "public", "window": {"first": "a", "last": "b"}}
    lines = told({**data, "runs": [-1.0] * 100})
    assert len(lines) == MOST_OTHERS + 2
    assert lines[-1] == f"and {100 - MOST_OTHERS - 1} more"


def test_a_file_in_a_file_keeps_the_other_mistakes() -> None:
    inner = RequestError("a", "is missing", [("b", "is missing")]).within("lab.toml")
    assert str(inner) == "lab.toml: a: is missing\n  lab.toml: b: is missing"


def test_meanings_are_the_docstring_s() -> None:
    assert meanings_of(Window)["first"] == "first month of it; a month as people write it."


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5))
def test_whatever_is_given_each_line_is_fit_for_a_terminal(data: dict[str, Any]) -> None:
    assert all(line.isprintable() for line in told(data))


def test_field_paths() -> None:
    assert field_path(["runs", 2, "mfu"]) == "runs[2].mfu"
    assert field_path([]) == ""
