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


@pytest.mark.parametrize("loss", ["", "1|{step}|Loss: 2.5: "], ids=["bar", "torchtune"])
def test_a_bar_that_is_drawn_once_more_as_a_run_ends_is_no_restart(loss: str) -> None:
    def bar(step: int, seconds: int) -> str:
        time = f"{seconds // 60}:{seconds % 60:02d}"
        return f"{loss.format(step=step)}{2 * step:3d}%|██| {step}/50 [{time}<1:00, 12.00s/it]"

    bars = [bar(step, 12 * step) for step in range(1, 51)]
    found = course(*bars, bar(50, 760))
    assert (found.restarts, found.copies) == ((), 1)
    assert found.spent is not None
    assert found.spent.wall == pytest.approx(600)
    again = course(*bars[:25], *bars[:26])
    assert [each.repeated for each in again.restarts] == [25]


def test_a_clock_that_goes_back_takes_no_time() -> None:
    earlier, later = megatron_lines(range(1, 11)), megatron_lines(range(11, 21), at=80)
    found = course(*later, *earlier, *later)
    assert found.spent is not None
    assert 0 < found.spent.goodput < 1
    assert found.spent.wall == pytest.approx(80 + 72 + 80)  # to the first of the lines put before
    assert all(each >= 0 for each in found.spent)
    assert any("the time goes back, as in logs put together" in note for note in found.notes())
    assert not any("goes back" in note for note in course(*earlier, *later).notes())


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


def untimed(steps: Sequence[int], total: int, seconds: float = 8.0) -> list[str]:
    """Lines without a time, of a run of so many steps, with losses that are always the same."""
    return [
        megatron_line(n, 0.0, seconds, loss=10.0 / n)
        .partition("] ")[2]
        .replace("/   25000", f"/{total:8d}")
        for n in steps
    ]


def test_runs_one_after_the_other_are_no_restarts_and_repeat_nothing() -> None:
    lines = [*untimed(range(1, 51), 50), *untimed(range(1, 51), 50, 9.0)]
    found = course(*lines)
    assert (len(found.rows), found.copies, found.restarts) == (100, 0, ())
    assert found.run.tolist() == [0] * 50 + [1] * 50
    assert not found.is_repeated.any()
    assert found.to_dict()["notes"][0] == "2 runs stand in it, the last from line 51 on"
    other = course(*untimed(range(1, 51), 50), *untimed(range(1, 11), 50), *untimed([11], 50))
    assert other.run[-1] == 1  # it had made its steps
    again = course(*untimed(range(1, 31), 50), *untimed(range(1, 51), 50, 9.0))
    assert (again.run[-1], [each.repeated for each in again.restarts]) == (0, [30])


def test_a_line_of_another_rank_without_a_time_is_a_few_rows_late() -> None:
    lines = [line for line in untimed(range(1, 31), 50) for _ in range(4)]
    assert (course(*lines).copies, course(*lines).restarts) == (90, ())


def test_a_timer_that_begins_anew_goes_on() -> None:
    shown = [29.0 + n / 10 for n in range(1, 10)] + [n / 10 for n in range(1, 41)]
    lines = [
        f"step:{n}/50 train_time:{seconds * 1e3:.0f}ms step_avg:nanms"
        for n, seconds in enumerate(shown, 1)
    ]
    found = course(*lines)
    assert found.mean_seconds(found.is_steady.nonzero()[0]) == pytest.approx(0.1)
    assert found.restarts == ()
    assert found.hours * 3600 == pytest.approx(0.9 + 4.0, abs=0.3)  # from the first line on


def test_steps_of_any_length_are_no_lost_time_where_lines_tell_the_time_alone() -> None:
    seconds, bars = 0, []
    for n in range(400):
        seconds += (3, 5, 9, 14)[n % 4]
        bars.append(
            f" 10%|#  | {n}/900 [{seconds // 60:02d}:{seconds % 60:02d}<1:00:00,  7.75s/it]"
        )
    found = Timeline.of(log_of(bars), WORK)
    assert (found.stalls, found.spent.goodput if found.spent else None) == ((), pytest.approx(1.0))


def test_whole_seconds_of_a_clock_are_no_lost_time() -> None:
    lines = [megatron_line(n, float(int(7.6 * n)), 7.6) for n in range(1, 301)]
    spent = course(*lines).spent
    assert spent is not None
    assert spent.goodput == pytest.approx(1.0)


def test_a_time_that_cannot_be_read_is_taken_from_its_neighbours() -> None:
    lines = megatron_lines(range(1, 101))
    lines[49] = lines[49].replace("2026-03-01", "2026-0")
    clock = course(*lines).clock
    assert clock is not None
    assert clock[49] - clock[48] == pytest.approx(8.0)


def test_tokens_seen_so_far_tell_those_of_a_step() -> None:
    lines = []
    for n in range(1, 11):
        seen = 1000 * n if n < 6 else 5000 + 3000 * (n - 5)
        lines.append(f"2025-12-07 17:31:{n:02d}.000\tgpu:0\tolmo.train:979\tINFO\t[step={n}/90]")
        lines.append(f"    throughput/total_tokens={seen:,}")
    found = Timeline.of(log_of(lines), Work(count=2.0))
    assert found.tokens.tolist() == [1000.0] * 5 + [3000.0] * 5
    assert found.tokens_are_counted
    rounded = "01/02/2025 00:00:01 [INFO]: iteration: {n} / 9 | consumed_tokens: {n}.1G | {rest}"
    rest = "elapsed_time_per_iteration_ms: 12.5K | global_batch_size: 64 | lm_loss: 2.5"
    three = Timeline.of(log_of([rounded.format(n=n, rest=rest) for n in range(1, 4)]), Work())
    assert not three.tokens_are_counted  # to two digits: nothing is known of a step


def test_utilisation_over_time_is_that_of_each_windows_speed() -> None:
    found = course(*megatron_lines(range(1, 11)))
    points = found.over_time(lambda speed: {"half": speed / 2, "none": None})
    assert [point["mfu"]["half"] * 2 for point in points] == [
        point["tokens_per_second_per_gpu"] for point in points
    ]
    assert points[0]["mfu"]["none"] is None


def test_a_count_that_its_lines_contradict_is_told() -> None:
    line = (
        "[rank0]:2026-04-27 20:{m:02d}:{s:02d},000 - root - INFO - step: {n}  loss:  4.04117  "
        "memory: 26.01GiB(82.96%)  tps: 4,000  mfu: 2.94%"
    )
    lines = [line.format(m=4 * n // 60, s=4 * n % 60, n=n) for n in range(1, 101)]
    right, wrong = (
        [*Timeline.of(log_of(lines), Work(1000.0, 64.0, count)).notes()] for count in (4.0, 8.0)
    )
    assert right == []
    assert wrong == [
        "by the times of its lines a step takes 4 s, by its printed speed 2 s: accelerators, "
        "sequences or their tokens are others than given"
    ]
