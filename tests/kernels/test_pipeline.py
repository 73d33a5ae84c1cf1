from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ideal import tensor

from computebill.kernels import pipeline, schedules


def orders(stages: int, chunks: int, batches: int) -> list[list[tuple[str, int, int]]]:
    """Passes of each stage in Megatron-LM's order: what, the chunk, the micro-batch."""
    found = []
    for stage in range(stages):
        warm = stages - stage - 1
        if chunks > 1:
            warm = 2 * (stages - stage - 1) + (chunks - 1) * stages
        count = stages if chunks > 1 else 1
        total, round_of = batches * chunks, count * chunks
        warm = min(warm, total)

        def forward(n: int, count: int = count, round_of: int = round_of) -> tuple[str, int, int]:
            return "F", n % round_of // count, n // round_of * count + n % count

        def backward(n: int, count: int = count, round_of: int = round_of) -> tuple[str, int, int]:
            _, turn, batch = forward(n, count, round_of)
            return "B", chunks - 1 - turn, batch

        order = [forward(n) for n in range(warm)]
        for n in range(total - warm):
            order += [forward(warm + n), backward(n)]
        found.append(order + [backward(n) for n in range(total - warm, total)])
    return found


def played(
    forward: Sequence[float], backward: Sequence[float], batches: int, chunks: int = 1
) -> float:
    """Seconds of a 1F1B schedule, of passes as long as each chunk's, in the order they are met."""
    stages = len(forward) // chunks
    done: dict[tuple[str, int, int], float] = {}
    queues = [list(reversed(order)) for order in orders(stages, chunks, batches)]
    clocks = [0.0] * stages
    while any(queues):
        for stage, queue in enumerate(queues):
            while queue:
                kind, turn, batch = queue[-1]
                chunk = turn * stages + stage
                before = (kind, chunk - 1 if kind == "F" else chunk + 1, batch)
                if kind == "B" and chunk == len(forward) - 1:
                    before = ("F", chunk, batch)
                is_start = kind == "F" and chunk == 0
                if not is_start and before not in done:
                    break
                took = (forward if kind == "F" else backward)[chunk]
                clocks[stage] = max(clocks[stage], done.get(before, 0.0)) + took
                done[kind, chunk, batch] = clocks[stage]
                queue.pop()
    return max(clocks)


def listed(
    forward: Sequence[float], backward: Sequence[float], batches: int, chunks: int = 1
) -> float:
    """What the kernel tells of the same."""
    stages = len(forward) // chunks
    numbers = (float(stages), float(chunks), float(batches))
    passes = (tensor(each).reshape(chunks, stages).T for each in (forward, backward))
    return float(pipeline.listed_seconds(*map(tensor, numbers), *passes))


def bubble(schedule: float, stages: int, *passes: float) -> float:
    numbers = (schedule, float(stages), 1.0, *passes)
    return float(pipeline.bubble_seconds(*map(tensor, numbers)))


@given(st.integers(1, 8), st.integers(1, 24))
def test_the_bubble_is_that_of_the_schedule(stages: int, batches: int) -> None:
    found = bubble(schedules.ONE_FORWARD_ONE_BACKWARD, stages, 1.0, 1.0, 0.5)
    idle = played([1.0] * stages, [1.0] * stages, batches) - 2 * batches
    assert found == pytest.approx(idle)


def test_chunks_divide_the_bubble() -> None:
    # Narayanan et al. 2021, section 2.2: (p - 1) (t_f + t_b) / v.
    numbers = (0.0, 4.0, 2.0, 1.0, 2.0, 1.0)
    assert float(pipeline.bubble_seconds(*map(tensor, numbers))) == 3 * 3 / 2


LENGTHS = st.floats(0.1, 3.0)


