from __future__ import annotations

import itertools
import math
import time
from collections import defaultdict

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from computebill.base.errors import RequestError
from computebill.sweep.packing import Schedule, pack
from computebill.sweep.spec import Cluster
from computebill.sweep.totals import Jobs

GPUS = 12
KINDS = st.lists(
    st.builds(
        Jobs,
        st.integers(0, 2),
        st.integers(1, GPUS),
        st.floats(0.01, 100),
        st.integers(1, 30).map(float),
    ),
    min_size=1,
    max_size=8,
)


def on(gpus: int, jobs: list[Jobs]) -> Schedule:
    return pack(jobs, Cluster(gpus=gpus))


def within(days: float, jobs: list[Jobs]) -> Schedule:
    return pack(jobs, Cluster(days=days))


def work(jobs: list[Jobs]) -> float:
    return sum(job.gpus * job.hours * job.count for job in jobs)


def most_at_once(schedule: Schedule) -> int:
    """Accelerators at work just after each start."""
    return max(
        sum(each.gpus for each in schedule.placed if each.start <= other.start < each.end)
        for other in schedule.placed
    )


@given(KINDS, st.integers(GPUS, 3 * GPUS))
def test_no_instant_uses_more_than_the_cluster(jobs: list[Jobs], gpus: int) -> None:
    assert most_at_once(on(gpus, jobs)) <= gpus


@given(KINDS)
def test_every_job_is_placed_once(jobs: list[Jobs]) -> None:
    found = on(GPUS, jobs)
    wanted: dict[tuple[int, int], float] = defaultdict(float)
    placed: dict[tuple[int, int], float] = defaultdict(float)
    hours: dict[tuple[int, int], float] = defaultdict(float)
    for job in jobs:
        wanted[job.group, job.gpus] += job.count
        hours[job.group, job.gpus] += job.count * job.hours
    for each in found.placed:
        placed[each.group, each.gpus] += each.count
        hours[each.group, each.gpus] -= each.end - each.start
    assert placed == wanted
    assert max(map(abs, hours.values())) < 1e-6
    assert found.to_dict()["jobs"] == sum(job.count for job in jobs)


@given(KINDS, st.integers(GPUS, 3 * GPUS))
def test_nothing_ends_before_the_bound_or_after_twice_of_it(jobs: list[Jobs], gpus: int) -> None:
    # Of two instants that are apart by the longest job, whatever runs at the later one waited at
    # the earlier, for want of room: together they use more than the cluster. So in twice the
    # longest job or more, at least half of the cluster is at work.
    found = on(gpus, jobs)
    bound = max(work(jobs) / gpus, max(job.hours for job in jobs)) / 24
    assert found.bound_days == pytest.approx(bound)
    assert bound * (1 - 1e-9) <= found.days <= 2 * bound * (1 + 1e-9)
    assert found.days == pytest.approx(max(each.end for each in found.placed) / 24)
    assert found.idle_share == pytest.approx(1 - work(jobs) / 24 / (gpus * found.days), abs=1e-9)


def shortest(jobs: list[tuple[int, int]], gpus: int) -> int:
    """Hours of the best of all schedules: jobs in every order, each as early as it fits."""
    best = sum(hours for _, hours in jobs)
    for order in set(itertools.permutations(jobs)):
        free = [gpus] * (best + max(hours for _, hours in jobs))
        end = 0
        for width, hours in order:
            start = 0
            while any(free[t] < width for t in range(start, start + hours)):
                start += 1
            for t in range(start, start + hours):
                free[t] -= width
            end = max(end, start + hours)
        best = min(best, end)
    return best


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=5),
    st.integers(5, 7),
)
@example([(3, 3), (3, 3), (2, 2), (2, 2), (2, 2), (1, 5)], 6)
def test_no_schedule_is_twice_as_fast(jobs: list[tuple[int, int]], gpus: int) -> None:
    found = on(gpus, [Jobs(0, width, float(hours), 1.0) for width, hours in jobs])
    best = shortest(jobs, gpus)
    assert best * (1 - 1e-9) <= found.days * 24 <= 2 * best * (1 + 1e-9)


