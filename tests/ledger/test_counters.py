"""Tokens that count on across restarts: FLOP are those of the work that was done, once."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from computebill.ledger import Ledger, read_ledger
from computebill.ledger.counters import (
    COUNTED_ON,
    LATER,
    OWN,
    UNCLEAR,
    UNCLEAR_KEPT,
    read_counter,
)

DATA = Path(__file__).parents[1] / "data" / "ledger"
PARAMS = 7e9
A_STEP = 4_194_304.0


def table(path: Path, rows: list[dict[str, Any]]) -> Ledger:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return read_ledger([path])


def part(number: int, tokens: object, **further: Any) -> dict[str, Any]:
    """One of the parts of a run, a day each."""
    return {
        "id": f"r{number}",
        "name": "base-7b",
        "state": "crashed",
        "started": f"2025-03-{number + 1:02d}T00:00:00",
        "ended": f"2025-03-{number + 1:02d}T23:00:00",
        "gpus": 256,
        "params": PARAMS,
        "tokens": tokens,
        **further,
    }


STEPS = [(0, 6000), (5500, 12500), (12500, 20000)]
"""Of three parts, the second of which did 500 steps again."""
DONE = sum(last - first for first, last in STEPS) * A_STEP
"""Tokens that were trained on, those that were done again twice."""


@pytest.mark.parametrize("is_counted_on", [False, True])
@pytest.mark.parametrize("state", ["crashed", "finished"])
def test_steps_tell_what_tokens_are(tmp_path: Path, *, is_counted_on: bool, state: str) -> None:
    rows = [
        part(
            number,
            (last if is_counted_on else last - first) * A_STEP,
            start_step=first,
            end_step=last,
            state=state,
        )
        for number, (first, last) in enumerate(STEPS)
    ]
    found = table(tmp_path / "a.csv", rows)
    assert found.total.flop.p50 == pytest.approx(6 * PARAMS * DONE, rel=1e-9)
    assert found.remarks[COUNTED_ON if is_counted_on else OWN] == 3
    if state == "crashed":
        assert found.runs.iloc[0]["tokens"] == pytest.approx(DONE, rel=1e-9)


@pytest.mark.parametrize("is_counted_on", [False, True])
def test_runs_that_were_published_with_a_trap(tmp_path: Path, *, is_counted_on: bool) -> None:
    """Evo 2's two 64K runs that were resumed at steps 6,500 and 3,500, with tokens of both kinds.

    The tokens of a step are the file's own, from speed and time: 2^22.
    """
    with (DATA / "wandb_runs_evo2.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if "64K" in row["name"]]
    done = 0.0
    for row in rows:
        first, last = float(row["start_step"]), float(row["end_step"])
        a_step = float(row["tokens_per_step_check"])
        done += a_step * (last - first)
        row["tokens"] = str(a_step * (last if is_counted_on else last - first))
        row["params"] = str(PARAMS)
    assert [row["start_step"] for row in rows] == ["500", "500", "6500", "3500"]
    found = table(tmp_path / "evo2.csv", rows)
    assert found.total.flop.p50 == pytest.approx(6 * PARAMS * done, rel=1e-9)
    assert found.remarks[COUNTED_ON if is_counted_on else OWN] == 4


@pytest.mark.parametrize(
    ("tokens", "want", "told"),
    [
        ([100e9, 101e9, 99e9], 300e9, OWN),
        ([100e9, 201e9, 300e9], 300e9, COUNTED_ON),
    ],
)
def test_hours_tell_it_where_no_step_does(
    tmp_path: Path, tokens: list[float], want: float, told: str
) -> None:
    found = table(tmp_path / "a.csv", [part(place, each) for place, each in enumerate(tokens)])
    assert found.total.flop.p50 == pytest.approx(6 * PARAMS * want, rel=1e-9)
    assert found.remarks[told] == 3


def test_what_is_not_clear_is_as_wide_as_hours_are(tmp_path: Path) -> None:
    """Neither tokens an hour nor what came to them is the same: hours and a utilisation tell."""
    rows = [part(0, 100e9, gpu_type="h100-sxm"), part(1, 160e9, gpu_type="h100-sxm")]
    found = table(tmp_path / "a.csv", rows)
    assert found.remarks[UNCLEAR] == 2
    assert found.total.flop.p95 > 1.1 * found.total.flop.p5
    alone = table(tmp_path / "b.csv", [{**row, "gpus": ""} for row in rows])
    assert alone.remarks[UNCLEAR_KEPT] == 2
    assert alone.total.flop.p50 == pytest.approx(6 * PARAMS * 260e9)


def test_runs_of_one_name_side_by_side_are_no_restarts(tmp_path: Path) -> None:
    rows = [part(0, 100e9, id=f"r{place}") for place in range(3)]
    found = table(tmp_path / "a.csv", rows)
    assert found.total.flop.p50 == pytest.approx(6 * PARAMS * 300e9)
    assert not {COUNTED_ON, OWN, UNCLEAR} & set(found.remarks)


def test_a_part_whose_beginning_is_not_there_is_told(tmp_path: Path) -> None:
    found = table(tmp_path / "a.csv", [part(0, 1e9, start_step=6500, end_step=12500)])
    assert found.remarks[LATER] == 1


@pytest.mark.parametrize("seed", range(5))
def test_either_reading_is_found_whatever_the_run(seed: int) -> None:
    """Property: a run of any parts is read as it was written, with steps or with hours."""
    draw = np.random.default_rng(seed)
    steps = draw.integers(1000, 50_000, draw.integers(2, 9))
    last = np.cumsum(steps).astype(float)
    first = last - steps
    hours = steps * 0.01 * draw.uniform(0.95, 1.05, len(steps))
    for values, told, own in (
        (steps * A_STEP, OWN, np.ones(len(steps))),
        (last * A_STEP, COUNTED_ON, steps / last),
    ):
        for a, b in ((first, last), (first * 0, last * 0)):
            read, shares = read_counter(values.astype(float), a, b, hours)
            assert read == told
            assert shares == pytest.approx(own, rel=1e-9)
