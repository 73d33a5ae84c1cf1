from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

import computebill as cb

TEN_DAYS = {"start": "2026-01-01", "end": "2026-01-11"}


def crossings(*stages: dict[str, Any], **more: Any) -> dict[tuple[str, float], Any]:
    data = {"model": {"name": "m", "params": 1e10}, "stage": list(stages), **more}
    found = cb.state(data, rules=["eu-updates", "eu-cumulative"])
    return {(each.rule_set, each.mark.value): each for each in found.crossings}


def test_the_day_is_where_an_even_run_reaches_the_threshold() -> None:
    # 1.2e23 FLOP in ten days: 1e23 after 8.33, on 9 January at the latest.
    found = crossings({"tokens": 2e12, **TEN_DAYS})[("eu-updates", 1e23)]
    assert found.day() == dt.date(2026, 1, 10)
    assert found.days["p50"] == pytest.approx(dt.date(2026, 1, 1).toordinal() + 10 / 1.2)
    assert found.notify_by == dt.date(2026, 1, 24)
    assert found.odds == 1.0
    assert found.stage == "pretrain"


def test_uncertain_runs_cross_with_odds_and_an_interval() -> None:
    # Uniform from 0.9e23 to 1.8e23: eight in nine cross.
    found = crossings({"tokens": {"low": 1.5e12, "high": 3e12}, **TEN_DAYS})
    each = found[("eu-updates", 1e23)]
    assert each.odds == pytest.approx(8 / 9, abs=2e-3)
    assert each.day("p5") < each.day("p50")
    assert each.day("p95") is None


def test_what_never_crosses_is_not_told() -> None:
    assert ("eu-cumulative", 1e25) not in crossings({"tokens": 2e12, **TEN_DAYS})


def test_lineage_is_there_before_the_first_day() -> None:
    base = [{"name": "base", "flop": 9.94e24}]
    stage = {"tokens": 2e12, **TEN_DAYS}
    found = crossings(stage, lineage=base)
    assert found[("eu-cumulative", 1e25)].day() == dt.date(2026, 1, 6)  # 6e22 after five days
    assert found[("eu-cumulative", 1e23)].day() == dt.date(2026, 1, 1)


def test_a_stage_without_days_stands_at_the_end_of_the_one_before() -> None:
    found = crossings(
        {"tokens": 1.6e12, **TEN_DAYS},
        {"name": "later", "kind": "sft", "tokens": 0.4e12},
    )
    assert found[("eu-updates", 1e23)].day() == dt.date(2026, 1, 11)
    data = {
        "model": {"name": "m", "params": 1e10},
        "stage": [{"tokens": 1e12, **TEN_DAYS}, {"name": "later", "kind": "sft", "tokens": 1e9}],
    }
    assert cb.state(data).undated == ("later",)


def test_the_last_day_follows_from_hours_and_accelerators() -> None:
    hours = {"gpu_hours": 24 * 10 * 100, "count": 100, "accelerator": "h100-sxm"}
    found = crossings({"tokens": 2e12, "start": "2026-01-01", **hours})
    assert found[("eu-updates", 1e23)].day() == dt.date(2026, 1, 10)


def test_a_run_of_uncertain_length_crosses_within_days() -> None:
    # Half of it is done when 1e23 is exceeded, after 5 to 15 days of 10 to 30.
    stage = {"tokens": 2e12, "params": 1e23 / 6e12, "start": "2026-01-01"}
    each = crossings({**stage, "days": {"low": 10, "high": 30}})[("eu-updates", 1e23)]
    found = {key: day - dt.date(2026, 1, 1).toordinal() for key, day in each.days.items()}
    assert found == pytest.approx({"p5": 5.5, "p50": 10.0, "p95": 14.5}, rel=0.01)
    # What follows without days of its own stands at the end, whenever that is.
    later = {"name": "later", "kind": "sft", "tokens": 2e12, "params": 1e11}
    short = {**stage, "tokens": 1e12, "days": {"low": 10, "high": 30}}
    after = crossings(short, later)[("eu-updates", 1e23)].days
    assert after["p5"] - dt.date(2026, 1, 1).toordinal() == pytest.approx(11, rel=0.01)


def test_a_planned_stage_lasts_as_long_as_its_accelerators_take() -> None:
    on = {"accelerator": "h100-sxm", "count": 512, "mfu": {"low": 0.3, "high": 0.5}}
    stage = {"name": "pre", "tokens": 2e12, "start": "2026-01-01", **on, "goodput": 1.0}
    found = cb.state({"model": {"name": "m", "params": 1e10}, "stage": [stage]})
    (each,) = (each for each in found.crossings if each.rule_set == "eu-updates")
    day = dt.date(2026, 1, 1).toordinal()
    for key, mfu in (("p5", 0.49), ("p50", 0.4), ("p95", 0.31)):
        expected = 1e23 / (512 * 989.4e12 * mfu) / 86400
        assert each.days[key] - day == pytest.approx(expected, rel=0.01)


def test_a_stage_of_no_known_length_is_said_to_come_at_once() -> None:
    stage = {"name": "pre", "tokens": 2e12, "start": "2026-01-01"}
    found = cb.state({"model": {"name": "m", "params": 1e10}, "stage": [stage]})
    assert any(note.endswith("give end, days or count: pre.") for note in found.notes)
    assert found.to_dict()["stages"][0]["end"] is None


def test_a_day_that_no_calendar_has_is_not_expected() -> None:
    stage = {"tokens": 2e12, "start": "2026-01-01", "days": 1e9}
    found = crossings(stage)[("eu-updates", 1e23)]
    assert found.day() is None
    assert found.notify_by is None


def test_without_days_nothing_is_said_of_when() -> None:
    assert crossings({"tokens": 2e13}) == {}
