"""A run's passport by its log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.logs import LogReader, Timeline, Work
from computebill.watching.done import passport
from computebill.watching.logged import done_by_log
from computebill.watching.passport import Passport
from computebill.watching.subject import Subject, read_subject

sys.path.insert(0, str(Path(__file__).parents[1] / "logs"))

from written import megatron_lines

WORK = Work(1024.0, 512.0, 8.0)


@pytest.fixture
def subject(fields: dict[str, Any]) -> Subject:
    return read_subject(fields, {})


def course(lines: list[str], work: Work = WORK) -> Timeline:
    reader = LogReader("train.log")
    reader.feed(("\n".join(lines) + "\n").encode())
    return Timeline.of(reader.log(), work)


def logged_passport(subject: Subject, course: Timeline, **given: Any) -> Passport:
    return passport(subject, done_by_log(course), **given)


def test_it_says_what_the_log_says(subject: Subject) -> None:
    lines = [*megatron_lines(range(1, 51)), *megatron_lines(range(41, 101), at=1000.0)]
    found = logged_passport(subject, course(lines))
    assert found["updates"].value == 110
    assert found["tokens"].value == 100 * 512 * 1024
    flop = subject.unit.flop_per_token["6nd"]
    assert flop is not None
    assert found["flop_6nd"].value == pytest.approx(flop * 110 * 512 * 1024)
    assert found["hours"].value == pytest.approx((50 * 8 + 600 + 60 * 8) / 3600)
    assert found["usd"].value == pytest.approx(2 * 8 * found["hours"].value)  # type: ignore[operator]
    assert found["restarts"].value == 1
    assert found["goodput"].value == pytest.approx(800 / 1480)
    share = flop * 512 * 1024 / 8 / 8 / subject.unit.peak_flop_per_s
    assert found["mfu_6nd"].value == pytest.approx(share)
    known = {key: found[key].basis for key in ("tokens", "updates", "hours", "usd", "kwh")}
    assert known == {
        "tokens": "declared", "updates": "measured", "hours": "measured", "usd": "declared",
        "kwh": "assumed",
    }  # fmt: skip
    assert "Software" not in found.to_markdown()  # that of this machine trained nothing
    assert logged_passport(subject, course(lines), kwh=12.5)["kwh"].basis == "measured"


def test_tokens_that_lines_count_are_measured(subject: Subject) -> None:
    line = (
        " iteration {n:8d}/   25000 | consumed tokens: {tokens} | elapsed time per iteration (ms): "
        "8000.0 | lm loss: 2.5E+00 |"
    )
    lines = [line.format(n=n, tokens=n * 4096) for n in range(1, 11)]
    found = logged_passport(subject, course(lines, Work(count=8.0)))
    assert (found["tokens"].value, found["tokens"].basis) == (10 * 4096, "measured")
    assert found["goodput"].text == "not known"


def test_what_nobody_tells_is_asked_for(subject: Subject) -> None:
    with pytest.raises(RequestError, match=r"train\.log: does not say a step's tokens; --global"):
        logged_passport(subject, course(megatron_lines(range(1, 11)), Work(count=8.0)))
