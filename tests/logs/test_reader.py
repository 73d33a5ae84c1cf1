"""Logs are read whole or as they grow; what is wrong with them is told."""

from __future__ import annotations

import gzip
import itertools
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from public_lines import PRINTED, Printed
from written import megatron_line, megatron_lines

from computebill.base.errors import RequestError
from computebill.logs import Log, LogReader, Timeline, Work, read_log

LINES = megatron_lines(range(1, 41))
TEXT = "\n".join(LINES) + "\n"


def read(tmp_path: Path, text: str | bytes) -> Log:
    file = tmp_path / "train.log"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_log(file)


@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(0, len(TEXT)), max_size=6))
def test_a_log_that_grows_is_read_as_one_that_is_there(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(TEXT)]
    reader = LogReader("train.log")
    for start, end in itertools.pairwise(ends):
        reader.feed(TEXT[start:end].encode())
    reader.close()
    log = reader.log()
    assert log.columns["step"].tolist() == list(range(1, 41))
    assert log.at_line.tolist() == list(range(1, 41))
    assert np.all(log.columns["seconds"] == 8.0)
    assert (log.lines, log.unread.count) == (40 + (not TEXT.endswith("\n")), 0)


@settings(deadline=None, max_examples=40)
@given(printed=st.sampled_from(PRINTED), cut=st.integers(0, 400))
def test_a_line_that_is_cut_is_counted_or_tells_what_it_says(printed: Printed, cut: int) -> None:
    text = printed.text.rstrip("\n")
    name = "samples" if printed.format == "mlperf" else "step"  # as the lines themselves count
    reader = LogReader("train.log")
    reader.feed(printed.text.encode())
    whole = set(reader.log().columns[name].tolist())
    reader.feed((text.rpartition("\n")[2][:cut] + "\n").encode())
    log = reader.log()
    if not log.is_numbered:  # a number that is cut is another number, of fewer digits
        told = log.columns[name][np.isfinite(log.columns[name])]
        again = [number for number in told.tolist() if number not in whole]
        assert all(any(str(int(w)).startswith(str(int(s))) for w in whole) for s in again)


def test_lines_of_ranks_on_one_line_are_told_apart_and_cut_ones_are_counted(
    tmp_path: Path,
) -> None:
    one, two, three = LINES[:3]
    mixed = [one + two, three[:100] + LINES[3], LINES[4][60:], LINES[5][:-250]]
    log = read(tmp_path, "\n".join(mixed))
    assert log.columns["step"].tolist() == [1, 2, 4]
    assert log.columns["samples"].tolist() == [512, 1024, 2048]
    assert (log.unread.count, log.unread.line) == (3, 2)
    assert log.unread.text.startswith("[2026-03-01 08:00:24] iteration        3/")


def test_colours_encodings_and_ends_of_lines_of_other_systems_are_read(tmp_path: Path) -> None:
    coloured = TEXT.replace("iteration", "\x1b[1;32miteration\x1b[0m")
    wanted = list(range(1, 41))
    for text in (
        coloured,
        TEXT.replace("\n", "\r\n"),
        TEXT.encode("utf-16"),
        b"\xff\xfa\n" + TEXT.encode(),
    ):
        assert read(tmp_path, text).columns["step"].tolist() == wanted


