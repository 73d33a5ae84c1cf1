"""Grades by their rules, one fact at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.programmes.comparison import compare_totals
from computebill.programmes.followers import Follower
from computebill.programmes.grades import Graded, amount_bounds, bill_bound, kind_bound
from computebill.programmes.loading import load_programme, shipped_programmes

Data = dict[str, Any]
LACKING = {"name": "C", "released": "2024-07", "unsized": "large", "source": "s"}


@pytest.fixture
def data(programme: Callable[[], Data]) -> Data:
    found = programme()
    found["reported"][0]["mark"] = "measured"
    for run in found["runs"]:
        run["mark"] = "published"
    return found


def grade(data: Data) -> Graded:
    return compare_totals(data, samples=64).graded


def test_flop_against_dollars_are_not_one_unit(data: Data) -> None:
    found = grade(data)
    assert (found.grade, found.bound) == ("B", None)
    assert found.reasons[0] == "A: its size is not told in USD"


def test_both_sides_in_ones_own_figures_are_an_a(data: Data) -> None:
    data["runs"] = [{**data["runs"][0], "cost_usd": 1e8}]
    del data["runs"][0]["flop"]
    assert grade(data).grade == "A"
    data["runs"][0]["mark"] = "press"
    assert grade(data).reasons == ("A: press, not the organisation's own figure",)


@pytest.mark.parametrize(
    ("change", "reason", "bound"),
    [
        ({"mismatch": "holds staff"}, "R&D compute: holds staff", None),
        ({"status": "planned"}, "R&D compute: planned, not known to be spent", None),
        ({"status": "projected"}, "R&D compute: projected, not known to be spent", None),
        ({"at_least": True}, "R&D compute: a bound, at least", "at most"),
        ({"at_most": True}, "R&D compute: a bound, at most", "at least"),
        ({"mark": "guessed"}, "100% of R&D compute is guessed", None),
    ],
)
def test_a_denominator_that_is_something_else(
    data: Data, change: Data, reason: str, bound: str | None
) -> None:
    data["reported"][0] |= change
    assert grade(data) == Graded("C", (reason,), bound)


@pytest.mark.parametrize(
    ("change", "is_lacking", "expected"),
    [
        ({}, False, [None, None, None]),
        ({"at_least": True}, False, ["at least", "at least", None]),
        ({"at_most": True}, False, ["at most", "at most", None]),
        ({}, True, [None, "at least", "at least"]),
        ({"at_most": True}, True, ["at most", "no bound", "at least"]),
    ],
)
def test_a_followers_bill_is_bounded_by_what_it_holds(
    data: Data, change: Data, is_lacking: bool, expected: list[str | None]
) -> None:
    # Of all, R&D compute alone; of half, both sides; of nothing, the final runs alone.
    data["reported"][0] |= change
    if is_lacking:
        data["runs"].append(LACKING)
    programme = load_programme(data).programme
    assert [bill_bound(programme, skipped) for skipped in (0.0, 0.5, 1.0)] == expected


@pytest.mark.parametrize(
    ("change", "is_lacking", "expected"),
    [
        ({}, False, [None, None, None]),
        ({"at_least": True}, False, [None, "at least", "at least"]),
        ({"at_most": True}, False, [None, "at most", "at most"]),
        ({}, True, ["at least", None, "at most"]),
        ({"at_least": True}, True, ["at least", "at least", "no bound"]),
    ],
)
def test_each_amount_is_bounded_by_what_it_holds(
    data: Data, change: Data, is_lacking: bool, expected: list[str | None]
) -> None:
    data["reported"][0] |= change
    if is_lacking:
        data["runs"].append(LACKING)
    bounds = amount_bounds(load_programme(data).programme)
    assert [bounds[name] for name in ("final_runs", "rnd_compute", "exploration")] == expected


@pytest.mark.parametrize(
    ("skips", "change", "expected"),
    [
        # The lacking run is among what nothing explains; to pay it in full costs more, or less.
        ({"unexplained": 0.5}, {}, "at least"),
        ({"final runs": 0.9, "unexplained": 0.5}, {}, "at most"),
        ({"final runs": 0.9, "unexplained": 0.5}, {"at_least": True}, "no bound"),
        ({}, {}, None),
        ({"unexplained": 1.0}, {"at_most": True}, "at least"),
    ],
)
def test_a_bill_by_kind_is_bounded_by_what_is_skipped(
    data: Data, skips: Data, change: Data, expected: str | None
) -> None:
    data["reported"][0] |= change
    data["runs"].append(LACKING)
    follower = Follower.model_validate({"name": "f", "description": "d", "skips": skips})
    assert kind_bound(load_programme(data).programme, follower) == expected


@pytest.mark.parametrize(("months", "expected"), [("9M", "B"), ("3M", "C")])
def test_a_share_carried_over_for_most_of_the_year(data: Data, months: str, expected: str) -> None:
    known = int(months[0]) / 12
    data["reported"][0]["periods"] = [
        {"period": f"2024-{months}", "amount": 8e8 * known},
        {"period": "2024", "amount": 1e9, "factor": 0.8, "factor_from": f"2024-{months}"},
        {
            "period": f"2024-{months}",
            "amount": 1e9 * known,
            "sign": -1,
            "factor": 0.8,
            "factor_from": f"2024-{months}",
        },
    ]
    found = grade(data)
    assert found.grade == expected
    if expected == "C":
        assert found.reasons[0].startswith("75% of R&D compute rests on a share of compute")


def test_a_guess_counts_with_what_is_a_part_of_it(data: Data) -> None:
    data["runs"][0]["mark"] = "guessed"
    # B is a tenth of A: its own mark does not make it better known.
    assert grade(data).reasons == ("100% of the final runs is guessed",)
    data["runs"].append({**data["runs"][0], "name": "C", "mark": "estimated", "flop": 3e25})
    assert grade(data).grade == "B"


@pytest.mark.parametrize(
    ("size", "expected", "bound"), [("small", "B", None), ("large", "C", "at least")]
)
def test_a_run_whose_size_nobody_published(
    data: Data, size: str, expected: str, bound: str | None
) -> None:
    run = {"name": "C", "released": "2024-07", "unsized": size, "source": "s"}
    data["runs"].append(run)
    found = grade(data)
    assert (found.grade, found.bound) == (expected, bound)
    data["reported"][0]["at_least"] = True
    assert grade(data).bound == ("no bound" if bound else "at most")


def test_no_run_of_known_size(data: Data) -> None:
    data["runs"] = [{"name": "C", "released": "2024-07", "unsized": "large", "source": "s"}]
    found = compare_totals(data, samples=64)
    assert not found.totals.final_share.is_known
    assert found.totals.excess == 0
    assert "the share cannot be told" in found.graded.reasons[0]


def test_a_grade_that_the_rules_contradict(data: Data) -> None:
    data["grade"] = "A"
    with pytest.raises(RequestError, match="grade: got A; allowed by the rules: B, C: A: its size"):
        grade(data)
    data["grade"] = "C"
    found = grade(data)
    assert found.grade == "C"
    assert found.reasons[0] == "the file says C where the rules would allow B"


def test_a_variant_is_graded_anew(data: Data) -> None:
    data["grade"] = "B"
    line = {"item": "R&D compute", "mismatch": "holds staff"}
    data["variants"][0]["changes"][0]["reported"] = [line]
    assert compare_totals(data, variant="cheap", samples=64).graded.grade == "C"


@pytest.mark.parametrize("name", shipped_programmes())
def test_what_ships_states_the_grade_of_the_rules(name: str) -> None:
    stated = load_programme(name).programme.grade
    found = compare_totals(name, samples=1).graded
    assert stated == found.grade
    assert not any("where the rules would allow" in reason for reason in found.reasons)
    assert (name in shipped_programmes("B")) == (stated != "C")
