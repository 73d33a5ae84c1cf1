from __future__ import annotations

import json

import pytest

from computebill.base.errors import RequestError
from computebill.watching.totals import Totals


def trained(totals: Totals, steps: range, seconds: float = 2.0) -> Totals:
    for step in steps:
        totals.add(step, 100.0, seconds, 0.0)
    return totals


def test_updates_done_again_cost_and_do_not_count() -> None:
    totals = trained(Totals(0), range(1, 21))
    trained(totals, range(11, 31))  # back to the checkpoint of step 10
    counts = totals.counts
    assert (counts.restarts, counts.updates) == (1, 40)
    assert (counts.tokens, counts.tokens_computed) == (3000.0, 4000.0)
    assert counts.again_seconds == 20.0
    assert totals.goodput == pytest.approx(60 / 80)


def test_a_stall_is_lost_beyond_the_usual_time() -> None:
    totals = trained(Totals(0), range(1, 21))
    assert totals.add(21, 100.0, 50.0, 0.0) is None
    assert totals.counts.stalls == 1
    assert totals.counts.stalled_seconds == pytest.approx(48.0)
    assert totals.goodput == pytest.approx(42 / 90)
    assert totals.counts.steady_seconds == 40.0


def test_the_first_updates_cost_and_say_nothing_of_the_speed() -> None:
    totals = Totals(2)
    assert [totals.add(i, 100.0, 30.0, 0.0) for i in (1, 2)] == [None, None]
    assert totals.left(100.0) is None
    assert totals.add(3, 100.0, 2.0, 0.0) == 100.0
    assert totals.wall_seconds == 62.0
    left = totals.left(100.0)
    assert left is not None
    assert left.p50 == 2.0


def test_time_between_updates_and_of_restarts_is_held_and_lost() -> None:
    totals = Totals(0)
    totals.add(1, 100.0, 2.0, 3.0)
    totals.add_lost(5.0)
    assert totals.wall_seconds == 10.0
    assert totals.goodput == pytest.approx(0.2)
    left = totals.left(100.0)
    assert left is not None
    assert left.p50 == 10.0


def test_a_program_that_starts_again_goes_on_from_its_totals() -> None:
    before = trained(Totals(0), range(1, 21))
    state = json.loads(json.dumps(before.state()))
    after = Totals(0)
    after.go_on(state, "watch.json")
    trained(after, range(16, 26))
    assert after.counts.restarts == 1
    assert after.counts.tokens == 2500.0
    assert after.counts.again_seconds == 10.0


@pytest.mark.parametrize("state", [{}, {"counts": {}}, {"counts": None}])
def test_a_file_of_something_else_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(RequestError, match=r"w.json: is no file of a watch"):
        Totals(0).go_on(state, "w.json")