def waited(forward: Sequence[float], backward: Sequence[float]) -> float:
    """The bubble where the slowest stage waits for the mean of all others."""
    both = [one + other for one, other in zip(forward, backward, strict=True)]
    slowest = both.index(max(both))
    others = [place for place in range(len(both)) if place != slowest]

    def mean(each: Sequence[float]) -> float:
        return sum(each[place] for place in others) / max(1, len(others))

    return bubble(0.0, len(both), mean(forward), mean(backward), 0.0)


@given(st.integers(1, 8), st.integers(1, 24), LENGTHS, LENGTHS, LENGTHS, LENGTHS)
def test_stages_wait_for_a_slower_last_one_as_long_as_all_others_take(
    stages: int, batches: int, forward: float, backward: float, more: float, longer: float
) -> None:
    # As where it has the head.
    ahead = [forward] * (stages - 1) + [forward + more]
    behind = [backward] * (stages - 1) + [backward + longer]
    busy = batches * (ahead[-1] + behind[-1])
    assert busy + waited(ahead, behind) == pytest.approx(played(ahead, behind, batches))


@given(st.lists(LENGTHS, min_size=1, max_size=8), st.floats(0.2, 5.0), st.integers(1, 24))
def test_a_schedule_is_never_slower_whichever_stage_is_slowest(
    forward: list[float], ratio: float, batches: int
) -> None:
    # Stages before the last have a micro-batch or more to work on while later ones are busy.
    # Stages of more layers are longer both ways.
    backward = [ratio * each for each in forward]
    busy = batches * max(forward) * (1 + ratio)
    whole = busy + waited(forward, backward)
    assert busy * (1 - 1e-12) <= played(forward, backward, batches) <= whole * (1 + 1e-12)


@pytest.mark.parametrize("batches", [4, 8, 32])
def test_short_first_and_last_stages_wait_for_those_between_them(batches: int) -> None:
    # Three layers on the ends and four between: within a fifth of a layer's step.
    forward = [3.0, 4.0, 4.0, 3.0]
    backward = [2 * each for each in forward]
    whole = batches * 12 + waited(forward, backward)
    assert whole == batches * 12 + (9 + 12 + 9)
    assert whole == pytest.approx(played(forward, backward, batches), abs=3 * 1.01)


def simulated_idle(stages: int, batches: int) -> float:
    """Play passes of unit length, gradients of weights put off for whatever can go first.

    A stage keeps as many micro-batches as the first one of 1F1B does.
    """
    ends: list[dict[tuple[str, int], int]] = [{} for _ in range(stages)]
    counts = [{"F": 0, "B": 0, "W": 0} for _ in range(stages)]

    def is_done(kind: str, stage: int, batch: int, clock: int) -> bool:
        return ends[stage].get((kind, batch), clock + 1) <= clock

    def chosen(stage: int, clock: int) -> str | None:
        done = counts[stage]
        behind, before = done["B"], done["F"]
        last = stage == stages - 1
        if is_done("F", stage, behind, clock) and (last or is_done("B", stage + 1, behind, clock)):
            return "B"
        room = before < batches and before - done["W"] < stages
        if room and (stage == 0 or is_done("F", stage - 1, before, clock)):
            return "F"
        return "W" if done["W"] < done["B"] else None

    clock = 0
    while any(done["W"] < batches for done in counts):
        for stage, kind in enumerate([chosen(stage, clock) for stage in range(stages)]):
            if kind:
                ends[stage][kind, counts[stage][kind]] = clock + 1
                counts[stage][kind] += 1
        clock += 1
    return clock - 3 * batches


@pytest.mark.parametrize("stages", range(1, 8))
def test_gradients_of_weights_fill_two_thirds_of_the_bubble(stages: int) -> None:
    # Passes of one length: a forward pass, inputs' gradients, weights' gradients.
    found = bubble(schedules.ZERO_BUBBLE, stages, 1.0, 2.0, 1.0)
    assert found == pytest.approx(simulated_idle(stages, stages))
    assert found == pytest.approx(bubble(0.0, stages, 1.0, 2.0, 1.0) / 3)


