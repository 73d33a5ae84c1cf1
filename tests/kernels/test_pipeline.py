from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ideal import tensor

from computebill.kernels import pipeline, schedules


def played(forward: Sequence[float], backward: Sequence[float], batches: int) -> float:
    """Seconds of a 1F1B schedule, of passes as long as each stage's."""
    stages = len(forward)
    done: dict[tuple[str, int, int], float] = {}
    orders = []
    for stage in range(stages):
        warm = min(stages - stage - 1, batches)
        order = [("F", i) for i in range(warm)]
        for i in range(batches - warm):
            order += [("F", warm + i), ("B", i)]
        orders.append(order + [("B", batches - warm + i) for i in range(warm)])
    clocks, places = [0.0] * stages, [0] * stages
    while any(place < len(order) for place, order in zip(places, orders, strict=True)):
        for stage in range(stages):
            if places[stage] == len(orders[stage]):
                continue
            kind, batch = orders[stage][places[stage]]
            other = stage - 1 if kind == "F" else stage + 1
            ready = 0.0
            if 0 <= other < stages:
                if (kind, other, batch) not in done:
                    continue
                ready = done[kind, other, batch]
            took = forward[stage] if kind == "F" else backward[stage]
            clocks[stage] = max(clocks[stage], ready) + took
            done[kind, stage, batch] = clocks[stage]
            places[stage] += 1
    return max(clocks)


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
