"""Cells of records in any form."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from computebill.ledger.cells import (
    NO_TIME,
    is_nothing,
    read_durations,
    read_moments,
    read_numbers,
    read_words,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10-13:27:06", ((10 * 24 + 13) * 60 + 27) * 60 + 6),
        ("00:06:43", 403),
        ("05:03.500", 303.5),
        ("49:00:00", 49 * 3600),
        ("1h 2m", 3720),
        ("1 day, 2:03:04", 86400 + 7384),
        ("12.5", 12.5),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    # Beside one of the usual form, which is read at once.
    found = read_durations(pa.array([text, "00:00:01", None, "Unknown"]))
    assert found[0] == pytest.approx(seconds)
    assert found[1] == 1
    assert np.isnan(found[2:]).all()


@given(st.integers(0, 10**7))
@settings(max_examples=50, deadline=None)
def test_what_slurm_writes_is_read_back(seconds: int) -> None:
    days, rest = divmod(seconds, 86400)
    clock = f"{rest // 3600:02d}:{rest % 3600 // 60:02d}:{rest % 60:02d}"
    text = f"{days}-{clock}" if days else clock
    assert read_durations(pa.array([text]))[0] == seconds


DURATIONS = st.one_of(
    st.none(),
    st.from_regex(r"([0-9]{1,7}-)?[0-9]{1,2}:[0-9]{2}:[0-9]{2}", fullmatch=True),
    st.from_regex(r"[0-9:-]{8,12}", fullmatch=True),
    st.sampled_from(["", "Unknown", "é0:00:01", "1-00:00:0é", "24:00:00", "00:60:00", "-00:00:01"]),
)


def seconds_of(text: str | None) -> float:
    """Return a duration's seconds, its parts one by one; NaN for any other text."""
    found = re.fullmatch(r"(?:([0-9]+)-)?(?:([0-9]+):)?([0-9]+):([0-9]+)", text or "")
    if not found:
        return float(text) if re.fullmatch(r"-?[0-9]+", text or "") else np.nan
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60.0 + seconds


@given(st.lists(DURATIONS, max_size=12), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_durations_among_others_are_each_one_s(texts: list[str | None], skipped: int) -> None:
    # A part of a column, whose letters begin anywhere in it.
    column = pa.array(["7-11:11:11"] * skipped + texts, pa.string()).slice(skipped)
    found = read_durations(column)
    assert found.tolist() == pytest.approx([seconds_of(text) for text in texts], nan_ok=True)


TEXTS = st.one_of(
    st.none(), st.sampled_from(["a", " a", "b ", "", "None", "n/a", "Ünï", "\u2003x"])
)


@given(st.lists(st.lists(TEXTS, max_size=6), min_size=1, max_size=4))
def test_codes_of_other_dictionaries_are_the_same_words(chunks: list[list[str | None]]) -> None:
    coded = pa.chunked_array(
        [pa.array(chunk, pa.string()).dictionary_encode() for chunk in chunks],
        pa.dictionary(pa.int32(), pa.string()),
    )
    plain = pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks], pa.string())
    cells = [text for chunk in chunks for text in chunk]
    known = [None if text is None or is_nothing(text) else text.strip() for text in cells]
    for column in (coded, plain):
        words = read_words(column)
        assert [*words.told(lambda text: text, None)] == known
        assert words.column().to_pylist() == known


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-10-27T23:22:11", "2024-10-27T23:22:11"),
        ("2024-09-18 23:00:00", "2024-09-18T23:00:00"),
        ("2023-03-01 00:18:22+08:00", "2023-02-28T16:18:22"),
        ("2026-05-29T08:53:32.000Z", "2026-05-29T08:53:32"),
        ("2024-09-18 23:00:00 UTC", "2024-09-18T23:00:00"),
        ("2024-10-27-23:22", "2024-10-27T23:22:00"),
        ("2023_12_14-04_59_48", "2023-12-14T04:59:48"),
        ("1727452800", "2024-09-27T16:00:00"),
        ("1727452800123", "2024-09-27T16:00:00"),
        ("9/27/2024 16:00", "2024-09-27T16:00:00"),
        ("Unknown", None),
        ("2023-02-30T00:00:00", None),
        ("soon", None),
    ],
)
def test_moments(text: str, moment: str | None) -> None:
    wanted = NO_TIME
    if moment is not None:
        wanted = int(dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC).timestamp())
    assert read_moments(pa.array([text]))[0] == wanted
    # In a column of other forms too.
    assert read_moments(pa.array([text, "2024-10-27-23:22", None]))[0] == wanted


def test_a_column_tells_which_comes_first() -> None:
    found = read_moments(pa.array(["03/04/2024 00:00"]), lambda: True)
    assert np.datetime64(int(found[0]), "s") == np.datetime64("2024-04-03T00:00:00")


def test_numbers_and_words() -> None:
    numbers = read_numbers(pa.array(["1", "2.5K", "$1,234", "NULL", "", "x"]))
    assert numbers[:3].tolist() == [1.0, 2500.0, 1234.0]
    assert np.isnan(numbers[3:]).all()
    words = read_words(pa.array([" a", "a", "NULL", None, "b"]))
    assert words.codes.tolist() == [0, 0, -1, -1, 1]
    assert words.values == ["a", "b"]
