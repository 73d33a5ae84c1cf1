from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from computebill.kernels import collectives, pipeline, roofline
from computebill.kernels.collectives import Links


def tensor(value: object) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


SIZES = st.integers(1, 40_000)


def brute_force_waste(m: int, n: int, units: int, harshness: float) -> float:
    """Walk through the tiles of a product, wave by wave."""
    tiles = [(row, column) for row in range(0, m, 128) for column in range(0, n, 256)]
    padded = len(tiles) * 128 * 256 / (m * n)
    waves = 0
    while waves * units < len(tiles):
        waves += 1
    idle = min(waves * units / len(tiles), 4.0)
    return min(padded, 2.0) * (1 + harshness * (idle - 1))


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 150), st.floats(0, 1))
def test_waste_is_that_of_a_walk_through_tiles(
    m: int, n: int, units: int, harshness: float
) -> None:
    found = roofline.quantised(tensor(m), tensor(n), tensor(units), tensor(harshness))
    assert float(found) == pytest.approx(brute_force_waste(m, n, units, harshness), rel=1e-9)


def seconds(m: float, n: float, k: float, **changes: float) -> float:
    given = {
        "flop_per_s": 6e14,
        "half_k": 80.0,
        "bytes_per_s": 2.8e12,
        "units": 132.0,
        "harshness": 0.5,
        "element_bytes": 2.0,
        **changes,
    }
    shape = roofline.ProductShape(*map(tensor, (m, n, k, 1.0)))
    rate = roofline.ProductRate(**{name: tensor(value) for name, value in given.items()})
    return float(roofline.product_seconds(shape, rate))


def test_a_large_product_is_bound_by_computing() -> None:
    assert seconds(16384, 16384, 16384) == pytest.approx(2 * 16384**3 / 6e14, rel=0.05)


def test_a_thin_product_is_bound_by_memory() -> None:
    traffic = 2 * (16 * 8192 + 8192 * 8192 + 16 * 8192)
    assert seconds(16, 8192, 8192) == pytest.approx(traffic / 2.8e12, rel=0.05)


@given(SIZES, SIZES, SIZES)
def test_time_is_never_below_either_bound(m: int, n: int, k: int) -> None:
    found = seconds(m, n, k)
    assert found >= 2 * m * n * k / 6e14 * (1 - 1e-12)
    assert found >= 2 * (m * k + k * n + m * n) / 2.8e12 * (1 - 1e-12)


def test_an_absent_product_takes_no_time() -> None:
    assert seconds(0, 128, 128) == seconds(128, 0, 128) == seconds(128, 128, 0) == 0


LINKS = Links(*map(tensor, (450e9, 50e9, 8.0, 1e-6, 1e-5)))


def test_a_group_inside_a_domain_uses_its_links() -> None:
    found = collectives.group(LINKS, tensor(8.0), tensor(1.0))
    assert float(found.bytes_per_s) == 450e9
    assert float(found.ring) == pytest.approx(7e-6)
    assert float(found.tree) == pytest.approx(3e-6)


@pytest.mark.parametrize(
    ("ranks", "stride", "cards"),
    # One member a node uses one card; eight use eight, together 400 of the links' 450.
    [(16, 8, 1), (16, 1, 8), (16, 4, 2), (64, 2, 4)],
)
def test_a_group_that_spans_domains_uses_the_cards_of_its_members(
    ranks: float, stride: float, cards: int
) -> None:
    found = collectives.group(LINKS, tensor(float(ranks)), tensor(float(stride)))
    assert float(found.bytes_per_s) == min(450e9, cards * 50e9)
    # A ring goes from domain to domain as often as there are others.
    domains = ranks / cards
    hops = (ranks - domains) * 1e-6 + (domains - 1) * 1e-5
    assert float(found.ring) == pytest.approx(hops)
    assert float(found.tree) < float(found.ring)


@given(st.integers(2, 64), st.floats(1e3, 1e10))
def test_rings_move_what_thakur_et_al_say(ranks: int, size: float) -> None:
    each = collectives.Group(tensor(float(ranks)), tensor(1e11), tensor(0.0), tensor(0.0))
    gather = float(collectives.gather_seconds(each, tensor(size)))
    assert gather == pytest.approx((ranks - 1) / ranks * size / 1e11)
    assert float(collectives.reduce_seconds(each, tensor(size))) == pytest.approx(2 * gather)


def test_one_rank_sends_nothing() -> None:
    each = collectives.group(LINKS, tensor(1.0), tensor(1.0))
    assert float(collectives.gather_seconds(each, tensor(1e9))) == 0
    ones = (tensor(1.0), tensor(1.0), tensor(1e9), tensor(8.0))
    assert float(collectives.exchange_seconds(LINKS, *ones)) == 0


def test_tokens_go_to_another_domain_once() -> None:
    # 4 domains; the expected number of other domains that 8 random copies reach, by simulation.
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randint(0, 4, (200_000, 8), generator=generator)
    reached = sum(float((chosen == other).any(1).double().mean()) for other in (1, 2, 3))
    links = LINKS._replace(latency_across=tensor(0.0))
    found = collectives.exchange_seconds(links, tensor(32.0), tensor(1.0), tensor(1e9), tensor(8.0))
    assert float(found) == pytest.approx(reached * 1e9 / 50e9, rel=0.01)


def simulated_bubble(stages: int, batches: int) -> float:
    """Play a 1F1B schedule of unit forward and backward passes; idle over busy time."""
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
            clocks[stage] = max(clocks[stage], ready) + 1
            done[kind, stage, batch] = clocks[stage]
            places[stage] += 1
    return max(clocks) / (2 * batches) - 1


def bubble(schedule: float, stages: int, *passes: float) -> float:
    numbers = (schedule, float(stages), 1.0, *passes)
    return float(pipeline.bubble_seconds(*map(tensor, numbers)))


@given(st.integers(1, 8), st.integers(1, 24))
def test_the_bubble_is_that_of_the_schedule(stages: int, batches: int) -> None:
    found = bubble(pipeline.ONE_FORWARD_ONE_BACKWARD, stages, 1.0, 1.0, 0.5)
    assert found == pytest.approx(2 * batches * simulated_bubble(stages, batches))


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
    found = bubble(pipeline.ZERO_BUBBLE, stages, 1.0, 2.0, 1.0)
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
