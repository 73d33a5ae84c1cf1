from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest
from price_files import GPUHUNT, SKYPILOT, gpu_info, machine, written

from computebill.base.errors import RequestError
from computebill.costs.price_lists import Asked, Listed, listed_price
from computebill.hardware.accelerators import find_accelerator
from computebill.planning.spec import read_plan
from computebill.programmes.loading import load_programme
from computebill.runs.estimate import estimate_run
from computebill.sweep import load_sweep

H100 = find_accelerator("h100")


def price(path: Path, name: str = "h100", **asked: Any) -> Listed:
    return listed_price(path, find_accelerator(name), Asked(**asked))


@pytest.fixture
def nebius(tmp_path: Path) -> Path:
    rows = [machine("eu", 24, 10), machine("us", 32, 12), machine("us", 5, 2, count=1)]
    return written(tmp_path / "nebius-2026-11-28.csv", SKYPILOT, rows)


def test_of_one_provider_each_region_is_a_price(nebius: Path) -> None:
    listed = price(nebius)
    assert listed.values == (3.0, 4.0)
    assert listed.quantity.parameters == (3.0, 4.0)
    assert listed.source == (
        "nebius-2026-11-28.csv: on-demand, 2 regions of nebius, 2026-11-28 by its name"
    )
    assert listed.left_out is None


def test_a_region_and_a_commitment_narrow_it_to_one_price(nebius: Path) -> None:
    listed = price(nebius, region="US", commitment="spot")
    assert listed.quantity.value == 12 / 8
    assert listed.as_field == 12 / 8
    assert "interruptions are not in it" in listed.source


def test_of_several_providers_each_has_one_price_the_middle_of_its_regions(tmp_path: Path) -> None:
    for cloud, prices in (("aws", (16, 24, 80)), ("gcp", (32,))):
        (tmp_path / cloud).mkdir()
        rows = [machine(f"r{i}", usd) for i, usd in enumerate(prices)]
        written(tmp_path / cloud / "vms.csv", SKYPILOT, rows)
    assert price(tmp_path).values == (3.0, 4.0)
    assert price(tmp_path, provider="Amazon").values == (2.0, 3.0, 10.0)


def test_a_price_that_stands_for_none_is_not_taken(tmp_path: Path) -> None:
    rows = [machine("a", 16), machine("b", 17), machine("c", 5600)]
    assert price(written(tmp_path / "gcp.csv", SKYPILOT, rows)).values == (2.0, 17 / 8)


@pytest.mark.parametrize(
    ("name", "count", "mib", "meant"),
    [
        ("A100", 8, 40960, "a100-sxm-40gb"),
        ("A100-80GB", 8, 81920, "a100-sxm-80gb"),
        ("H100", 1, 95830, "h100-nvl"),
        ("H200", 4, 575084, "h200-sxm"),  # of the whole machine, as Vast's rows have it
        ("V100", 8, 16384, "v100-sxm-16gb"),
    ],
)
def test_a_part_is_meant_by_its_name_and_its_memory(
    tmp_path: Path, name: str, count: int, mib: int, meant: str
) -> None:
    row = f"x,{name},{count},1,1,{count * 3},r,{gpu_info(name, count, mib)},"
    assert price(written(tmp_path / "x.csv", SKYPILOT, [row]), meant).values == (3.0,)


def test_memory_that_may_be_a_chips_or_the_machines_is_not_guessed_at(tmp_path: Path) -> None:
    row = f"x,A100,2,1,1,6,r,{gpu_info('A100', 2, 81920)},"
    path = written(tmp_path / "x.csv", SKYPILOT, [row])
    for name in ("a100-sxm-40gb", "a100-sxm-80gb"):
        with pytest.raises(RequestError, match="names more than one accelerator 1 "):
            price(path, name)


def test_the_newest_price_up_to_the_date_counts_else_the_first_after(tmp_path: Path) -> None:
    rows = [f"h100,{usd},p,,,{day}" for usd, day in ((4, "2024-01-01"), (3, "2025-01-01"))]
    header = "accelerator,usd_per_hour,provider,region,commitment,date"
    path = written(tmp_path / "own.csv", header, rows)
    for day, usd in (("2023-01-01", 4), ("2024-06-01", 4), ("2025-06-01", 3)):
        listed = price(path, date=dt.date.fromisoformat(day))
        assert listed.values == (usd,)
    assert price(path).source == "own.csv: on-demand, p, 2025-01-01"


