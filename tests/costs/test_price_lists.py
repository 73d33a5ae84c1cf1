"""Price lists of one's own, in the two forms of public catalogues."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from computebill.base.errors import RequestError
from computebill.costs.price_lists import listed_rent, read_price_list
from computebill.hardware.accelerators import find_accelerator
from computebill.runs.spec import RunSpec

SKYPILOT = (
    "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,SpotPrice,Region,GpuInfo\n"
    "p5.48xlarge,H100,8.0,192,2048,32.0,16.0,us-east-1,x\n"
    "p5.48xlarge,H100,8.0,192,2048,40.0,8.0,eu-west-1,x\n"
    "p4de.24xlarge,A100-80GB,8.0,96,1152,24.0,,us-east-1,x\n"
    "p4d.24xlarge,A100,8.0,96,1152,16.0,0,us-east-1,x\n"
    "m5.large,,,2,8,0.096,0.03,us-east-1,\n"
    "odd,Abacus,1,1,1,x,,us-east-1,\n"
)
GPUHUNT = (
    "instance_name,location,price,cpu,memory,gpu_count,gpu_name,gpu_memory,spot,disk_size\n"
    "a,us,2.0,1,1,1,H100,80.0,False,\n"
    "b,us,8.0,1,1,2,H100,80.0,False,\n"
    "c,us,6.0,1,1,2,H100,80.0,False,\n"
    "d,us,1.0,1,1,1,H100,80.0,True,\n"
    "e,us,0.1,1,1,0,,,False,\n"
)


@pytest.fixture
def skypilot(tmp_path: Path) -> Path:
    path = tmp_path / "aws" / "vms.csv"
    path.parent.mkdir()
    path.write_text(SKYPILOT, encoding="utf-8")
    day = dt.datetime(2026, 6, 25, 12).timestamp()
    os.utime(path, (day, day))
    return path


@pytest.mark.parametrize(
    ("name", "commitment", "region", "usd"),
    [
        ("h100-sxm", "on-demand", "us-east-1", 4.0),
        ("h100-sxm", "spot", "US East 1", 2.0),
        ("h100-sxm", "on-demand", None, 4.5),
        ("a100-sxm-80gb", "on-demand", None, 3.0),
    ],
)
def test_an_hour_of_one_accelerator_by_region_and_commitment(
    skypilot: Path, name: str, commitment: str, region: str | None, usd: float
) -> None:
    price, source = listed_rent(skypilot, find_accelerator(name), commitment, region)
    assert price.value == usd
    assert source.startswith("vms.csv of aws, 2026-06-25")


def test_several_offers_are_a_range(tmp_path: Path) -> None:
    path = tmp_path / "runpod.csv"
    path.write_text(GPUHUNT, encoding="utf-8")
    price, source = listed_rent(path, find_accelerator("h100-sxm"), "on-demand", None)
    assert price.text == "2.2–3–3.8 (p10–p50–p90)"
    assert source.endswith("on-demand, 3 offers")
    assert listed_rent(path, find_accelerator("h100-sxm"), "spot", "us")[0].value == 1.0
    assert read_price_list(path).provider == "runpod"


@pytest.mark.parametrize(
    ("name", "commitment", "region", "told"),
    [
        ("h100-sxm", "3y", None, "commitment: got '3y'; allowed with prices: on-demand, spot"),
        ("h100-sxm", "spot", "mars", "region: got 'mars'; .* has eu-west-1, us-east-1"),
        ("a100-sxm-80gb", "spot", None, "has no spot price of a100-sxm-80gb"),
        ("b200", "spot", None, "has no price of b200; of: A100, A100-80GB, H100"),
    ],
)
def test_what_a_list_has_no_price_of_is_told(
    skypilot: Path, name: str, commitment: str, region: str | None, told: str
) -> None:
    with pytest.raises(RequestError, match=told):
        listed_rent(skypilot, find_accelerator(name), commitment, region)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2\n", "has the columns a, b; allowed: SkyPilot's"),
        ("", "has the columns of none"),
        (SKYPILOT.partition("\n")[0], "has no price of an accelerator"),
    ],
)
def test_a_file_that_is_no_list_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / f"{len(text)}.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RequestError, match=told):
        read_price_list(path)
    with pytest.raises(RequestError, match="cannot be read: No such file"):
        read_price_list(tmp_path / "nosuch.csv")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"price": 2}, "give prices or price, not both"),
        ({"provider": "aws"}, "give prices or provider, not both"),
        ({"prices": None, "region": "us"}, "region: needs prices"),
    ],
)
def test_a_list_beside_another_price_is_refused(more: dict[str, object], told: str) -> None:
    given = {"params": "7B", "tokens": "1T", "accelerator": "h100", "prices": "a.csv"}
    with pytest.raises(ValueError, match=told):
        RunSpec.model_validate({**given, **more})