@given(st.integers(1, 8), st.floats(0.5, 2.0), st.floats(0.5, 2.0), st.floats(0.0, 1.0))
def test_schedules_are_ordered_as_deepseek_s_table_says(
    half: int, forward: float, inputs: float, weights: float
) -> None:
    passes = (forward, inputs + weights, weights)
    plain, zero, dual = (bubble(code, 2 * half, *passes) for code in (0.0, 1.0, 2.0))
    assert 0 <= zero <= plain
    assert 0 <= dual <= plain
    assert bubble(2.0, 2, *passes) == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(LENGTHS, min_size=1, max_size=7), st.floats(0.2, 5.0), st.integers(1, 20))
def test_no_pipeline_is_through_sooner_than_is_told(
    forward: list[float], ratio: float, batches: int
) -> None:
    backward = [ratio * each for each in forward]
    found, took = listed(forward, backward, batches), played(forward, backward, batches)
    assert found <= took * (1 + 1e-12)
    # And it takes no longer than the slowest stage and all others for one micro-batch each.
    assert found <= batches * max(forward) * (1 + ratio) + waited(forward, backward) + 1e-9
    assert found >= took * 0.8


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([3.0, 4.0, 4.0, 5.0]), min_size=2, max_size=7), st.integers(1, 20))
def test_stages_of_a_layer_more_or_less_take_what_they_take_played(
    forward: list[float], batches: int
) -> None:
    backward = [2.0 * each for each in forward]
    found = listed(forward, backward, batches)
    assert found == pytest.approx(played(forward, backward, batches), rel=0.03)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 7), LENGTHS, st.floats(0.1, 1.0), st.floats(0.1, 1.0), st.integers(1, 20))
def test_lighter_ends_take_exactly_what_they_take_played(
    stages: int, inner: float, first: float, last: float, batches: int
) -> None:
    forward = [inner * first, *[inner] * (stages - 2), inner * last]
    backward = [2.0 * each for each in forward]
    took = played(forward, backward, batches)
    assert listed(forward, backward, batches) == pytest.approx(took)
    three = [[each[0], each[(stages - 1) // 2], each[-1]] for each in (forward, backward)]
    closed = pipeline.ends_seconds(
        tensor(float(stages)), tensor(float(batches)), *([*map(tensor, each)] for each in three)
    )
    assert float(closed) == pytest.approx(took)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 5), st.integers(2, 4), st.integers(1, 5), st.floats(0.2, 1.0), st.data())
def test_interleaved_stages_are_told_as_they_are_played(
    stages: int, chunks: int, rounds: int, last: float, data: st.DataObject
) -> None:
    batches, count = rounds * stages, stages * chunks
    even = [1.0] * (count - 1) + [last]
    twice = [2.0 * each for each in even]
    # With a last chunk that is shorter.
    took = played(even, twice, batches, chunks)
    assert listed(even, twice, batches, chunks) == pytest.approx(took, rel=0.06)
    forward = data.draw(st.lists(LENGTHS, min_size=count, max_size=count))
    backward = [2.0 * each for each in forward]
    found = listed(forward, backward, batches, chunks)
    assert found <= played(forward, backward, batches, chunks) * (1 + 1e-12)


@given(st.integers(1, 8), st.integers(1, 4), st.integers(1, 6))
def test_chunks_that_are_alike_wait_as_the_schedule_says(
    stages: int, chunks: int, rounds: int
) -> None:
    chunks = 1 if stages == 1 else chunks
    batches = rounds * stages
    forward, backward = [1.0] * stages * chunks, [2.0] * stages * chunks
    found = listed(forward, backward, batches, chunks)
    idle = bubble(0.0, stages, chunks, 2.0 * chunks, 0.0) / chunks
    assert found == pytest.approx(batches * 3.0 * chunks + idle)
