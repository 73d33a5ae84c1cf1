"""The course of a run: first steps, restarts, stalls and what time went to, by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from written import megatron_line, megatron_lines

from computebill.logs import Log, LogReader, Timeline, Work

WORK = Work(sequence=1000.0, sequences=512.0, count=64.0)


def log_of(lines: Sequence[str]) -> Log:
    reader = LogReader("train.log")
    reader.feed(("\n".join(lines) + "\n").encode())
    return reader.log()


def course(*lines: str) -> Timeline:
    return Timeline.of(log_of(lines), WORK)


def test_first_steps_of_each_start_are_left_out() -> None:
    found = course(*megatron_lines(range(1, 11), seconds=8.0, first=60.0))
    assert found.left_out_steps == 1
    assert found.is_steady.tolist() == [False] + [True] * 9
    rows = found.is_steady.nonzero()[0]
    assert found.mean_seconds(rows) == pytest.approx(8.0)
    assert found.mean_speed(rows) == pytest.approx(512_000 / 8 / 64)
    slow = [megatron_line(n, 60.0 * n, 60.0 if n < 4 else 8.0) for n in range(1, 21)]
    assert course(*slow).left_out_steps == 3


def test_time_goes_to_steps_repeats_stalls_and_restarts() -> None:
    # 20 steps of 8 s; 300 s of a checkpoint after step 10; a crash, 600 s later on from step 16.
    lines = megatron_lines(range(1, 11))
    lines.append("saving checkpoint at iteration      10 to /ckpt")
    lines += megatron_lines(range(11, 21), at=80.0 + 300.0)
    lines += ["Traceback (most recent call last)"]
    lines += megatron_lines(range(16, 31), at=460.0 + 600.0)
    found = course(*lines)
    (stall,) = found.stalls
    assert (stall.step, stall.seconds, stall.why) == (11, pytest.approx(300.0), "checkpoint")
    (restart,) = found.restarts
    assert (restart.step, restart.repeated, restart.seconds) == (16, 5, pytest.approx(600.0))
    spent = found.spent
    assert spent is not None
    assert spent.wall == pytest.approx(20 * 8 + 300 + 600 + 15 * 8)
    assert spent.kept == pytest.approx(30 * 8)
    assert spent.repeated == pytest.approx(5 * 8)
    assert spent.other == pytest.approx(0.0)
    assert spent.goodput == pytest.approx(240 / 1180)
    parts = (spent.kept, spent.repeated, spent.stalls, spent.restarts, spent.other)
    assert sum(parts) == pytest.approx(spent.wall)
    assert found.to_dict()["goodput"] == spent.goodput


def test_lines_of_other_ranks_count_once_and_are_no_restart() -> None:
    lines = [line for line in megatron_lines(range(1, 11)) for _ in range(8)]
    found = course(*lines)
    assert (len(found.rows), found.copies, found.restarts) == (10, 70, ())
    lagging = megatron_lines(range(1, 11))
    lagging[4:6] = [lagging[5], lagging[4], lagging[5]]  # one rank is a line behind
    assert course(*lagging[:4], *lagging[5:]).restarts == ()


def test_a_step_that_comes_again_later_is_a_restart_without_times_too() -> None:
    def untimed(steps: range, loss: float) -> list[str]:
        return [megatron_line(n, 0.0, 8.0, loss=loss / n).partition("] ")[2] for n in steps]

    found = course(*untimed(range(1, 11), 10.0), *untimed(range(6, 16), 11.0))
    assert [each.step for each in found.restarts] == [6]
    assert found.restarts[0].seconds is None
    assert found.spent is None


def test_several_starts_of_a_run_that_each_repeat() -> None:
    lines = megatron_lines(range(1, 11))
    lines += megatron_lines(range(8, 13), at=500.0)
    lines += megatron_lines(range(5, 21), at=1000.0)
    found = course(*lines)
    assert [each.repeated for each in found.restarts] == [3, 8]
    assert found.step[~found.is_repeated].tolist() == list(range(1, 21))


def test_seconds_of_whole_second_clocks_are_taken_over_many_steps() -> None:
    bars = [f" 10%|#  | {n}/900 [{n * 3 // 10 // 60:02d}:{n * 3 // 10 % 60:02d}<1:00:00,  3.33it/s]"
            for n in range(0, 800)]  # fmt: skip
    found = Timeline.of(log_of(bars), WORK)
    assert found.source == "clock"
    assert found.mean_seconds(found.is_steady.nonzero()[0]) == pytest.approx(0.3, rel=0.02)


def test_a_stall_is_no_slow_step_where_lines_tell_the_time_alone() -> None:
    seconds, bars = 0, []
    for n in range(400):
        seconds += 5 if n % 100 else 60
        bars.append(
            f" 10%|#  | {n}/900 [{seconds // 60:02d}:{seconds % 60:02d}<1:00:00,  5.00s/it]"
        )
    found = Timeline.of(log_of(bars), WORK)
    assert found.mean_seconds(found.is_steady.nonzero()[0]) == pytest.approx(5.0)
    assert [each.seconds for each in found.stalls] == pytest.approx([55.0] * 3)


def test_bars_of_evaluations_are_left_out() -> None:
    bar = "{p:3d}%|#  | {n}/{total} [{m:02d}:{s:02d}<1:00:00,  1.00s/it]"
    train = [bar.format(p=1, n=n, total=900, m=n // 60, s=n % 60) for n in range(1, 300)]
    evaluation = [bar.format(p=1, n=n, total=20, m=0, s=n) for n in range(0, 21)]
    found = Timeline.of(log_of([*train[:200], *evaluation, *train[200:]]), WORK)
    assert (found.others, found.restarts, found.last_step) == (21, (), 299)


def test_batches_that_grow_have_tokens_of_their_own() -> None:
    lines = [megatron_line(n, 8.0 * n, 8.0, batch=256 if n < 6 else 512) for n in range(1, 11)]
    found = course(*lines)
    assert found.tokens.tolist() == [256_000.0] * 5 + [512_000.0] * 5


def test_windows_hold_all_steps_that_count_and_end_where_a_part_does() -> None:
    lines = [*megatron_lines(range(1, 501)), *megatron_lines(range(400, 901), at=9000.0)]
    found = course(*lines)
    windows = found.windows
    assert 200 <= len(windows) <= 202
    assert {window.part for window in windows} == {0, 1}
    assert windows[0].hours == pytest.approx((windows[0].last_step - 1) * 8 / 3600)
