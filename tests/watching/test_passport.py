from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from computebill.base.errors import RequestError
from computebill.watching.passport import BASES, Passport, worst
from computebill.watching.run_watch import RunWatch


@pytest.fixture
def watch(fields: dict[str, Any]) -> RunWatch:
    found = RunWatch({**fields, "name": "a | small\nrun"[:9]}, every=1000)
    for _ in range(50):
        found.step(8192, 0.5)
    return found


@pytest.fixture
def passport(watch: RunWatch) -> Passport:
    return watch.passport()


def test_each_number_says_how_it_is_known(passport: Passport) -> None:
    assert {each.basis for each in passport.entries} == set(BASES)
    known = {each.key: each.basis for each in passport.entries}
    expected = {
        "params": "declared",
        "tokens": "measured",
        "updates": "measured",
        "flop_6nd": "declared",
        "hours": "measured",
        "gpu_hours": "declared",
        "mfu_causal": "declared",
        "usd": "declared",
        "kwh": "assumed",
        "kg_co2e": "assumed",
    }
    assert expected.items() <= known.items()
    assert all(each.source for each in passport.entries)


def test_its_numbers_are_the_runs(passport: Passport, watch: RunWatch) -> None:
    flop = watch.subject.unit.flop_per_token["causal"]
    assert flop is not None
    assert passport["flop_causal"].value == 50 * 8192 * flop
    assert passport["hours"].value == pytest.approx(25 / 3600)
    assert passport["usd"].value == pytest.approx(2 * 8 * 25 / 3600)
    share = flop * 8192 / 0.5 / 8 / watch.subject.unit.peak_flop_per_s
    assert passport["mfu_causal"].value == pytest.approx(share)


def test_a_meters_kwh_are_measured_and_carbon_goes_by_them(watch: RunWatch) -> None:
    passport = watch.passport(kwh=10.0)
    assert (passport["kwh"].value, passport["kwh"].basis) == (10.0, "measured")
    assert passport["kwh"].p5 is None
    assert passport["kg_co2e"].value == pytest.approx(3.497, rel=1e-3)  # 349.7 g a kWh, eGRID2023
    assert passport["kg_co2e"].basis == "assumed"
    with pytest.raises(RequestError, match="kwh: got -1"):
        watch.passport(kwh=-1)


def test_without_a_price_dollars_are_assumed_and_of_a_batch_tokens_are_declared(
    fields: dict[str, Any],
) -> None:
    del fields["price"]
    watch = RunWatch(fields)
    watch.tokens_are = "declared"
    watch.step(8192, 1.0)
    passport = watch.passport()
    assert passport["usd"].basis == "assumed"
    assert passport["tokens"].basis == "declared"


def test_it_tells_what_its_figures_rest_on_and_not_what_owning_costs(passport: Passport) -> None:
    told = {each["name"] for each in passport.assumptions}
    assert {"peak, dense bf16", "USD per accelerator-hour", "PUE", "g CO2e per kWh"} <= told
    assert not any("purchase" in name or "depreciation" in name for name in told)


def test_json_and_markdown_hold_every_number(passport: Passport, tmp_path: Path) -> None:
    told = json.loads(passport.save(tmp_path / "passport.json").read_text())
    assert told == passport.to_dict()
    assert set(told) == {
        "name", "model", "hardware", "date", "figures", "software", "assumptions",
    }  # fmt: skip
    assert {"computebill", "python", "torch"} <= told["software"].keys()
    assert told["figures"]["tokens"]["unit"] == ""
    page = passport.save(tmp_path / "passport.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(passport.entries)
    assert {line.replace(r"\|", "").count("|") for line in rows} == {5}
    assert page.startswith("## Training compute: a \\| small\n")


def test_a_file_of_another_ending_is_refused(passport: Passport, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"passport: got '.*p.txt'; allowed: .json or .md"):
        passport.save(tmp_path / "p.txt")


def test_a_number_is_known_as_its_least_known_input() -> None:
    assert worst("measured", "measured") == "measured"
    assert worst("measured", "declared") == "declared"
    assert worst("declared", "assumed", "measured") == "assumed"
