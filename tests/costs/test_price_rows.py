from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest
from price_files import GPUHUNT, SKYPILOT, gpu_info, written

from computebill.base.errors import RequestError
from computebill.costs.price_rows import read_offers


def reasons(path: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for each in read_offers(path)[1]:
        found.setdefault(each.why, []).append(each.line)
    return found


def test_a_row_of_skypilot_has_a_price_on_demand_and_a_spot_price_of_its_machine(
    tmp_path: Path,
) -> None:
    rows = [f"gpu-8,H100,8,128,1600,23.60,eu-north1,{gpu_info('H100', 8, 81920)},10.00"]
    offers, left, count = read_offers(written(tmp_path / "nebius.csv", SKYPILOT, rows))
    assert [(each.commitment, each.usd_per_hour) for each in offers] == [
        ("on-demand", 23.60 / 8),
        ("spot", 10.00 / 8),
    ]
    assert {(each.provider, each.region, each.chips) for each in offers} == {
        ("nebius", "eu-north1", 8.0)
    }
    assert offers[0].memory_gb == (80.0, 10.0)
    assert (left, count) == ([], 1)


def test_skypilots_cloud_is_its_folder(tmp_path: Path) -> None:
    row = f"p5,H100,8,192,2048,98.32,us-east-1,{gpu_info('H100', 8, 81920)},"
    (tmp_path / "aws").mkdir()
    offers, _, _ = read_offers(written(tmp_path / "aws" / "vms.csv", SKYPILOT, [row]))
    assert offers[0].provider == "aws"


GOOGLE = (
    "InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Region,"
    "AvailabilityZone,Price,SpotPrice"
)


def test_googles_accelerators_cost_what_their_machine_does_too(tmp_path: Path) -> None:
    """Its rows are one of the machine without accelerators, and one of them without it."""
    rows = [
        "a3-highgpu-8g,208,1872,,,,us-central1,us-central1-a,9.46006,2.88933",
        ",,,H100,8,H100,us-central1,us-central1-a,78.9,19.2",
        ",,,T4,1,T4,us-central1,us-central1-a,0.35,0.11",
    ]
    offers, left, _ = read_offers(written(tmp_path / "gcp.csv", GOOGLE, rows))
    assert [each.usd_per_hour for each in offers] == pytest.approx(
        [(78.9 + 9.46006) / 8, (19.2 + 2.88933) / 8]
    )
    assert [each.line for each in left if "without the machine" in each.why] == [4, 4]


@pytest.mark.parametrize(
    ("slice_", "chips"),
    [("tpu-v4-8", 4), ("tpu-v5p-12288", 6144), ("tpu-v5litepod-4", 4), ("tpu-v6e-8", 8)],
)
def test_a_slice_of_tpus_is_named_by_cores_or_chips(
    tmp_path: Path, slice_: str, chips: int
) -> None:
    row = f",,,{slice_},1,{slice_},us-east5,us-east5-a,{chips * 2.5},"
    offers, _, _ = read_offers(written(tmp_path / "gcp.csv", GOOGLE, [row]))
    assert offers[0].usd_per_hour == pytest.approx(2.5)
    assert offers[0].chips == chips


def test_gpuhunts_rows_are_spot_or_on_demand(tmp_path: Path) -> None:
    rows = ["p5.48xlarge,us-east-1,98.32,192,2048,8,H100,80,False,100",
            "p5.48xlarge,us-east-1,40.0,192,2048,8,H100,80,True,100",
            "m5.large,us-east-1,0.1,2,8,0,,,False,"]  # fmt: skip
    offers, left, _ = read_offers(written(tmp_path / "aws.csv", GPUHUNT, rows))
    assert [(each.provider, each.commitment, each.usd_per_hour) for each in offers] == [
        ("aws", "on-demand", 98.32 / 8),
        ("aws", "spot", 5.0),
    ]
    assert [(each.why, each.line) for each in left] == [("no accelerator", 4)]


def test_what_is_no_offer_is_left_out_with_its_line_and_its_reason(tmp_path: Path) -> None:
    rows = [
        "h100,2.0,a,us,on-demand,2026-01-02",
        "h100,-2.0,a,us,on-demand,2026-01-02",
        "h100,=1+1,a,us,on-demand,2026-01-02",
        "h100,-1+cmd,a,us,on-demand,2026-01-02",
        "h100,dear,a,us,on-demand,2026-01-02",
        "h100,nan,a,us,on-demand,2026-01-02",
        "h100,0,a,us,on-demand,2026-01-02",
        "h100,,a,us,on-demand,2026-01-02",
        ",2.0,a,us,on-demand,2026-01-02",
        "h100,2.0,a,us,9y,2026-01-02",
        "h100,2.0,a,us,1y,2026-13-02",
        "h100,2.0,a,us,on-demand,2026-01-02",
        "h100,2.5,a,us,on-demand,2026-01-02",
    ]
    header = "accelerator,usd_per_hour,provider,region,commitment,date"
    path = written(tmp_path / "own.csv", header, rows)
    assert len(read_offers(path)[0]) == 1
    assert reasons(path) == {
        "the price is negative": [3],
        "the price is a formula": [4, 5],
        "the price is no number": [6, 7],
        "the price is 0: no offer": [8],
        "no price": [9],
        "no accelerator": [10],
        "the commitment is none of on-demand, 1y, 3y, spot": [11],
        "the date is no day, 2025-06-30": [12],
        "the same offer again": [13],
        "the same offer again at another price": [14],
    }


def test_comments_are_no_rows_and_lines_are_the_files(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("# a list\n# made up\naccelerator,usd_per_hour\nh100,2\n# more\nh200,-3\n")
    offers, left, rows = read_offers(path)
    assert [(each.name, each.line) for each in offers] == [("h100", 4)]
    assert [(each.why, each.line) for each in left] == [("the price is negative", 6)]
    assert rows == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no row"),
        ("a,b\n1,2\n", "has the columns"),
        ("accelerator,x\n" + "a" * 200_000, "cannot be read"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(RequestError, match=rf"list\.csv: .*{told}"):
        read_offers(path)


def test_any_bytes_are_read_or_refused(tmp_path: Path) -> None:
    """No cell makes another error than a refusal."""
    random.seed(1)
    path, start = tmp_path / "list.csv", f"{GPUHUNT}\n".encode()
    for _ in range(200):
        path.write_bytes(start + random.randbytes(random.randrange(120)))
        with suppress(RequestError):
            read_offers(path)