def test_shapes_are_read_as_patterns_read_them(tmp_path: Path) -> None:
    """Each line alone is read by patterns; together most are read by the shape of the first."""
    lines = [
        megatron_line(step, 8.0 * step, 8.0 + step / 7, batch=2**step, loss=10.0 / step)
        for step in range(1, 13)
    ]
    together = read(tmp_path, "\n".join(lines))
    alone = [read(tmp_path, line) for line in lines]
    for name, column in together.columns.items():
        np.testing.assert_array_equal(column, [each.columns[name][0] for each in alone])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty; allowed: what a run printed"),
        (
            b"\x1f\x8b\x08",
            "is empty; allowed: what a run printed; train.log is packed by gzip, and",
        ),
        ("a\nb\n", "none of its 2 lines tells a step; looked for: NeMo AutoModel, DeepSpeed"),
        (bytes(range(256)) * 40, "is no log that is known"),
        ("{}", "is no log that is known"),
        ('{"epoch": 1, "x": 2}', "log_history: is missing"),
    ],
)
def test_what_is_no_log_is_named(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(RequestError, match=r"train\.log: ") as error:
        read(tmp_path, text)
    assert told in str(error.value)


def test_a_log_of_cut_lines_alone_says_so(tmp_path: Path) -> None:
    text = f"{TEXT}{LINES[0][:40]}\n"
    assert read(tmp_path, text).unread.count == 0  # not a step's mark yet: nothing looks like one
    assert read(tmp_path, f"{TEXT}{LINES[0][:100]}\n").unread.count == 1
    with pytest.raises(RequestError, match="tells no whole step: 2 lines look like one and cannot"):
        read(tmp_path, f"{LINES[0][:100]}\n{LINES[1][:100]}\n")
    longer = f"{TEXT}{LINES[0].replace('(ms): 8000.0', '(ms): 8..0.0')}\n"
    assert read(tmp_path, longer).unread.count == 1


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read: No such file"):
        read_log(tmp_path / "nosuch.log")


def test_bars_without_ends_of_lines_do_not_pile_up() -> None:
    reader = LogReader("train.log")
    bar = " 10%|##   | {n}/90000 [{m:02d}:{s:02d}<9:00:00,  1.00s/it]\r"
    for n in range(1, 3000, 10):
        text = "".join(bar.format(n=k, m=k // 60, s=k % 60) for k in range(n, n + 10))
        reader.feed((text + "x" * 5000 + "\r").encode())
    reader.close()
    assert reader.log().columns["step"].tolist() == list(range(1, 3001))


def test_a_log_that_gzip_packed_is_read_and_a_cut_one_as_far_as_it_is_there(
    tmp_path: Path,
) -> None:
    packed = gzip.compress(TEXT.encode(), mtime=0)
    whole = read(tmp_path, packed)
    assert whole.columns["step"].tolist() == list(range(1, 41))
    assert not whole.notes
    noise = np.random.default_rng(0).bytes(200_000).hex()  # which does not pack
    longer = gzip.compress((TEXT + noise + "\n" + TEXT).encode(), mtime=0)
    cut = read(tmp_path, longer[: len(longer) // 2])
    assert cut.columns["step"].tolist() == list(range(1, 41))
    assert "train.log is packed by gzip, and broken or cut" in cut.notes[0]
    with pytest.raises(RequestError, match="packed by gzip, and broken or cut"):
        read(tmp_path, packed[:12])


ALPHABET = "\x00\x1b[]{}|/:,.'\"%\r\n\t 0123456789eE+-nastepitralo\udc80é"


@settings(deadline=None, max_examples=300)
@given(
    printed=st.lists(st.sampled_from(PRINTED), min_size=1, max_size=4),
    changes=st.lists(
        st.tuples(st.integers(0, 4000), st.integers(0, 30), st.text(ALPHABET, max_size=12)),
        max_size=8,
    ),
    cut=st.integers(0, 4000),
)
def test_no_text_makes_a_reader_fall(
    printed: list[Printed], changes: list[tuple[int, int, str]], cut: int
) -> None:
    """Lines of frameworks, mixed, changed and cut anywhere, are read or named; nothing else."""
    text = "".join(each.text for each in printed)
    for at, length, new in changes:
        text = text[:at] + new + text[at + length :]
    reader = LogReader("train.log")
    data = text.encode("utf-8", "surrogateescape")
    reader.feed(data[:cut])
    reader.feed(data[cut:])
    reader.close()
    try:
        log = reader.log()
    except RequestError:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = Timeline.of(log, Work(4096.0, 64.0, 8.0)).to_dict()
    json.dumps(told, allow_nan=False)
