"""How often one client may ask, and how many may wait."""

from __future__ import annotations

import time

import anyio

from computebill.serve.limits import MOST_CLIENTS, BusyError, Limits, Queue


def test_who_comes_to_a_long_queue_is_sent_away() -> None:
    async def crowd() -> list[str]:
        queue = Queue(2)
        told: list[str] = []

        async def come() -> None:
            try:
                told.append(await queue.compute(lambda: time.sleep(0.05) or "done"))
            except BusyError:
                told.append("busy")

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(come)
        return told

    assert sorted(anyio.run(crowd)) == ["busy", "done", "done"]


def test_a_bucket_fills_at_its_rate() -> None:
    limits = Limits(rate=2.0)
    assert [limits.allow("a", 0.0) for _ in range(11)] == [True] * 10 + [False]
    assert limits.allow("b", 0.0)
    assert [limits.allow("a", 1.0) for _ in range(3)] == [True, True, False]


def test_a_question_that_was_none_is_given_back_up_to_a_full_bucket() -> None:
    limits = Limits(rate=1.0, burst=1.0)
    assert limits.allow("a", 0.0)
    limits.give_back("a")
    limits.give_back("a")
    limits.give_back("nobody")
    assert [limits.allow("a", 0.0) for _ in range(2)] == [True, False]


def test_clients_who_came_longest_ago_are_forgotten() -> None:
    limits = Limits(rate=1.0, burst=1.0)
    assert limits.allow("first", 0.0)
    assert not limits.allow("first", 0.0)
    for number in range(MOST_CLIENTS):
        limits.allow(str(number), 0.0)
    assert limits.allow("first", 0.0)