@given(KINDS, st.floats(1, 20))
@example([Jobs(0, 25, 2.0, 2.0), Jobs(0, 8, 5.0, 2.0)], 1.775)
def test_the_smallest_cluster_ends_in_time_and_none_a_node_smaller_does(
    jobs: list[Jobs], times: float
) -> None:
    days = max(job.hours for job in jobs) / 24 * times
    found = within(days, jobs)
    assert found.days <= days
    assert most_at_once(found) <= found.gpus
    # Fewer may by chance do better (Graham 1969); one of those next below does not.
    step = max(8, found.gpus // 64)
    widest = max(job.gpus for job in jobs)
    assert any(
        gpus < widest or on(gpus, jobs).days > days for gpus in range(found.gpus - step, found.gpus)
    )


def test_a_job_that_is_longer_than_there_is_time_is_refused() -> None:
    with pytest.raises(RequestError) as caught:
        within(2.0, [Jobs(0, 8, 10.0, 3), Jobs(0, 8, 72.0, 1)])
    assert caught.value.field == "cluster.days"
    assert "3 days" in caught.value.problem


def test_a_job_that_is_wider_than_the_cluster_is_refused() -> None:
    with pytest.raises(RequestError) as caught:
        on(64, [Jobs(0, 8, 1.0, 3), Jobs(1, 1024, 1.0, 1)])
    assert caught.value.field == "cluster.gpus"
    assert "1,024" in caught.value.problem


@pytest.mark.parametrize("width", [1, 8])
@pytest.mark.parametrize("kinds", [1, 300])
def test_a_million_short_jobs_take_little_time_and_leave_little_idle(
    width: int, kinds: int
) -> None:
    jobs = [Jobs(0, width, 0.01 * 1.01**kind, 1e6 / kinds) for kind in range(kinds)]
    begun = time.process_time()
    found = on(1024, jobs)
    assert time.process_time() - begun < 2
    assert found.to_dict()["jobs"] == pytest.approx(1e6)
    assert found.idle_share < 0.03


@settings(max_examples=25)
@given(st.integers(1, 10**6), st.integers(1, 30_000))
@example(1_000_000, 15_000)
def test_jobs_that_are_alike_go_side_by_side_as_often_as_they_have_to(
    count: int, places: int
) -> None:
    found = on(places, [Jobs(0, 1, 1.0, float(count))])
    assert math.ceil(count / places) <= found.days * 24 * (1 + 1e-9)
    # Chains of many jobs may end apart, but by little beside the whole.
    assert found.days * 24 <= 1.05 * math.ceil(count / places)


@given(
    st.lists(
        st.builds(Jobs, st.just(0), st.integers(1, 8), st.floats(0.1, 10), st.floats(0.01, 50)),
        min_size=1,
        max_size=6,
    )
)
def test_expected_numbers_of_jobs_keep_their_work(jobs: list[Jobs]) -> None:
    # Stopped early by a share, a kind has no whole number of jobs.
    found = on(16, jobs)
    assert found.to_dict()["jobs"] == pytest.approx(sum(job.count for job in jobs))
    placed = sum(each.gpus * (each.end - each.start) for each in found.placed)
    assert placed == pytest.approx(work(jobs))


@given(KINDS)
def test_usage_adds_up_to_the_work(jobs: list[Jobs]) -> None:
    found = on(GPUS, jobs)
    at_work: dict[int, int] = {}
    held: dict[int, float] = defaultdict(float)
    before = 0.0
    for day, group, gpus in found.usage():
        assert day >= before
        for other, running in at_work.items():
            held[other] += running * (day - before) * 24
        before, at_work[group] = day, gpus
        assert gpus >= 0
    assert set(at_work.values()) == {0}
    for group in {job.group for job in jobs}:
        own = work([job for job in jobs if job.group == group])
        assert held[group] == pytest.approx(own)