def test_without_any_day_the_files_own_is_assumed(tmp_path: Path) -> None:
    path = written(tmp_path / "own.csv", "accelerator,usd_per_hour", ["h100,2"])
    os.utime(path, (0, 86400 * 365))
    assert price(path).source.endswith("1971-01-01, when the file was last written: assumed")
    day = dt.date(2026, 1, 2)
    assert price(path, date=day).source.endswith("2026-01-02, as given")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"commitment": "3y"}, "commitment: got '3y'; of h100-sxm .* has: on-demand, spot"),
        ({"provider": "aws"}, "provider: got 'aws'; of h100-sxm .* has: nebius"),
        ({"region": "mars"}, "region: got 'mars'; of h100-sxm .* has: eu, us"),
    ],
)
def test_what_a_list_lacks_is_refused_with_what_it_has(
    nebius: Path, asked: dict[str, str], told: str
) -> None:
    with pytest.raises(RequestError, match=told):
        price(nebius, **asked)


def test_a_list_without_the_part_tells_why_its_rows_were_left_out(tmp_path: Path) -> None:
    rows = [machine("r", "=2"), f"x,RTX1,1,1,1,1,r,{gpu_info('RTX1', 1, 8192)},"]
    path = written(tmp_path / "x.csv", SKYPILOT, rows)
    with pytest.raises(RequestError, match="no price of h100-sxm") as error:
        price(path)
    told = "the price is a formula 1 ('=2' in line 2)", "not a known accelerator 1 ('RTX1' in"
    assert all(each in str(error.value) for each in told)


def test_a_run_is_priced_by_its_list_and_tells_what_was_not_read(nebius: Path) -> None:
    fields = {"params": "7B", "tokens": "1T", "accelerator": "h100", "samples": 2**12}
    run = estimate_run(prices=str(nebius), **fields)
    row = run.rows["cloud"].p50 / run.rows["gpu_hours"].p50
    assert 3 <= row <= 4
    one = estimate_run(prices=str(nebius), region="eu", **fields)
    same = estimate_run(price=3, **fields)
    assert one.rows["cloud"].to_dict() == same.rows["cloud"].to_dict()
    told = {each.name: each.source for each in run.assumptions}
    assert told["USD per accelerator-hour"].startswith("nebius-2026-11-28.csv: on-demand, 2 reg")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"price": 2, "prices": "x.csv"}, "give prices or price, not both"),
        ({"region": "us"}, "region: needs prices"),
    ],
)
def test_a_price_and_a_list_of_prices_exclude_each_other(fields: dict[str, Any], told: str) -> None:
    run = {"params": "7B", "tokens": "1T", "accelerator": "h100"}
    plan = {"model": "examples/llama-3.1-405b", "tokens": "1T", "accelerator": "h100", "count": 8}
    with pytest.raises(RequestError, match=told):
        estimate_run(**run, **fields)
    with pytest.raises(RequestError, match=told):
        read_plan({**plan, **fields})
    with pytest.raises(RequestError, match=told):
        load_sweep("smollm3", fields)


def test_a_programme_takes_the_price_of_its_own_accelerator(tmp_path: Path) -> None:
    rows = [f"p5,r{i},{8 * usd},1,1,8,H100,80,False," for i, usd in enumerate((2, 3, 4))]
    path = written(tmp_path / "aws.csv", GPUHUNT, rows)
    loaded = load_programme("minimax-2025").listed(path, Asked(), "h100")
    given = loaded.programme.assumptions.price
    assert given is not None
    assert given.value.median == 3
    assert given.note == (
        "USD per accelerator-hour; " + listed_price(path, H100, Asked()).source + "."
    )
    with pytest.raises(RequestError, match="--prices: minimax-2025 names no accelerator"):
        load_programme("minimax-2025").listed(path, Asked())
