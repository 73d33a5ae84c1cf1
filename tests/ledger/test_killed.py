"""The command killed at any moment and gone on with: it leaves what it would have left anyway."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from killing import (
    PAGE,
    chains,
    make_records,
    operations,
    outcome,
    resumed,
    starting,
)
from minutes import takes_minutes


def test_a_kill_at_any_moment_and_a_resume_leave_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with starting() as starter:
        whole = make_records(tmp_path / "whole")
        first = starter.run(whole)
        expected, every = outcome(whole), operations(whole)
        assert expected["result"]["rows_in"] == 69
        assert starter.run(whole).status == 2  # the folder has parts, and nobody says --resume
        draw = random.Random(25)
        kills = [[{"at": place}] for place in sorted(draw.sample(range(1, every), 2))]
        kills += [[{"after": draw.uniform(0.0, first.seconds)}, {"at": 1}, {"at": every // 2}]]
        for place, kill in enumerate(kills):
            killed, left = resumed(starter, tmp_path / str(place), kill)
            assert killed
            assert left == expected, kill


@takes_minutes("kills the command at each of its file operations, and in 48 chains by the clock")
@pytest.mark.parametrize(("further", "number"), [((), 40), (("--html", PAGE), 8)])
def test_kills_at_every_file_operation_and_at_random(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, further: tuple[str, ...], number: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with starting() as starter:
        whole = make_records(tmp_path / "whole")
        first = starter.run(whole, *further)
        assert first.status == 0
        expected, every = outcome(whole), operations(whole)
        at_each = [[{"at": place}] for place in range(1, every + 1)] if not further else []
        killed = 0
        for place, kills in enumerate([*at_each, *chains(1, number, first.seconds)]):
            times, left = resumed(starter, tmp_path / str(place), kills, *further)
            killed += times
            assert left == expected, kills
        assert killed >= len(at_each)
